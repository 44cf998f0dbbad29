"""The cache (Valkey or Redis): rate-limit tokens, and nothing that is the only copy of anything.

A limit is a token bucket in the cache, refilled by the cache's own clock. A process takes a small
lease of tokens at a time and keeps it for at most a second, so most requests need no round trip;
tokens of a lease that runs out are lost, which errs on the strict side by less than a per cent.

When the cache does not answer, limits fail open into a bucket of this process alone: a payment is
worth more than an exact limit. After a failure nobody asks the cache for a second, so a dead
cache costs one time-out a second and not one a request. Where there are Sentinels, a new connection
asks them who the primary is, so a failover costs the connections and nothing else.
"""

import math
import ssl
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import msgspec
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from rizzpay.config import CacheSettings, read_secret
from rizzpay.core import clock
from rizzpay.core.errors import Unavailable
from rizzpay.infra import metrics

CONNECTIONS_MAX = 32  # a process; who comes beyond them falls back like after any other failure
LEASE_S = 1.0  # how long a process keeps tokens
LEASES_A_MINUTE = 1200  # a limit of n a minute is leased n // 1200 tokens at a time, at least one
BREAK_S = 1.0  # how long a dead cache is left alone
BUCKETS_MAX = 10_000  # buckets that a process remembers
MINUTE_S = 60.0

# KEYS[1] bucket · ARGV: tokens a minute, size of the bucket, tokens wanted.
# Returns tokens granted, whole tokens left, milliseconds until one more, until full.
TAKE = """
local rate, size, wanted = tonumber(ARGV[1]) / 60000, tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(held[1]) or size, tonumber(held[2]) or now
tokens = math.min(size, tokens + math.max(0, now - at) * rate)
local granted = math.min(wanted, math.floor(tokens))
tokens = tokens - granted
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', now)
redis.call('PEXPIRE', KEYS[1], math.ceil(size / rate) + 1000)
local short = math.max(0, 1 - tokens)
return {granted, math.floor(tokens), math.ceil(short / rate), math.ceil((size - tokens) / rate)}
"""


class Taken(msgspec.Struct, frozen=True):
    """The answer to one request for a token; times in seconds."""

    allowed: bool
    limit: int
    remaining: int
    reset_s: int  # until the bucket is full again
    retry_after_s: int  # 0 when allowed


@dataclass(slots=True)
class _Lease:
    """Tokens that this process holds, and what the cache said when it gave them."""

    tokens: int
    remaining: int
    reset_s: int
    until_s: float
    refused_until_s: float


@dataclass(slots=True)
class _Bucket:
    """A bucket of this process, for when the cache is away."""

    tokens: float
    at_s: float


