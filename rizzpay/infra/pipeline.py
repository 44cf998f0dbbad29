"""Statements that are sent together: prepared once, bound in binary, one flush, one read.

psycopg has a pipeline mode as well; it looks at the socket and keeps books after every statement,
which at the size of our batches cost as much as the statements themselves (measured 2026-11-21).
This is the same libpq mode with the least that we need: fixed texts, packed arrays and a few
plain values. Errors, results and rows are psycopg's own.

Source: PostgreSQL documentation, "Pipeline Mode" in the chapter on libpq.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from itertools import count
from types import MappingProxyType
from typing import LiteralString, Protocol

import psycopg
from gevent.socket import wait_read, wait_readwrite
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.rows import TupleRow

from rizzpay.infra.arrays import Packed

Value = Packed | bytes | str | int | datetime | None
Values = Mapping[str, Value]
NO_VALUES: Values = MappingProxyType({})
_PLACE = re.compile(r"%\((\w+)\)[bs]|%%")
_NUMBERS = count()
_DONE = {ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK}


class Broken(psycopg.OperationalError):
    """The connection broke; `undecided` when COMMIT was sent and no error came before it."""

    def __init__(self, *, undecided: bool) -> None:
        """Say whether the transaction may have happened."""
        super().__init__("the connection broke")
        self.undecided = undecided


@dataclass(frozen=True, slots=True)
class _Text:
    """A query as the server knows it, and the names of its parameters in order."""

    name: bytes
    sql: bytes
    names: tuple[str, ...]


@dataclass(slots=True, eq=False)
class Sent:
    """A statement on its way; looking at what it did waits for everything sent before it."""

    pipeline: "Pipeline | None"  # None: it still waits for a connection
    text: _Text
    values: list[bytes | None]
    forms: list[Format]
    result: PGresult | None = None

    def rows(self) -> list[TupleRow]:
        """Return the rows that it gave."""
        result = self._arrived()
        return self.pipeline.load(result) if self.pipeline and result.ntuples else []

    @property
    def count(self) -> int:
        """Return how many rows it gave or changed."""
        return self._arrived().command_tuples or 0

    def _arrived(self) -> PGresult:
        if self.result is None and self.pipeline is not None:
            self.pipeline.flush()
        if self.result is None:
            raise RuntimeError("a statement that has not run, or whose transaction was given up")
        return self.result


class Sender(Protocol):
    """Whatever takes statements that nobody has to look at: a connection, or a draft."""

    def send(self, query: LiteralString, values: Values = ..., /) -> Sent:
        """Run a statement, now or later."""


class Draft:
    """Statements of a transaction that has no connection yet, so that none waits for us."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.sent: list[Sent] = []

    def send(self, query: LiteralString, values: Values = NO_VALUES) -> Sent:
        """Keep a statement; what it does can be looked at after it has run."""
        sent = _bound(None, query, values)
        self.sent.append(sent)
        return sent


@dataclass(slots=True, eq=False)
class Flight:
    """A transaction that was handed over, or a part of one, and what came back of it so far."""

    asked: list[Sent | _Text]
    begins: bool
    commits: bool
    results: list[PGresult] = field(default_factory=list)

    def broken(self) -> Broken:
        """Say what the loss of the connection means for it: nobody knows, if nothing failed."""
        before_commit = self.results[: len(self.asked) + self.begins]
        return Broken(undecided=self.commits and _failed(before_commit) is None)


