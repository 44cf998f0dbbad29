"""Partitions of events and their deliveries: made ahead, dropped when their time is over.

The database makes and drops them, in functions of the owner that do nothing else (migration
0010); here it is decided which, and each step is a transaction of its own, so that no lock is
held for longer than one table takes. A lock that is not free at once is left for the next turn.
Nothing here is urgent: a row without a month goes into the rest, which the next turn adopts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import psycopg

from rizzpay.config import RetentionSettings
from rizzpay.infra import log, metrics
from rizzpay.infra.database import Connection, Database

AHEAD_MONTHS = 3  # a worker may stand still for so long before rows go into the rest
DROPS_MAX = 120  # a turn; ten years of months
PARENTS = ("webhook_deliveries", "events")  # a delivery goes before its event

ADOPT = "SELECT rizzpay.adopt_rest(%(parent)s)"
ADD = "SELECT rizzpay.add_partition(%(parent)s, %(month)s::date)"
DROP = "SELECT rizzpay.drop_partition(%(parent)s, %(before)s::timestamptz)"
LIST = """
SELECT parent, name, is_rest, rizzpay.ulid_time(from_ulid), rizzpay.ulid_time(to_ulid),
       heap_bytes, total_bytes, rows_estimated
FROM rizzpay.partitions
ORDER BY parent, is_rest, to_ulid
"""


@dataclass(frozen=True, slots=True)
class Partition:
    """A part of a table: rows whose event is from `since` up to `until`, in bytes and rows.

    `since` is None for the first and both are None for the rest; `rows_estimated` is what the last
    ANALYZE or VACUUM said.
    """

    parent: str
    name: str
    is_rest: bool
    since: datetime | None
    until: datetime | None
    heap_bytes: int
    total_bytes: int
    rows_estimated: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What one turn did: names of partitions, and the tables whose lock was not free."""

    adopted: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    put_off: tuple[str, ...] = ()


def keep(database: Database, now: datetime, settings: RetentionSettings) -> Kept:
    """Adopt, make ahead and drop; safe to run again and by two at once.

    Needs the role of the worker or the owner. A table whose lock is not free, or whose rest has
    no range of its own, is put off.
    """
    adopted: list[str] = []
    added: list[str] = []
    dropped: list[str] = []
    put_off: list[str] = []
    for parent in PARENTS:
        try:
            adopted += _adopt(database, parent)
            added += _add(database, parent, now)
            dropped += _drop(database, parent, now - timedelta(days=settings.events_days))
        except psycopg.Error as error:
            log.get(__name__).warning(
                "partitions.put_off", table=parent, error=type(error).__name__
            )
            put_off.append(parent)
    return Kept(tuple(adopted), tuple(added), tuple(dropped), tuple(put_off))


def partitions(conn: Connection) -> list[Partition]:
    """Return every partition, oldest first in each table, its rest last."""
    return [Partition(*row) for row in conn.execute(LIST).fetchall()]


def rest_bytes(found: Sequence[Partition]) -> dict[str, int]:
    """Return how much lies in the rest of each table; more than nothing is a turn that is due."""
    return {one.parent: one.heap_bytes for one in found if one.is_rest}


def publish(found: Sequence[Partition], now: datetime) -> None:
    """Set the metrics: what lies in each rest, and until when rows have a month."""
    for parent, size in rest_bytes(found).items():
        metrics.PARTITION_REST.labels(parent).set(size)
        ends = [one.until for one in found if one.parent == parent and one.until is not None]
        ahead_s = (max(ends) - now).total_seconds() if ends else 0.0
        metrics.PARTITION_AHEAD.labels(parent).set(max(ahead_s, 0.0))


def months_from(now: datetime, count: int) -> list[date]:
    """Return the first days of this month and of the `count` months after it, in UTC."""
    months = [now.year * 12 + now.month - 1 + ahead for ahead in range(count + 1)]
    return [date(month // 12, month % 12 + 1, 1) for month in months]


def _adopt(database: Database, parent: str) -> Iterator[str]:
    with database.transaction() as conn:
        row = conn.execute(ADOPT, {"parent": parent}).fetchone()
    if row is not None and row[0] is not None:
        yield row[0]


def _add(database: Database, parent: str, now: datetime) -> Iterator[str]:
    for month in months_from(now, AHEAD_MONTHS):
        with database.transaction() as conn:
            row = conn.execute(ADD, {"parent": parent, "month": month}).fetchone()
        if row is not None and row[0]:
            yield f"{parent}_{month:%Y_%m}"


def _drop(database: Database, parent: str, before: datetime) -> Iterator[str]:
    for _ in range(DROPS_MAX):
        with database.transaction() as conn:
            row = conn.execute(DROP, {"parent": parent, "before": before}).fetchone()
        if row is None or row[0] is None:
            return
        yield row[0]
