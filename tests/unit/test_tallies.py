"""A tally says, once it is published, what prometheus_client would have said at once."""

import random

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from rizzpay.infra import tallies

BOUNDS = (0.001, 0.01, 0.1)


def histogram(registry):
    return Histogram("took", "Time.", ["route"], buckets=BOUNDS, registry=registry)


def rendered(registry):
    lines = generate_latest(registry).decode().splitlines()
    return sorted(line for line in lines if "_created" not in line)


def test_a_spread_is_the_histogram_that_prometheus_makes():
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    spread, plain = tallies.spreads(histogram(ours)), histogram(theirs)
    drawn = random.Random(7)
    values = [*BOUNDS, 0, 1e9, *(drawn.choice([1, 1024]) / 2**14 for _ in range(500))]
    for value in values:
        route = drawn.choice("ab")
        spread.labels(route).observe(value)
        plain.labels(route).observe(value)
    tallies.publish()
    assert rendered(ours) == rendered(theirs)


def test_a_count_is_added_once_however_often_it_is_published():
    registry = CollectorRegistry()
    count = tallies.counts(Counter("refused", "No.", ["code"], registry=registry))
    count.labels("a").inc()
    count.labels("a").inc(2)
    assert registry.get_sample_value("refused_total", {"code": "a"}) == 0
    tallies.publish()
    tallies.publish()
    assert registry.get_sample_value("refused_total", {"code": "a"}) == 3


def test_an_exact_count_is_there_at_once():
    registry = CollectorRegistry()
    count = tallies.exact(Counter("paid", "Yes.", ["method"], registry=registry))
    count.labels("upi").inc()
    assert registry.get_sample_value("paid_total", {"method": "upi"}) == 1
