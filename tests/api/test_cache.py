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


def test_a_bucket_gives_its_tokens_and_then_refuses(cache):
    taken = [cache.take("given", 100) for _ in range(101)]
    assert all(one.allowed for one in taken[:100])
    assert not taken[100].allowed
    assert taken[100].retry_after_s == 1
    assert [one.remaining for one in taken[:3]] == [99, 98, 97]


def test_a_bucket_fills_again(cache):
    for _ in range(600):
        cache.take("filling", 600)
    refused = cache.take("filling", 600)
    assert not refused.allowed
    deadline = clock.monotonic_s() + 3
    while not cache.take("filling", 600).allowed:
        assert clock.monotonic_s() < deadline


def test_two_processes_share_a_bucket(valkey, cache):
    other = Cache(valkey)
    allowed = sum(one.take("shared", 100).allowed for one in (cache, other) for _ in range(80))
    other.close()
    assert allowed == 100


def test_a_large_limit_is_leased_and_not_exceeded(valkey):
    caches = [Cache(valkey) for _ in range(3)]
    allowed = sum(cache.take("leased", 6_000).allowed for _ in range(2_100) for cache in caches)
    for cache in caches:
        cache.close()
    # what was refilled meanwhile comes on top: 100 a second, in some seconds
    assert 6_000 - 3 * 5 <= allowed <= 6_300


def test_flushing_the_cache_only_fills_the_buckets(valkey, cache):
    for _ in range(101):
        cache.take("flushed", 100)
    cache._client.flushall()
    cache._client.script_flush()
    other = Cache(valkey)
    assert other.take("flushed", 100).allowed
    other.close()


def test_without_the_cache_the_process_keeps_the_limit_itself(away):
    taken = [away.take("alone", 100) for _ in range(101)]
    assert all(one.allowed for one in taken[:100])
    assert not taken[100].allowed
    assert taken[100].retry_after_s >= 1


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
