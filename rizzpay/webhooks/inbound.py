"""The inbox: gateways' callbacks, kept sealed and once, before anybody says 200.

The API stores what it verified and can neither read nor change it afterwards; the worker opens
and applies it (job `callback.apply`). A callback that comes again finds its number taken.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from rizzpay.infra import jobs
from rizzpay.infra.database import Connection
from rizzpay.infra.envelope import Envelope
from rizzpay.infra.hsm.inventory import Purpose
from rizzpay.webhooks import store

RESULT_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class StoredCallback:
    """A callback as it came; `headers` have lower-case names."""

    gateway: str
    provider_event_id: str
    headers: dict[str, str]
    body: bytes
    received_at: datetime
    applied_at: datetime | None


class _Sealed(msgspec.Struct, frozen=True):
    """What is inside the seal."""

    headers: dict[str, str]
    body: bytes


def seal(
    envelope: Envelope,
    gateway: str,
    provider_event_id: str,
    headers: Mapping[str, str],
    body: bytes,
) -> bytes:
    """Return a callback's headers and body sealed, bound to its gateway and number."""
    lower = {name.lower(): value for name, value in headers.items()}
    plain = msgspec.msgpack.encode(_Sealed(lower, body))
    return envelope.seal(Purpose.PERSONAL, plain, _context(gateway, provider_event_id))


def store_callback(
    conn: Connection, gateway: str, provider_event_id: str, sealed: bytes, now: datetime
) -> bool:
    """Keep a sealed callback and have it applied; False when it was here before."""
    callback_id = store.insert_callback(conn, gateway, provider_event_id, sealed, now)
    if callback_id is None:
        return False
    jobs.add_unowned(conn, "callback.apply", str(callback_id), now)
    return True


def load(conn: Connection, envelope: Envelope, callback_id: int) -> StoredCallback | None:
    """Return a stored callback, opened; None when there is none. For the worker."""
    row = store.get_callback(conn, callback_id)
    if row is None:
        return None
    plain = envelope.open(Purpose.PERSONAL, row.body, _context(row.gateway, row.provider_event_id))
    sealed = msgspec.msgpack.decode(plain, type=_Sealed)
    return StoredCallback(
        gateway=row.gateway,
        provider_event_id=row.provider_event_id,
        headers=sealed.headers,
        body=sealed.body,
        received_at=row.received_at,
        applied_at=row.applied_at,
    )


def mark_applied(conn: Connection, callback_id: int, result: str, now: datetime) -> bool:
    """Note what became of a callback; False when that was noted before."""
    return store.apply_callback(conn, callback_id, result[:RESULT_CHARACTERS], now)


def _context(gateway: str, provider_event_id: str) -> str:
    return f"gateway_callbacks|body|{gateway}|{provider_event_id}"
