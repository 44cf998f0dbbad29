"""Token buckets on a real cache, and what happens when it is away."""

import pytest

from rizzpay.config import CacheSettings
from rizzpay.core import clock
from rizzpay.core.errors import Unavailable
from rizzpay.infra.cache import BREAK_S, Cache


@pytest.fixture
def cache(valkey):
    cache = Cache(valkey)
    yield cache
    cache.close()


@pytest.fixture
def away():
    cache = Cache(CacheSettings(socket="/nowhere/v.sock"))
    yield cache
    cache.close()


def drain(cache, bucket, per_minute):
    """Take until a refusal, and return how many were given and how many seconds it took."""
    began_s, given = clock.monotonic_s(), 0
    while cache.take(bucket, per_minute).allowed:
        given += 1
    return given, clock.monotonic_s() - began_s


def test_a_bucket_gives_its_tokens_and_then_refuses(cache):
    taken = [cache.take("given", 20) for _ in range(21)]  # one comes back in three seconds
    assert all(one.allowed for one in taken[:20])
    assert not taken[20].allowed
    assert 1 <= taken[20].retry_after_s <= 3
    assert [one.remaining for one in taken[:3]] == [19, 18, 17]


def test_a_bucket_fills_again(cache):
    given, took_s = drain(cache, "filling", 600)
    assert 600 <= given <= 601 + took_s * 10
    deadline = clock.monotonic_s() + 3
    while not cache.take("filling", 600).allowed:
        assert clock.monotonic_s() < deadline


def test_two_processes_share_a_bucket(valkey, cache):
    other = Cache(valkey)
    first = sum(cache.take("shared", 20).allowed for _ in range(15))
    second, took_s = drain(other, "shared", 20)
    other.close()
    assert first == 15
    assert 5 <= second <= 6 + took_s / 3


def test_a_large_limit_is_leased_and_not_exceeded(valkey):
    caches = [Cache(valkey) for _ in range(3)]
    began_s = clock.monotonic_s()
    allowed = sum(cache.take("leased", 6_000).allowed for _ in range(2_500) for cache in caches)
    took_s = clock.monotonic_s() - began_s
    for cache in caches:
        cache.close()
    # leases that ran out may be lost; what was refilled meanwhile comes on top, 100 a second
    assert 5_900 <= allowed <= 6_001 + took_s * 100


def test_flushing_the_cache_only_fills_the_buckets(valkey, cache):
    drain(cache, "flushed", 20)
    cache._client.flushall()
    cache._client.script_flush()
    other = Cache(valkey)
    assert other.take("flushed", 20).allowed
    other.close()


def test_without_the_cache_the_process_keeps_the_limit_itself(away):
    taken = [away.take("alone", 20) for _ in range(21)]
    assert all(one.allowed for one in taken[:20])
    assert not taken[20].allowed
    assert 1 <= taken[20].retry_after_s <= 3


def test_a_dead_cache_is_asked_once_a_second(away, valkey):
    away.take("x", 100)
    asked_until_s = away._broken_until_s
    assert 0 < asked_until_s - clock.monotonic_s() <= BREAK_S
    for _ in range(50):
        away.take("x", 100)
    assert away._broken_until_s == asked_until_s


def test_a_ping_of_a_dead_cache_says_which_part_it_is(away, cache):
    cache.ping()
    with pytest.raises(Unavailable, match="cache"):
        away.ping()
