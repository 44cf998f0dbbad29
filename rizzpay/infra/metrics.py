"""Metrics in Prometheus' format, complete across all processes of a machine.

The process that starts us sets PROMETHEUS_MULTIPROC_DIR to an empty directory that API workers
and the worker share; each process writes its own files there and any of them can render the sum.
Without it the figures are those of one process, as in tests. What is counted at every request is
a tally (tallies.py), which `publish` carries over about once a second. No label holds a merchant, a
payment or a client's text. The figures that need the database are set by the worker.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import gevent
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    values,
)
from prometheus_client.multiprocess import MultiProcessCollector

from rizzpay.infra import metric_files, tallies
from rizzpay.infra.database import PoolStats
from rizzpay.infra.jobs import Backlog
from rizzpay.infra.tallies import publish as publish  # noqa: PLC0414 - others take it from here

CONTENT_TYPE = CONTENT_TYPE_LATEST
SINGLE = values.MutexValue  # what prometheus_client uses when it has no shared directory

# Seconds. Dense round what the API promises: 5 to 100 ms, then the gateways' time-outs.
LATENCY_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
STALL_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)

PAYMENTS = tallies.exact(
    Counter(
        "rizzpay_payment",
        "Answers of the gateways to requests for money",
        ["gateway", "method", "outcome", "reason"],
    )
)
REQUESTS = tallies.spreads(
    Histogram(
        "rizzpay_request_seconds",
        "Duration of API requests",
        ["method", "route", "status"],
        buckets=LATENCY_BUCKETS,
    )
)
RATE_LIMITED = tallies.counts(
    Counter("rizzpay_rate_limited", "Requests refused with 429", ["tier"])
)
CACHE_FALLBACK = tallies.Count(
    Counter("rizzpay_cache_fallback", "Decisions taken without the cache")
)
REFUSED = tallies.counts(Counter("rizzpay_refused", "Refusals by code", ["code"]))
ERRORS = Counter("rizzpay_internal_error", "Requests that ended in a bug", ["route"])
STALLS = tallies.Spread(
    Histogram(
        "rizzpay_hub_stall_seconds",
        "How long the event loop did not run, without the time it waited for a core",
        buckets=STALL_BUCKETS,
    )
)
STALL_MAX = Gauge(
    "rizzpay_hub_stall_seconds_max",
    "The longest stall of any process since it started",
    multiprocess_mode="max",
)
GROUP_ITEMS = tallies.spreads(
    Histogram(
        "rizzpay_group_commit_items",
        "Writes that one commit carried: payments, callbacks, verdicts of jobs",
        ["group"],
        buckets=(1, 2, 4, 8, 16, 32, 64, 128),
    )
)
GROUP_WAIT = tallies.spreads(
    Histogram(
        "rizzpay_group_commit_wait_seconds",
        "How long the first write of a group waited for its turn",
        ["group"],
        buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0),
    )
)
POOL = Gauge(
    "rizzpay_database_pool",
    "Connections of all processes by state",
    ["role", "state"],
    multiprocess_mode="livesum",
)
JOBS = Counter("rizzpay_job", "Jobs that were run", ["kind", "result"])
JOBS_DUE = Gauge("rizzpay_jobs_due", "Jobs that are due", ["kind"], multiprocess_mode="mostrecent")
JOBS_OLDEST = Gauge(
    "rizzpay_jobs_oldest_seconds",
    "Age of the oldest job that is due",
    ["kind"],
    multiprocess_mode="mostrecent",
)
CALLBACKS_WAITING = Gauge(
    "rizzpay_callbacks_waiting",
    "Callbacks of gateways that are stored and not yet applied",
    multiprocess_mode="mostrecent",
)
CALLBACK_LAG = Gauge(
    "rizzpay_callback_lag_seconds",
    "Age of the oldest callback that is not yet applied",
    multiprocess_mode="mostrecent",
)
OPEN = Gauge(
    "rizzpay_open",
    "Objects that wait: payments_unknown, refunds_unknown, review_cases",
    ["what"],
    multiprocess_mode="mostrecent",
)
LEDGER_IMBALANCE = Gauge(
    "rizzpay_ledger_imbalance_minor",
    "What the proof of the ledger found; anything but 0 is an alarm",
    ["currency"],
    multiprocess_mode="mostrecent",
)

BREAKER = Gauge(
    "rizzpay_gateway_breaker",
    "Whether a gateway is left alone for a method: 0 closed, 1 half open, 2 open",
    ["gateway", "method"],
    multiprocess_mode="mostrecent",
)

HSM_READY = Gauge(
    "rizzpay_hsm_ready",
    "1 when the HSM daemon of this host answers and is logged in",
    multiprocess_mode="mostrecent",
)

AUDIT_UNSEALED = Gauge(
    "rizzpay_audit_unsealed_rows",
    "Rows of the audit trail that wait to be sealed",
    multiprocess_mode="mostrecent",
)
AUDIT_UNSEALED_AGE = Gauge(
    "rizzpay_audit_unsealed_seconds",
    "Age of the oldest row that is not sealed",
    multiprocess_mode="mostrecent",
)

PARTITION_REST = Gauge(
    "rizzpay_partition_rest_bytes",
    "Rows that no month had a place for; what stays above 0 for hours needs a person",
    ["table"],
    multiprocess_mode="mostrecent",
)
PARTITION_AHEAD = Gauge(
    "rizzpay_partitions_ahead_seconds",
    "Until when rows have a month; below a month the worker's task does not run",
    ["table"],
    multiprocess_mode="mostrecent",
)

_kinds_seen: set[str] = set()


def backlog(found: Sequence[Backlog], now: datetime) -> None:
    """Publish what is due; a kind that has nothing due any more is published as zero."""
    counts = {one.kind: one for one in found}
    _kinds_seen.update(counts)
    for kind in _kinds_seen:
        one = counts.get(kind)
        JOBS_DUE.labels(kind).set(one.count if one else 0)
        JOBS_OLDEST.labels(kind).set((now - one.oldest).total_seconds() if one else 0)


def pool(role: str, stats: PoolStats) -> None:
    """Publish the figures of this process's pool of one role."""
    POOL.labels(role, "size").set(stats.size)
    POOL.labels(role, "available").set(stats.available)
    POOL.labels(role, "waiting").set(stats.waiting)


def directory_of(run_dir: Path) -> Path:
    """Return where the processes of an installation share their figures."""
    return run_dir / "metrics"


def render(directory: Path) -> bytes:
    """Return all figures of all processes that share `directory`, as text; a second old at most.

    A thread reads the files, while the event loop goes on.
    """
    publish()
    if values.ValueClass is SINGLE:
        return generate_latest(REGISTRY)
    merged: bytes = gevent.get_hub().threadpool.apply(_merge, (directory,))
    return merged


def _merge(directory: Path) -> bytes:
    """Add up what all processes wrote; uses nothing that a greenlet could hold."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(directory))  # type: ignore[no-untyped-call]
    with metric_files.readable(directory):
        return generate_latest(registry)
