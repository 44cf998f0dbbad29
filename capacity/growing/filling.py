"""Growth: fill the tables of an installation with payments, to see what their size costs.

Payments come in chunks, each a transaction with everything that belongs to its payments, so an
interrupted run leaves whole chunks and the next run adds what is missing; the audit trail says
which chunks there are. It is for boxes that are measured: it refuses a production deployment and
a database with live payments, and there is no way to take the payments out again.
"""

import hashlib
import itertools
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.errors import DeadlockDetected, QueryCanceled

from capacity.errors import Unfit, Unreachable, WrongUse
from capacity.growing import store as queries

CHUNK = 20_000  # payments a transaction: half a second to two, and 60 MB of memory
ACTOR = "operator:rizzpay-capacity"
NOTE = "capacity.grown"  # the object that all notes of chunks are about
GENESIS = bytes(32)  # docs/audit.md: what stands before the first link
SEAL_ROWS = 100_000  # rows hashed at a time
TRIES = 5
ZIPF_EXPONENT = 1.1  # of shops by turnover; at 50 merchants the first has about a quarter of all
CLAIMS_DAYS = 30  # the service forgets what is older: idempotency_keep_s
CALLBACKS_DAYS = 180  # retention.callbacks_days
EVENTS_DAYS = 395  # retention.events_days
PARENTS = ("events", "webhook_deliveries")
COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)


@dataclass(frozen=True, slots=True)
class Target:
    """The database of an installation: connection strings of two of its roles, with passwords."""

    worker: str
    owner: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What there shall be: `payments` in all, of so many merchants, spread over `days` until now.

    `known` names merchants that exist already and get the largest shares; `streams` is the number
    of connections that write.
    """

    payments: int
    merchants: int = 50
    zipf: bool = True
    days: int = 180
    streams: int = 2
    known: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """Payments numbered `first` to `last`, the first at `from_at` and then one each `step_s`."""

    first: int
    last: int
    from_at: datetime
    step_s: float


@dataclass(frozen=True, slots=True)
class Table:
    """A table or partition: rows as last counted by ANALYZE, bytes with indexes."""

    name: str
    rows: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did; `unsealed` are audit rows that are left to the worker."""

    payments: int
    added: int
    seconds: float
    complete: bool
    unsealed: bool
    tables: tuple[Table, ...]


Progress = Callable[[int, float], None]  # payments that are there, and how many a second come


def target(config: Path) -> Target:
    """Read rizzpay.toml. Raises WrongUse, and Unfit where nothing may be made up."""
    try:
        settings = tomllib.loads(config.read_text())
        database = settings["database"]
        deployment = settings["service"]["deployment"]
        live = [name for name, one in settings.get("gateways", {}).items() if one["livemode"]]
    except OSError as error:
        raise WrongUse(f"{config}: {error.strerror}") from None
    except (KeyError, tomllib.TOMLDecodeError) as error:
        raise WrongUse(f"{config} is not a rizzpay.toml: {error}") from None
    if deployment != "embedded":
        raise Unfit(f"service.deployment is {deployment}: made-up payments belong into no books")
    if live:
        raise Unfit(
            f"gateway {live[0]} takes live payments; made-up ones may not stand beside them"
        )
    return Target(
        worker=_conninfo(database, "rizzpay_worker", "worker_password_file"),
        owner=_conninfo(database, "rizzpay_owner", "owner_password_file"),
    )


def grow(where: Target, plan: Plan, progress: Progress) -> Report:
    """Add what is missing. Ctrl-C ends it between two chunks and still returns a report.

    Raises Unreachable and Unfit.
    """
    begun = time.monotonic()
    with _connect(where.worker) as conn:
        _refuse_live(conn)
        merchants = [*plan.known, *grown_merchants(plan.merchants)]
        if unknown := _one(conn, queries.UNKNOWN_MERCHANTS, known=list(plan.known)):
            raise WrongUse(f"there is no merchant {unknown}")
        conn.execute(queries.MAKE_MERCHANTS, {"merchants": merchants[len(plan.known) :]})
        now = _one(conn, queries.NOW)
        chunks = list(missing(plan, done_ranges(conn), now))
        _add_months(conn, plan, now)
        there = plan.payments - sum(one.last - one.first + 1 for one in chunks)
        writing = _Writing(where, merchants, shares(len(merchants), zipf=plan.zipf), now)
        added = _write_all(
            conn,
            writing,
            chunks,
            plan,
            lambda more: progress(there + more, more / (time.monotonic() - begun)),
        )
        unsealed = seal(conn)
    complete = added == sum(one.last - one.first + 1 for one in chunks)
    if complete:
        _vacuum(where)
    seconds = time.monotonic() - begun
    return Report(there + added, added, seconds, complete, unsealed, tuple(tables(where)))


