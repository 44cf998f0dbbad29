"""Payers: sealed on the way in, opened on the way out, found by a keyed blind index.

Every function takes part in the caller's transaction and never commits.
"""

from collections.abc import Iterable, Sequence

from rizzpay.core.secret import Secret
from rizzpay.core.tenant import Tenant
from rizzpay.infra.database import Connection
from rizzpay.infra.envelope import Envelope
from rizzpay.infra.pipeline import Sender
from rizzpay.vault import model
from rizzpay.vault import store as table
from rizzpay.vault.model import Payer

PURPOSE = "personal"
FOUND_MAX = 10_000  # payers that one look-up returns; every payment of a regular makes one


def store(conn: Sender, envelope: Envelope, payers: Sequence[Payer]) -> None:
    """Insert new payers of any number of merchants, every personal column sealed."""
    if payers:
        table.insert(conn, [_sealed(envelope, payer) for payer in payers])


def load(conn: Connection, envelope: Envelope, ids: Iterable[str]) -> dict[str, Payer]:
    """Return the payers of these ids in clear; those that the transaction cannot see are absent."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    return {row.id: _opened(envelope, row) for row in table.load(conn, wanted)}


def find(
    conn: Connection, envelope: Envelope, tenant: Tenant, column: str, value: str
) -> list[str]:
    """Return ids of a merchant's payers with this email, phone or vpa, newest first.

    Compares normal forms, under the index key of today and those before it. At most FOUND_MAX;
    raises KeyError for another column.
    """
    indexes = envelope.blind_indexes(column, model.index_text(column, value, tenant))
    return table.find(conn, tenant, column, indexes, FOUND_MAX)


def _sealed(envelope: Envelope, payer: Payer) -> table.Row:
    return table.Row(
        id=payer.id,
        tenant=payer.tenant,
        name=_seal(envelope, payer, "name", payer.name),
        email=_seal(envelope, payer, "email", payer.email),
        phone=_seal(envelope, payer, "phone", payer.phone),
        vpa=_seal(envelope, payer, "vpa", payer.vpa),
        email_index=_index(envelope, payer, "email", payer.email),
        phone_index=_index(envelope, payer, "phone", payer.phone),
        vpa_index=_index(envelope, payer, "vpa", payer.vpa),
        created_at=payer.created_at,
    )


def _opened(envelope: Envelope, row: table.Row) -> Payer:
    return Payer(
        id=row.id,
        tenant=row.tenant,
        name=_open(envelope, row, "name", row.name),
        email=_open(envelope, row, "email", row.email),
        phone=_open(envelope, row, "phone", row.phone),
        vpa=_open(envelope, row, "vpa", row.vpa),
        created_at=row.created_at,
    )


def _seal(envelope: Envelope, payer: Payer, column: str, value: Secret[str] | None) -> bytes | None:
    if value is None:
        return None
    place = model.context(column, payer.id, payer.tenant)
    return envelope.seal(PURPOSE, value.reveal().encode(), place)


def _open(
    envelope: Envelope, row: table.Row, column: str, sealed: bytes | None
) -> Secret[str] | None:
    if sealed is None:
        return None
    place = model.context(column, row.id, row.tenant)
    return Secret(envelope.open(PURPOSE, sealed, place).decode())


def _index(
    envelope: Envelope, payer: Payer, column: str, value: Secret[str] | None
) -> bytes | None:
    if value is None:
        return None
    return envelope.blind_index(column, model.index_text(column, value.reveal(), payer.tenant))
