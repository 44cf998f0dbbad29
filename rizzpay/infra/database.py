"""PostgreSQL: pooled transactions under one tenant's row-level security.

`transaction` waits for each statement; `pipelined` sends statements without waiting for their
results, which makes a transaction of fifteen statements a matter of three round trips.

Three rules live here, each learned by measurement:
a greenlet takes our semaphore before it touches the pool, because a waiter killed inside
psycopg_pool leaks a connection for ever; a warning during COMMIT (the wait for the synchronous
standby was cancelled) is an unknown outcome, not a success; and only the first statement of a
unit of work may be tried again on another connection.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, LiteralString

import msgspec
import psycopg
from gevent.lock import BoundedSemaphore
from psycopg.conninfo import make_conninfo
from psycopg.errors import (
    DeadlockDetected,
    Diagnostic,
    DiskFull,
    OutOfMemory,
    ReadOnlySqlTransaction,
    SerializationFailure,
)
from psycopg.pq import TransactionStatus
from psycopg.pq.abc import PGconn
from psycopg.rows import TupleRow
from psycopg.types.json import set_json_loads
from psycopg_pool import ConnectionPool, PoolTimeout
from psycopg_pool.base import AttemptWithBackoff

from rizzpay.config import DatabaseSettings, read_secret
from rizzpay.core.errors import Unavailable
from rizzpay.core.tenant import Tenant
from rizzpay.infra import arrays
from rizzpay.infra.hot_first import HotFirst
from rizzpay.infra.lane import Lane
from rizzpay.infra.pipeline import NO_VALUES, Broken, Draft, Pipeline, Sender, Sent, Values

# The server broke the transaction off for the sake of another one; the same may work now.
CONFLICTS = (DeadlockDetected, SerializationFailure)
# It cannot write now: it is a standby that is becoming the primary, or has no room. Nothing of the
# transaction happened.
WRITES_NOTHING = (ReadOnlySqlTransaction, DiskFull, OutOfMemory)
# A lost connection is tried again at this pace. The pool's own doubles its waits, and was looking
# away for 16 s while another primary was there.
AttemptWithBackoff.INITIAL_DELAY, AttemptWithBackoff.DELAY_BACKOFF = 0.5, 1.0
WAIT_S = 5.0  # how long a request may wait for a connection before it is told 503

# What we prepare is planned once, so that a batch never pays for planning; every query is tested
# with its generic plan. It measured no faster than the default, only steadier to reason about.
SESSION = "-c plan_cache_mode=force_generic_plan -c jit=off"

SET_TENANT = """
SELECT set_config('app.merchant_id', %(merchant_ids)s, true),
       set_config('app.livemode', %(livemode)s, true)