def grown_merchants(count: int) -> list[str]:
    """Return the ids of merchants that only growing makes."""
    return [f"mer_GR0WN{number:021d}" for number in range(1, count + 1)]


def shares(count: int, *, zipf: bool) -> list[float]:
    """Return where the shares of all merchants but the last end, between 0 and 1."""
    weights = [1 / rank**ZIPF_EXPONENT if zipf else 1.0 for rank in range(1, count + 1)]
    ends = list(itertools.accumulate(weights))
    return [end / ends[-1] for end in ends[:-1]]


def missing(plan: Plan, done: Sequence[tuple[int, int]], now: datetime) -> Iterator[Chunk]:
    """Yield the chunks of payments 1 to `plan.payments` that are not in `done`, oldest first.

    What this run adds is spread over the whole time, whatever an earlier run has spread there.
    """
    gaps = []
    after = 0
    for first, last in [*sorted(done), (plan.payments + 1, plan.payments + 1)]:
        gaps += [
            (begin, min(begin + CHUNK, first, plan.payments + 1) - 1)
            for begin in range(after + 1, min(first, plan.payments + 1), CHUNK)
        ]
        after = max(after, last)
    count = sum(last - first + 1 for first, last in gaps)
    step_s = plan.days * 86_400 / max(count, 1)
    at = now - timedelta(days=plan.days)
    for first, last in gaps:
        yield Chunk(first, last, at, step_s)
        at += timedelta(seconds=step_s * (last - first + 1))


def done_ranges(conn: psycopg.Connection) -> list[tuple[int, int]]:
    """Return which payments there are, as ranges of numbers."""
    return [(row[0], row[1]) for row in conn.execute(queries.CHUNKS, {"object_id": NOTE})]


def seal(conn: psycopg.Connection) -> bool:
    """Seal settled rows of ours, as long as no other row waits before them.

    True when rows are left: others seal, others' rows come first, or a transaction still runs.
    """
    while True:
        with conn.transaction():
            if not _one(conn, queries.TRY_SEAL):
                return True
            head = conn.execute(queries.HEAD).fetchone()
            position, last_id, last_hash = head or (0, 0, GENESIS)
            xid = _one(conn, queries.XID_OF, id=last_id) if head else "0"
            values = {"xid": xid, "id": last_id, "actor": ACTOR, "limit": SEAL_ROWS}
            found = conn.execute(queries.UNSEALED, values).fetchall()
            ours = list(itertools.takewhile(lambda row: row[1], found))
            _link(conn, position, bytes(last_hash), ours)
        if len(ours) < len(found):
            return True
        if len(found) < SEAL_ROWS:
            return False


def tables(where: Target) -> list[Table]:
    """Return all tables of the service, largest first."""
    with _connect(where.worker) as conn:
        return [Table(*row) for row in conn.execute(queries.ROWS_OF_TABLES)]


@dataclass(frozen=True, slots=True)
class _Writing:
    """What all chunks of a run have in common."""

    where: Target
    merchants: list[str]
    shares: list[float]
    now: datetime

    def values(self, chunk: Chunk) -> dict[str, Any]:
        return {
            "first": chunk.first,
            "last": chunk.last,
            "from_at": chunk.from_at,
            "step": timedelta(seconds=chunk.step_s),
            "merchants": self.merchants,
            "shares": self.shares,
            "actor": ACTOR,
            "object_id": NOTE,
            "claims_from": self.now - timedelta(days=CLAIMS_DAYS),
            "callbacks_from": self.now - timedelta(days=CALLBACKS_DAYS),
            "events_from": self.now - timedelta(days=EVENTS_DAYS),
        }