class Pipeline:
    """What one connection sends without waiting."""

    def __init__(self, conn: psycopg.Connection[TupleRow]) -> None:
        """Belong to a connection; nothing is sent yet."""
        self._conn = conn
        self._prepared: set[bytes] = set()
        self._waiting: list[Sent] = []

    def send(self, query: LiteralString, values: Values) -> Sent:
        """Queue a statement."""
        sent = _bound(self, query, values)
        self._waiting.append(sent)
        return sent

    def forget(self) -> None:
        """Drop what was not sent yet."""
        self._waiting.clear()

    def alive(self) -> bool:
        """Tell whether the server still holds the connection, as far as can be seen from here."""
        try:
            self._conn.pgconn.consume_input()
        except psycopg.OperationalError:
            return False
        return self._conn.pgconn.status == ConnStatus.OK

    def flush(self, *, commit: bool = False) -> None:
        """Send what is queued and wait for all results; raises the first error of the server.

        With `commit` the transaction ends in the same breath; after an error of the server it has
        not. Raises Broken when the connection is lost. Whatever but a server's error ends it, the
        connection is closed: nobody could use it any more.
        """
        waiting, self._waiting = self._waiting, []
        if not waiting and not commit:
            return
        pgconn = self._conn.pgconn
        flight = Flight([], pgconn.transaction_status == TransactionStatus.IDLE, commit)
        try:
            self.depart(flight, waiting)
            while pgconn.flush():
                wait_readwrite(pgconn.socket)
                pgconn.consume_input()
            self.land(flight)
            pgconn.exit_pipeline_mode()
        except psycopg.OperationalError as error:
            self._conn.close()
            raise flight.broken() from error
        except BaseException:  # the greenlet was killed: what is under way stays unread
            self._conn.close()
            raise
        self.take(flight)

    def depart(self, flight: Flight, waiting: Sequence[Sent]) -> None:
        """Hand statements to libpq, up to a synchronisation point; nothing is written yet."""
        pgconn = self._conn.pgconn
        pgconn.enter_pipeline_mode()
        if flight.begins:
            pgconn.send_query_params(b"BEGIN", None)
        self._put(pgconn, waiting, flight.asked)
        if flight.commits:
            pgconn.send_query_params(b"COMMIT", None)
        pgconn.pipeline_sync()

    def land(self, flight: Flight) -> None:
        """Wait for the results of the transaction whose turn it is."""
        pgconn = self._conn.pgconn
        while True:
            while pgconn.is_busy():
                wait_read(pgconn.socket)
                pgconn.consume_input()
            result = pgconn.get_result()
            if result is None:
                if pgconn.status == ConnStatus.BAD:
                    raise psycopg.OperationalError("the connection is lost")
            elif result.status == ExecStatus.PIPELINE_SYNC:
                return
            else:
                flight.results.append(result)

    def take(self, flight: Flight) -> None:
        """Give each statement its result; raises the first error of the server."""
        results = flight.results[flight.begins :]
        for result, about in zip(results, flight.asked, strict=False):
            if result.status not in _DONE:
                break
            if isinstance(about, Sent):
                about.result = result
            else:
                self._prepared.add(about.name)
        failed = _failed(flight.results)
        if failed is not None:
            raise psycopg.errors.error_from_result(failed, encoding="utf-8")

    def knows(self, statements: Sequence[Sent]) -> bool:
        """Tell whether the server has all of these prepared."""
        return all(sent.text.name in self._prepared for sent in statements)

    def load(self, result: PGresult) -> list[TupleRow]:
        """Read the rows of a result."""
        transformer = Transformer(self._conn)
        transformer.set_pgresult(result, format=Format.BINARY)
        return transformer.load_rows(0, result.ntuples, tuple)

    def _put(self, pgconn: PGconn, waiting: Sequence[Sent], asked: list[Sent | _Text]) -> None:
        """Hand statements to libpq and say in `asked` what each result will be about."""
        fresh: set[bytes] = set()
        for sent in waiting:
            text = sent.text
            if text.name not in self._prepared and text.name not in fresh:
                pgconn.send_prepare(text.name, text.sql)
                fresh.add(text.name)
                asked.append(text)
            pgconn.send_query_prepared(
                text.name, sent.values, param_formats=sent.forms, result_format=Format.BINARY
            )
            asked.append(sent)


def _failed(results: Sequence[PGresult]) -> PGresult | None:
    return next((one for one in results if one.status not in _DONE), None)


@cache
def _compiled(query: LiteralString) -> _Text:
    names: dict[str, int] = {}

    def place(found: re.Match[str]) -> str:
        if found.group(1) is None:
            return "%"
        return f"${names.setdefault(found.group(1), len(names) + 1)}"

    sql = _PLACE.sub(place, query).encode()
    return _Text(b"rizzpay_%d" % next(_NUMBERS), sql, tuple(names))


def _bound(pipeline: Pipeline | None, query: LiteralString, given: Values) -> Sent:
    text = _compiled(query)
    values: list[bytes | None] = []
    forms: list[Format] = []
    for name in text.names:
        value = given[name]
        if isinstance(value, bytes):  # most are packed arrays
            values.append(value)
            forms.append(Format.BINARY)
        else:
            values.append(_plain(value))
            forms.append(Format.TEXT)
    return Sent(pipeline, text, values, forms)


def _plain(value: Value) -> bytes | None:
    match value:
        case None:
            return None
        case str():
            return value.encode()
        case bool():
            return b"t" if value else b"f"
        case int():
            return b"%d" % value
        case datetime():
            return value.isoformat().encode()
        case bytes():
            return value
