"""Callbacks of gateways: taken in by the API, opened and marked as applied by the worker.

The API stores what it verified and can neither read nor change it afterwards; the worker opens
and applies it. A callback that comes again finds its number taken. Callbacks that arrive together
are stored by one statement and one commit, with one job for all of them (`callbacks.apply`); what
of them cannot be applied then gets a job of its own (`callback.apply`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from rizzpay.infra.database import Connection, Database
from rizzpay.infra.envelope import Envelope, Unreadable
from rizzpay.infra.group_commit import GroupCommit
from rizzpay.infra.hsm.inventory import Purpose
from rizzpay.infra.jobs import Job, NewJob
from rizzpay.infra.pipeline import Draft, Sender
from rizzpay.webhooks.inbound import store
from rizzpay.webhooks.inbound.store import Arrived, Kept

BATCH_MAX = 128  # callbacks a transaction
RESULT_CHARACTERS = 500
PURGE_ROWS = 5_000  # a transaction
COUNT_MAX = 100_000  # jobs whose callbacks are counted for the metric
APPLY_ONE, APPLY_SET = "callback.apply", "callbacks.apply"  # kinds of jobs


@dataclass(frozen=True, slots=True)
class StoredCallback:
    """A callback as it came; `headers` have lower-case names."""

    gateway: str
    provider_event_id: str
    headers: dict[str, str]
    body: bytes
    received_at: datetime
    applied_at: datetime | None


@dataclass(frozen=True, slots=True)
class Lag:
    """Callbacks that wait to be applied, those of COUNT_MAX jobs, and how long the oldest does."""

    waiting: int
    oldest_s: float


class _Sealed(msgspec.Struct, frozen=True, gc=False):
    """What is inside the seal."""

    headers: dict[str, str]
    body: bytes


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Sealed)


class Inbox:
    """Takes callbacks in, those that arrive together in one transaction."""

    def __init__(self, database: Database, *, together: bool = True) -> None:
        """Take the API's pool; `together=False` gives each callback its own transaction."""
        self._database = database
        self._group: GroupCommit[Arrived, bool] = GroupCommit(
            "callbacks", self._write, BATCH_MAX, together=together
        )

    def keep(self, arrived: Arrived) -> bool:
        """Keep a callback and have it applied; False when it was here before.

        Returns after the commit. Raises Unavailable (nothing is kept) or CommitUnknown; the
        gateway is told to send it again in both cases.
        """
        return self._group.submit(arrived)

    def close(self) -> None:
        """Write what waits, then take nothing more."""
        self._group.close()

    def _write(self, arrived: list[Arrived]) -> list[bool]:
        draft = Draft()
        kept = store.keep(draft, arrived)
        self._database.run(draft)
        fresh = kept()
        results = []
        for one in arrived:  # of two copies in one set the first is the new one
            number = (one.gateway, one.provider_event_id)
            results.append(number in fresh)
            fresh.discard(number)
        return results


def seal(
    envelope: Envelope,
    gateway: str,
    provider_event_id: str,
    headers: Mapping[str, str],
    body: bytes,
) -> bytes:
    """Return a callback's headers and body sealed, bound to its gateway and number."""
    lower = {name.lower(): value for name, value in headers.items()}
    plain = _ENCODER.encode(_Sealed(lower, body))
    return envelope.seal(Purpose.PERSONAL, plain, _context(gateway, provider_event_id))


def store_callback(
    conn: Connection, gateway: str, provider_event_id: str, sealed: bytes, now: datetime
) -> bool:
    """Keep one sealed callback and have it applied; False when it was here before."""
    return bool(store.keep(conn, [Arrived(gateway, provider_event_id, sealed, now)])())


def load_all(
    conn: Sender, envelope: Envelope, callback_ids: Sequence[int]
) -> Callable[[], dict[int, StoredCallback | Unreadable]]:
    """Ask for stored callbacks; returns what opens them, by number.

    Those that are not there are left out.
    """
    asked = store.load(conn, callback_ids)
    return lambda: {row.id: _opened(envelope, row) for row in asked()}


def load(conn: Connection, envelope: Envelope, callback_id: int) -> StoredCallback | None:
    """Return one stored callback; None when there is none. Raises Unreadable. For the worker."""
    found = load_all(conn, envelope, [callback_id])().get(callback_id)
    if isinstance(found, Unreadable):
        raise found
    return found


def mark_all(conn: Connection, results: Mapping[int, str], now: datetime) -> int:
    """Note what became of callbacks; returns how many of them had nothing noted before."""
    return store.mark(conn, _cut(results), now).count if results else 0


def note(conn: Sender, results: Mapping[int, str], now: datetime) -> None:
    """Note what became of callbacks, without waiting; what was noted before stays."""
    if results:
        store.mark(conn, _cut(results), now)


def numbers(job: Job) -> list[int]:
    """Return the callbacks that a job is about."""
    return list(job.payload["ids"]) if job.kind == APPLY_SET else [int(job.key)]


def apart(callback_ids: Sequence[int], now: datetime) -> list[NewJob]:
    """Return a job for each of these callbacks, which a set could not apply."""
    return [NewJob(APPLY_ONE, str(number), now) for number in callback_ids]


def mark_applied(conn: Connection, callback_id: int, result: str, now: datetime) -> bool:
    """Note what became of a callback; False when that was noted before."""
    return mark_all(conn, {callback_id: result}, now) == 1


def lag(conn: Connection, now: datetime) -> Lag:
    """Return how far applying is behind: for metrics, in the worker's role."""
    count, oldest = store.waiting(conn, COUNT_MAX)
    return Lag(count, max(0.0, (now - oldest).total_seconds()) if oldest is not None else 0.0)


def purge(conn: Connection, older_than: datetime) -> int:
    """Delete some applied callbacks that came before a moment, oldest first; return how many."""
    return store.purge(conn, older_than, PURGE_ROWS)


def _opened(envelope: Envelope, row: Kept) -> StoredCallback | Unreadable:
    context = _context(row.gateway, row.provider_event_id)
    try:
        sealed = _DECODER.decode(envelope.open(Purpose.PERSONAL, row.body, context))
    except Unreadable as error:
        return error
    return StoredCallback(
        gateway=row.gateway,
        provider_event_id=row.provider_event_id,
        headers=sealed.headers,
        body=sealed.body,
        received_at=row.received_at,
        applied_at=row.applied_at,
    )


def _cut(results: Mapping[int, str]) -> dict[int, str]:
    return {number: results[number][:RESULT_CHARACTERS] for number in sorted(results)}


def _context(gateway: str, provider_event_id: str) -> str:
    return f"gateway_callbacks|body|{gateway}|{provider_event_id}"