class _Stream:
    """One connection that writes chunks; a chunk that meets a deadlock is written again."""

    def __init__(self, writing: _Writing) -> None:
        self._writing = writing
        self._conn = _connect(writing.where.worker)
        self._conn.execute(queries.SETTINGS)

    def write(self, chunk: Chunk) -> int:
        values = self._writing.values(chunk)
        for tried in range(1, TRIES + 1):
            try:
                with self._conn.transaction():
                    for statement in (queries.ROWS, queries.SUMS, queries.EVENTS):
                        self._conn.execute(statement, values)
                    self._conn.execute(queries.NOTE_CHUNK, values)
            except DeadlockDetected:
                if tried == TRIES:
                    raise
            else:
                break
        return chunk.last - chunk.first + 1

    def cancel(self) -> None:
        self._conn.cancel_safe()

    def close(self) -> None:
        self._conn.close()


def _write_all(
    conn: psycopg.Connection,
    writing: _Writing,
    chunks: Sequence[Chunk],
    plan: Plan,
    progress: Callable[[int], None],
) -> int:
    """Write chunks on several connections and return how many payments were committed."""
    waiting = iter(chunks)
    streams = [_Stream(writing) for _ in range(min(plan.streams, len(chunks)))]
    added = 0
    with ThreadPoolExecutor(max(len(streams), 1)) as pool:
        running: dict[Future[int], _Stream] = {}
        idle = list(streams)
        try:
            while True:
                while idle and (chunk := next(waiting, None)) is not None:
                    stream = idle.pop()
                    running[pool.submit(stream.write, chunk)] = stream
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    idle.append(running.pop(future))
                    added += future.result()
                progress(added)
                seal(conn)
        except KeyboardInterrupt:
            added += _wind_up(running)
        finally:
            for stream in streams:
                stream.close()
    return added


def _wind_up(running: dict[Future[int], _Stream]) -> int:
    """Cancel what runs and return how many payments were committed all the same."""
    added = 0
    for stream in running.values():
        stream.cancel()
    for future in running:
        try:
            added += future.result()
        except QueryCanceled:
            continue
    return added


def _add_months(conn: psycopg.Connection, plan: Plan, now: datetime) -> None:
    """Make the partitions of the time that is filled; rows without one would lie in the rest."""
    begin = now - timedelta(days=min(plan.days, EVENTS_DAYS))
    months = range(begin.year * 12 + begin.month - 1, now.year * 12 + now.month)
    for parent, month in itertools.product(PARENTS, months):
        with conn.transaction():
            day = datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC).date()
            conn.execute(queries.ADD_MONTH, {"parent": parent, "month": day})


def _link(
    conn: psycopg.Connection, position: int, previous: bytes, rows: Sequence[tuple[Any, ...]]
) -> None:
    if not rows:
        return
    made = [COPY_HEAD]
    for offset, (audit_id, _, content) in enumerate(rows, start=1):
        previous = hashlib.sha256(previous + content.encode()).digest()
        numbers = ((position + offset).to_bytes(8), audit_id.to_bytes(8), previous)
        made.append(b"\x00\x03" + b"".join(len(one).to_bytes(4) + one for one in numbers))
    with conn.cursor().copy(queries.LINK) as copy:
        copy.write(b"".join(made) + b"\xff\xff")


def _vacuum(where: Target) -> None:
    """Leave the tables as autovacuum would after a while: with statistics and without hint bits."""
    with psycopg.connect(where.owner, autocommit=True) as conn:
        for table in tables(where):
            if table.total_bytes:
                name = sql.Identifier("rizzpay", table.name)
                conn.execute(sql.SQL("VACUUM (ANALYZE) {}").format(name))


def _refuse_live(conn: psycopg.Connection) -> None:
    if _one(conn, queries.LIVE):
        raise Unfit("there are live payments in this database; made-up ones stay out")


def _connect(conninfo: str) -> psycopg.Connection:
    try:
        return psycopg.connect(conninfo, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as error:
        raise Unreachable(f"PostgreSQL: {str(error).strip().splitlines()[0]}") from None


def _one(conn: psycopg.Connection, query: str, **values: Any) -> Any:
    row = conn.execute(query.encode(), values).fetchone()
    return row[0] if row else None


def _conninfo(database: dict[str, Any], role: str, password_file: str) -> str:
    password = Path(database[password_file]).read_text().rstrip("\n")
    return make_conninfo(
        "",
        host=database["host"],
        port=database["port"],
        dbname=database["name"],
        user=role,
        password=password,
        application_name="rizzpay-capacity",
    )
