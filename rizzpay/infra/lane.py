"""A lane: transactions that follow one another on a connection without waiting for each other.

While the server works on one transaction the next one already lies in its socket, so that it goes
on without asking us. Each is a whole of its own, from BEGIN to COMMIT. When one fails, the server
skips what lies behind it, which then says that nothing of it happened.

This is not a pool: whoever needs to look at results in the middle of a transaction takes a
connection of his own from infra/database.py.

Source: PostgreSQL documentation, "Pipeline Mode" in the chapter on libpq.
"""

import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg
from gevent.event import Event
from gevent.lock import BoundedSemaphore
from gevent.socket import SHUT_RDWR, socket, wait_readwrite, wait_write
from psycopg.errors import InFailedSqlTransaction
from psycopg.pq import ConnStatus

from rizzpay.infra.pipeline import Broken, Flight, Sent

if TYPE_CHECKING:
    from rizzpay.infra.database import Connection


@dataclass(slots=True, eq=False)
class _Place:
    """A transaction under way, and the bell that says that it is the next to be read."""

    flight: Flight
    turn: Event = field(default_factory=Event)
    gone: Event = field(default_factory=Event)


class Lane:
    """One borrowed connection, as long as transactions are under way on it."""

    def __init__(self, borrow: "Callable[[], AbstractContextManager[Connection]]") -> None:
        """`borrow` lends the connection; whatever state it comes back in is the lender's matter."""
        self._borrow = borrow
        self._loan = ExitStack()
        self._conn: Connection | None = None
        self._boarding = BoundedSemaphore(1)
        self._under_way: deque[_Place] = deque()
        self._lost: Broken | None = None  # what to tell those who are still to be read

    def run(self, statements: Sequence[Sent]) -> list[str]:
        """Run statements as one transaction and return the server's warnings.

        Raises the first error of the server; Broken when the connection was lost, or when the
        transaction before failed: then nothing of this one happened.
        """
        with self._boarding:
            conn = self._ready(statements)
            place = _Place(Flight([], begins=True, commits=True))
            self._under_way.append(place)
            try:
                self._send(conn, place, statements)
            except BaseException as error:
                self._lose(conn, place.flight.broken())
                self._leave(conn, place)
                if isinstance(error, psycopg.OperationalError):
                    raise place.flight.broken() from error
                raise
        return self._land(conn, place)

    def _ready(self, statements: Sequence[Sent]) -> "Connection":
        """Return the connection; statements that it does not know yet are sent alone."""
        while self._under_way and self._conn is not None:
            if self._conn.outgoing.knows(statements) and self._lost is None:
                return self._conn
            self._under_way[-1].gone.wait()
        self._conn, self._lost = self._loan.enter_context(self._borrow()), None
        return self._conn

    def _send(self, conn: "Connection", place: _Place, statements: Sequence[Sent]) -> None:
        for sent in statements:
            sent.pipeline, sent.result = conn.outgoing, None
        conn.outgoing.depart(place.flight, statements)
        pgconn = conn.pgconn
        while pgconn.flush():
            if self._under_way[0] is place:  # nobody else reads
                wait_readwrite(pgconn.socket)
                pgconn.consume_input()
            else:
                wait_write(pgconn.socket)

    def _land(self, conn: "Connection", place: _Place) -> list[str]:
        flight, follows = place.flight, self._under_way[0] is not place
        warnings: list[str] | None = None
        try:
            if follows:
                place.turn.wait()
            if self._lost is None:
                conn.warnings_seen.clear()
                conn.outgoing.land(flight)
                warnings = list(conn.warnings_seen)
        except BaseException as error:
            self._lose(conn, flight.broken())
            if isinstance(error, psycopg.OperationalError):
                raise flight.broken() from error
            raise
        finally:
            lost = self._lost
            self._leave(conn, place)
        if warnings is None:
            raise Broken(undecided=lost is None or lost.undecided)
        try:
            conn.outgoing.take(flight)
        except InFailedSqlTransaction:
            if follows:
                raise Broken(undecided=False) from None
            raise
        return warnings

    def _lose(self, conn: "Connection", broken: Broken) -> None:
        """End the connection for whoever still reads; when the server ended it, none was done.

        It is shut down here and closed by the last one: a greenlet that waits for a closed file
        would wait for ever.
        """
        self._lost = self._lost or broken
        if conn.pgconn.status == ConnStatus.OK:
            with socket(fileno=os.dup(conn.pgconn.socket)) as twin, suppress(OSError):
                twin.shutdown(SHUT_RDWR)

    def _leave(self, conn: "Connection", place: _Place) -> None:
        """Ring for the next one; the last one gives the connection back."""
        self._under_way.remove(place)
        place.gone.set()
        if self._under_way:
            self._under_way[0].turn.set()
            return
        self._conn = None
        if self._lost is None:
            conn.pgconn.exit_pipeline_mode()
        else:
            conn.close()
        self._loan.close()