"""

# What is sent without waiting are small statements, none of which reads a whole table. A plan made
# while a table was empty would: the queue of jobs is empty whenever all is done, its file shrinks
# to nothing, and the plan that reads "all of it" is kept (measured: 100 ms instead of 0.3 a lease).
SET_TENANT_BY_INDEX: LiteralString = (
    SET_TENANT.rstrip() + ", set_config('enable_seqscan', 'off', true)"
)


class Connection(psycopg.Connection[TupleRow]):
    """A connection that knows what has to be looked at before COMMIT."""

    def __init__(self, pgconn: PGconn) -> None:
        """Called by psycopg."""
        super().__init__(pgconn)
        self.warnings_seen: list[str] = []
        self.checks: list[Callable[[], None]] = []
        self.pipelined = False
        self.outgoing = Pipeline(self)
        self.add_notice_handler(self._note)
        arrays.register(self)
        set_json_loads(msgspec.json.decode, self)

    def send(self, query: LiteralString, values: Values = NO_VALUES) -> Sent:
        """Run a statement: in a pipelined transaction without waiting for what it does.

        Its parameters are packed arrays and plain values; casts in the text give them their types.
        """
        sent = self.outgoing.send(query, values)
        if not self.pipelined:
            self.outgoing.flush()
        return sent

    def check(self, check: Callable[[], None]) -> None:
        """Look at what a statement did: at once, or in a pipeline when all results are in.

        `check` raises to roll back; it may run further statements.
        """
        if self.pipelined:
            self.checks.append(check)
        else:
            check()

    def expect(self, sent: Sent, rows: int, what: str) -> None:
        """Roll back, for it is a bug, when a statement does not change exactly so many rows."""

        def check() -> None:
            if sent.count != rows:
                raise RuntimeError(f"{rows} {what} to write, {sent.count} written")

        self.check(check)

    def execute(self, *args: Any, **options: Any) -> psycopg.Cursor[TupleRow]:
        """Run a statement as psycopg does, after everything that was sent before it."""
        self.outgoing.flush()
        return super().execute(*args, **options)

    def _note(self, diagnostic: Diagnostic) -> None:
        if diagnostic.severity_nonlocalized == "WARNING":
            self.warnings_seen.append(diagnostic.message_primary or "warning")


class Role(StrEnum):
    """The login roles of sql/roles.sql."""

    APP = "rizzpay_app"
    WORKER = "rizzpay_worker"
    OWNER = "rizzpay_owner"


class Severed(Unavailable):
    """The connection broke before COMMIT was sent: nothing of the transaction happened."""


class CommitUnknown(Unavailable):
    """COMMIT was sent and its outcome is not known: it may have happened."""


@dataclass(frozen=True, slots=True)
class PoolStats:
    """Connections of this process: all, idle, and greenlets that wait for one."""

    size: int
    available: int
    waiting: int


class Database:
    """One pool of connections of one role."""

    def __init__(self, settings: DatabaseSettings, role: Role, *, size: int | None = None) -> None:
        """Open the pool in the background; nothing here waits for the server."""
        self.size = size or settings.pool_size
        self.settings = settings
        self.role = role
        self._turn = BoundedSemaphore(self.size)
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            conninfo=conninfo(settings, role),
            connection_class=Connection,
            # What psycopg prepares by itself it also forgets by itself, with DEALLOCATE ALL after
            # a rollback, which would take our prepared statements away as well.
            kwargs={"connect_timeout": settings.connect_timeout_s, "prepare_threshold": None},
            min_size=self.size,
            max_size=self.size,
            timeout=WAIT_S,
            reconnect_timeout=60.0,
            open=False,
            name=f"{role.value}",
        )
        self._pool.open(wait=False)
        self._idle = HotFirst(self._pool)
        self._lane = Lane(self._lent)

    def close(self) -> None:
        """Close every connection."""
        self._idle.give_all_back()
        self._pool.close(timeout=5.0)

    def stats(self) -> PoolStats:
        """Return the pool's figures, for metrics and tests."""
        stats = self._pool.get_stats()
        return PoolStats(
            size=stats.get("pool_size", 0),
            available=stats.get("pool_available", 0) + len(self._idle),
            waiting=stats.get("requests_waiting", 0),
        )

    @contextmanager
    def transaction(self, *tenants: Tenant) -> Iterator[Connection]:
        """Open a transaction that sees the rows of `tenants` (all of one mode), commit at the end.

        An exception rolls back. Raises Unavailable("postgresql") when no server answers and
        CommitUnknown when COMMIT was sent and nobody knows.
        """
        with self._turn_taken(), self._committed(self._begin(tenants)) as conn:
            yield conn

    @contextmanager
    def pipelined(self, *tenants: Tenant) -> Iterator[Connection]:
        """Open a transaction like `transaction` in which `conn.send` does not wait.

        Looking at what was sent waits for everything so far; what nobody looked at is known at the
        end: hand such looks to `conn.check`. Without any, the last statements and COMMIT are one
        round trip. Raises Severed when the connection broke before COMMIT was sent, also after the
        block is through; then the whole may be done again.
        """
        with self._turn_taken(), self._committed(self._take()) as conn:
            conn.pipelined = True
            _set_tenants(conn, tenants, SET_TENANT_BY_INDEX)
            yield conn

    def run(self, draft: Draft, *tenants: Tenant) -> None:
        """Run the statements of a draft as one transaction, in one round trip.

        Drafts that run at the same time follow one another on one connection (infra/lane.py).
        Raises as `pipelined` does; a draft may be run again.
        """
        first = Draft()
        _set_tenants(first, tenants, SET_TENANT_BY_INDEX)
        try:
            warnings = self._lane.run(first.sent + draft.sent)
        except Broken as error:
            if error.undecided:
                raise CommitUnknown("postgresql", "connection lost during COMMIT") from error
            raise Severed("postgresql", "the connection or the transaction before broke") from error
        except WRITES_NOTHING as error:
            raise Unavailable("postgresql", type(error).__name__) from error
        if warnings:
            raise CommitUnknown("postgresql", warnings[0])

    @contextmanager
    def _turn_taken(self) -> Iterator[None]:
        if not self._turn.acquire(timeout=WAIT_S):
            raise Unavailable("postgresql", "every connection is busy")
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def _committed(self, conn: Connection) -> Iterator[Connection]:
        """Commit after the block, or roll back after an exception; give the connection back."""
        conn.checks.clear()
        try:
            yield conn
            _commit(conn)
        except CommitUnknown:
            raise
        except BaseException as error:
            _roll_back(conn)
            if isinstance(error, psycopg.OperationalError) and conn.closed:
                raise Severed("postgresql", type(error).__name__) from error
            if isinstance(error, WRITES_NOTHING):
                raise Unavailable("postgresql", type(error).__name__) from error
            raise
        finally:
            conn.pipelined = False
            conn.outgoing.forget()
            self._idle.give(conn)

    @contextmanager
    def _lent(self) -> Iterator[Connection]:
        """Lend a connection to whoever begins and ends transactions himself."""
        with self._turn_taken():
            conn = self._take()
            try:
                yield conn
            finally:
                _roll_back(conn)
                self._idle.give(conn)

    def _take(self) -> Connection:
        """Take a connection that the server has not left yet."""
        for _ in range(self.size + 1):
            try:
                conn = self._idle.take()
            except PoolTimeout:
                raise Unavailable("postgresql", "no connection in time") from None
            if conn.outgoing.alive():
                return conn
            self._idle.give(conn)  # the pool sees that it is broken and makes a new one
        raise Unavailable("postgresql", "the server does not keep connections")

    def _begin(self, tenants: tuple[Tenant, ...]) -> Connection:
        """Take a connection and run the first statement; a stale connection is replaced."""
        for _ in range(self.size + 1):
            conn = self._take()
            try:
                _set_tenants(conn, tenants)
            except psycopg.OperationalError:
                self._idle.give(conn)  # the pool sees that it is broken and makes a new one
            except BaseException:
                self._idle.give(conn)
                raise
            else:
                return conn
        raise Unavailable("postgresql", "the server does not keep connections")


