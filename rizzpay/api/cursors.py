"""Cursors: where a page ended, sealed so that nobody can read, change or move them.

A cursor opens only for the same merchant, mode, list and filters. Lists are ordered by creation
and id, newest first, so rows that are inserted meanwhile neither shift nor repeat a page.
"""

import base64
import binascii
from datetime import UTC, datetime, timedelta

import msgspec

from rizzpay.core.errors import Refused
from rizzpay.core.tenant import Tenant
from rizzpay.infra.envelope import Envelope, Unreadable

PURPOSE = "cursor"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

After = tuple[datetime, str]
"""Creation and id of the last row of a page."""


class _Place(msgspec.Struct, frozen=True, array_like=True):
    """What is sealed; microseconds, because that is what PostgreSQL keeps."""

    at_us: int
    id: str


class Cursors:
    """Makes and opens cursors."""

    def __init__(self, envelope: Envelope) -> None:
        """Keep the envelope; its purpose `cursor` has keys of its own."""
        self._envelope = envelope

    def close(self, tenant: Tenant, scope: str, after: After) -> str:
        """Return the cursor of a place in the list `scope`, which names list and filters."""
        at, row_id = after
        place = _Place((at - EPOCH) // MICROSECOND, row_id)
        sealed = self._envelope.seal(PURPOSE, msgspec.msgpack.encode(place), _bound(tenant, scope))
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, tenant: Tenant, scope: str, cursor: str | None) -> After | None:
        """Return the place of a cursor, None for none; raises Refused(invalid_cursor)."""
        if cursor is None:
            return None
        try:
            sealed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            plain = self._envelope.open(PURPOSE, sealed, _bound(tenant, scope))
        except (binascii.Error, Unreadable):
            raise Refused("invalid_cursor", param="cursor") from None
        place = msgspec.msgpack.decode(plain, type=_Place)
        return EPOCH + place.at_us * MICROSECOND, place.id


def scope_of(name: str, *filters: object) -> str:
    """Return the text that binds a cursor to its list: name and filters, in a fixed order."""
    return msgspec.json.encode([name, *filters], enc_hook=str).decode()


def _bound(tenant: Tenant, scope: str) -> str:
    mode = "live" if tenant.livemode else "test"
    return f"{tenant.merchant_id}|{mode}|{scope}"
