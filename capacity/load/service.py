"""The service's own figures: /metrics of the API, and PostgreSQL's statistics.

Read before and after a run; `between` is what happened in it. A figure that an installation does
not have is left out, never zero.
"""

import re
from collections.abc import Mapping

import psycopg

from capacity.errors import Unreachable
from capacity.load import store
from capacity.load.line import Dialler

OK = 200
SAMPLE = re.compile(r"^(rizzpay_[a-z_]+)(?:\{([^}]*)\})? ([0-9.e+-]+)$", re.MULTILINE)
# metric -> our name; label values are added up
COUNTERS = {
    "rizzpay_group_commit_items_sum": "group_items",
    "rizzpay_group_commit_items_count": "groups",
    "rizzpay_group_commit_wait_seconds_sum": "group_wait_s",
    "rizzpay_group_commit_wait_seconds_count": "group_waits",
    "rizzpay_writer_batch_items_sum": "writer_items",
    "rizzpay_writer_batch_items_count": "writer_batches",
    "rizzpay_hub_stall_seconds_sum": "stall_s",
    "rizzpay_hub_stall_seconds_count": "stalls",
}
WAITING = "rizzpay_database_pool"
VERSION_WITH_IO = 180_000


def read(dialler: Dialler, conn: psycopg.Connection) -> dict[str, float]:
    """Return the figures of now."""
    found = _metrics(dialler)
    row = conn.execute(store.WRITING).fetchone()
    names = ("commits", "rollbacks", "wal_bytes", "full_pages")
    found |= {name: float(value) for name, value in zip(names, row or (), strict=False)}
    newer = conn.info.server_version >= VERSION_WITH_IO
    flushed = conn.execute(store.FLUSHES_18 if newer else store.FLUSHES).fetchone()
    if flushed:
        found["flushes"], found["flush_ms"] = float(flushed[0]), float(flushed[1])
    return found


def between(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Return what happened between two readings: counts, and means of what was counted."""
    gone = {
        name: after[name] - before[name]
        for name in after
        if name in before and name != "pool_waiting"
    }
    found = {name: round(value, 6) for name, value in gone.items()}
    for name, over, each in (
        ("group_items", "groups", "items_a_group"),
        ("writer_items", "writer_batches", "items_a_batch"),
        ("group_wait_s", "group_waits", "group_wait_s_mean"),
        ("flush_ms", "flushes", "flush_ms_mean"),
        ("stall_s", "stalls", "stall_s_mean"),
    ):
        if gone.get(over):
            found[each] = round(gone[name] / gone[over], 6)
    if "pool_waiting" in after:
        found["pool_waiting"] = after["pool_waiting"]
    return found


def parse(text: str) -> dict[str, float]:
    """Return our figures of a page of metrics."""
    found: dict[str, float] = {}
    for metric, labels, value in SAMPLE.findall(text):
        name = COUNTERS.get(metric)
        if metric == WAITING and 'state="waiting"' in labels:
            name = "pool_waiting"
        if name:
            found[name] = found.get(name, 0.0) + float(value)
    return found


def _metrics(dialler: Dialler) -> dict[str, float]:
    """Read /metrics; nothing when this machine may not see them."""
    try:
        status, body = dialler.get("/metrics")
    except Unreachable:
        return {}
    return parse(body.decode(errors="replace")) if status == OK else {}