def conninfo(settings: DatabaseSettings, role: Role) -> str:
    """Return libpq's connection string of a role; it holds the password."""
    password_file = {
        Role.APP: settings.app_password_file,
        Role.WORKER: settings.worker_password_file,
        Role.OWNER: settings.owner_password_file,
    }[role]
    return make_conninfo(
        "",
        **_place(settings),
        port=settings.port,
        dbname=settings.name,
        user=role.value,
        password=read_secret(password_file).reveal(),
        application_name=role.value,
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        tcp_user_timeout=10_000,
        options=SESSION,
    )


def _place(settings: DatabaseSettings) -> dict[str, str]:
    """Return where the server is and, over TLS, whose certificate it has to show."""
    if not settings.ca_file:
        return {"host": settings.host}
    return {
        "host": settings.server_name or settings.host,
        **({"hostaddr": settings.host} if settings.server_name else {}),
        "sslmode": "verify-full",
        "sslrootcert": settings.ca_file,
        "ssl_min_protocol_version": "TLSv1.3",
        "gssencmode": "disable",
        "channel_binding": "require",
    }


def _set_tenants(
    sender: Sender, tenants: tuple[Tenant, ...], query: LiteralString = SET_TENANT
) -> None:
    modes = {tenant.livemode for tenant in tenants}
    if len(modes) > 1:
        raise ValueError("one transaction belongs to one mode: test or live")
    sender.send(
        query,
        {
            "merchant_ids": ",".join(sorted({tenant.merchant_id for tenant in tenants})),
            "livemode": str(modes.pop()).lower() if modes else "",
        },
    )


def _commit(conn: Connection) -> None:
    """Run the checks, then commit; what was sent and is not looked at goes with the COMMIT."""
    if conn.checks:
        conn.outgoing.flush()
        conn.pipelined = False
        for check in conn.checks:
            check()
    conn.warnings_seen.clear()
    try:
        conn.outgoing.flush(commit=True)
    except Broken as error:
        if error.undecided:
            raise CommitUnknown("postgresql", "connection lost during COMMIT") from error
        raise
    if conn.warnings_seen:
        raise CommitUnknown("postgresql", conn.warnings_seen[0])


def _roll_back(conn: Connection) -> None:
    if conn.closed or conn.pgconn.transaction_status == TransactionStatus.ACTIVE:
        return  # putconn discards it
    try:
        conn.rollback()
    except psycopg.OperationalError:
        return