class Cache:
    """One client a process."""

    def __init__(self, settings: CacheSettings) -> None:
        """Prepare connections; the first use opens one."""
        self._pool = _sentinel_pool(settings) if settings.sentinels else _pool(settings)
        self._client = redis.Redis(connection_pool=self._pool)
        self._take = self._client.register_script(TAKE)
        self._leases: OrderedDict[str, _Lease] = OrderedDict()
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._broken_until_s = 0.0

    def close(self) -> None:
        """Close every connection."""
        self._client.close()
        self._pool.disconnect()

    def ping(self) -> None:
        """Ask whether the cache is there; raises Unavailable("cache")."""
        try:
            self._client.ping()
        except redis.RedisError as error:
            raise Unavailable("cache", type(error).__name__) from None

    def take(self, bucket: str, per_minute: int) -> Taken:
        """Take one token of a bucket of `per_minute` tokens, refilled evenly. Never raises."""
        now_s = clock.monotonic_s()
        lease = self._leases.get(bucket)
        if lease is not None and now_s < lease.until_s:
            if lease.tokens > 0:
                lease.tokens -= 1
                return _allowed(per_minute, lease.remaining + lease.tokens, lease.reset_s)
            if now_s < lease.refused_until_s:
                return _refused(per_minute, lease.refused_until_s - now_s, lease.reset_s)
        if now_s < self._broken_until_s:
            return self._take_locally(bucket, per_minute, now_s)
        wanted = max(1, per_minute // LEASES_A_MINUTE)
        try:
            reply = self._take(
                keys=[f"rizzpay:bucket:{bucket}"], args=[per_minute, per_minute, wanted]
            )
        except redis.RedisError:
            self._broken_until_s = clock.monotonic_s() + BREAK_S
            return self._take_locally(bucket, per_minute, now_s)
        granted, remaining, short_ms, full_ms = (int(part) for part in reply)
        return self._keep(bucket, per_minute, granted, (remaining, short_ms, full_ms))

    def _keep(
        self, bucket: str, per_minute: int, granted: int, said: tuple[int, int, int]
    ) -> Taken:
        """Remember what the cache granted, and use one of it."""
        remaining, short_ms, full_ms = said
        now_s = clock.monotonic_s()
        reset_s = math.ceil(full_ms / 1000)
        if granted == 0:
            wait_s = short_ms / 1000
            until_s = now_s + min(wait_s, LEASE_S)
            self._remember(bucket, _Lease(0, 0, reset_s, until_s, until_s))
            return _refused(per_minute, wait_s, reset_s)
        earlier = self._leases.get(bucket)  # another greenlet's, taken at the same time
        left = granted - 1
        if earlier is not None and now_s < earlier.until_s:
            left += earlier.tokens
        self._remember(bucket, _Lease(left, remaining, reset_s, now_s + LEASE_S, 0.0))
        return _allowed(per_minute, remaining + left, reset_s)

    def _remember(self, bucket: str, lease: _Lease) -> None:
        self._leases[bucket] = lease
        self._leases.move_to_end(bucket)
        if len(self._leases) > BUCKETS_MAX:
            self._leases.popitem(last=False)

    def _take_locally(self, bucket: str, per_minute: int, now_s: float) -> Taken:
        metrics.CACHE_FALLBACK.inc()
        held = self._buckets.get(bucket)
        if held is None:
            held = self._buckets[bucket] = _Bucket(float(per_minute), now_s)
            if len(self._buckets) > BUCKETS_MAX:
                self._buckets.popitem(last=False)
        rate = per_minute / MINUTE_S
        held.tokens = min(float(per_minute), held.tokens + (now_s - held.at_s) * rate)
        held.at_s = now_s
        reset_s = math.ceil((per_minute - held.tokens) / rate)
        if held.tokens < 1.0:
            return _refused(per_minute, (1.0 - held.tokens) / rate, reset_s)
        held.tokens -= 1.0
        return _allowed(per_minute, int(held.tokens), reset_s)


def _pool(settings: CacheSettings) -> redis.ConnectionPool:
    """Return connections to one server."""
    where: dict[str, Any] = {"host": settings.host, "port": settings.port}
    if settings.ca_file:
        where["connection_class"] = redis.SSLConnection
    if settings.socket:
        where = {"path": settings.socket, "connection_class": redis.UnixDomainSocketConnection}
    return redis.BlockingConnectionPool(  # type: ignore[no-untyped-call] # has no types
        max_connections=CONNECTIONS_MAX,
        timeout=settings.timeout_s,
        **where,
        **_options(settings),
    )


def _sentinel_pool(settings: CacheSettings) -> redis.ConnectionPool:
    """Return connections to the server that the Sentinels call primary."""
    options = _options(settings)
    with_tls = {"ssl": True} if settings.ca_file else {}
    addresses = [address.rpartition(":") for address in settings.sentinels]
    sentinel = Sentinel(  # type: ignore[no-untyped-call] # has no types
        [(host, int(port)) for host, _, port in addresses],
        sentinel_kwargs={**with_tls, **options},
    )
    return SentinelConnectionPool(  # type: ignore[no-untyped-call] # has no types
        settings.sentinel_service,
        sentinel,
        max_connections=CONNECTIONS_MAX,
        **with_tls,
        **options,
    )


def _options(settings: CacheSettings) -> dict[str, Any]:
    """Return what a connection needs, to a cache or to a Sentinel."""
    password = read_secret(settings.password_file).reveal() if settings.password_file else None
    options: dict[str, Any] = {
        "username": settings.username or None,
        "password": password,
        "socket_timeout": settings.timeout_s,
        "socket_connect_timeout": settings.timeout_s,
        "retry": Retry(NoBackoff(), 0),
    }
    if settings.ca_file:
        options["ssl_ca_certs"] = settings.ca_file
        options["ssl_min_version"] = ssl.TLSVersion.TLSv1_3
    return options


def _allowed(limit: int, remaining: int, reset_s: int) -> Taken:
    left = min(limit, remaining)
    return Taken(allowed=True, limit=limit, remaining=left, reset_s=reset_s, retry_after_s=0)


def _refused(limit: int, wait_s: float, reset_s: int) -> Taken:
    wait = max(1, math.ceil(wait_s))
    return Taken(allowed=False, limit=limit, remaining=0, reset_s=reset_s, retry_after_s=wait)
