"""SQL of QR codes and of the payments that came by them.

Codes are locked in order of their ids, after payments and before everything that the writer writes.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from rizzpay.core.tenant import Tenant
from rizzpay.infra import arrays
from rizzpay.infra.database import Connection
from rizzpay.infra.pipeline import Sender, Sent, Values
from rizzpay.payments import rows
from rizzpay.payments import store as payments
from rizzpay.payments.qr_codes.model import (
    EXPIRE,
    CloseReason,
    CodeStatus,
    CodeType,
    Locked,
    QrCode,
    Terms,
    Usage,
)
from rizzpay.payments.types import Payment

COLUMNS: LiteralString = """
    id, merchant_id, livemode, type, usage, status, payment_amount, name, description, gateway,
    content, close_by, close_reason, closed_at, payments_count_received, payments_amount_received,
    version, created_at, updated_at
"""
QUALIFIED: LiteralString = """
    code.id, code.merchant_id, code.livemode, code.type, code.usage, code.status,
    code.payment_amount, code.name, code.description, code.gateway, code.content, code.close_by,
    code.close_reason, code.closed_at, code.payments_count_received, code.payments_amount_received,
    code.version, code.created_at, code.updated_at
"""
INSERT = """
INSERT INTO rizzpay.qr_codes
    (id, merchant_id, livemode, type, usage, payment_amount, name, description, gateway, content,
     close_by, version, created_at, updated_at)
VALUES
    (%(id)s, %(merchant_id)s, %(livemode)s, %(type)s, %(usage)s, %(payment_amount)s, %(name)s,
     %(description)s, %(gateway)s, %(content)s, %(close_by)s, 1, %(created_at)s, %(created_at)s)
"""
UPDATE = """
UPDATE rizzpay.qr_codes AS code
SET status = fresh.status, close_reason = fresh.close_reason, closed_at = fresh.closed_at,
    payments_count_received = fresh.count_received,
    payments_amount_received = fresh.amount_received, version = fresh.version,
    updated_at = fresh.updated_at
FROM unnest(%(ids)b::text[], %(statuses)b::text[], %(close_reasons)b::text[],
            %(closed_ats)b::timestamptz[], %(counts_received)b::bigint[],
            %(amounts_received)b::bigint[], %(versions)b::integer[], %(updated_ats)b::timestamptz[])
     AS fresh (id, status, close_reason, closed_at, count_received, amount_received, version,
               updated_at)
WHERE code.id = fresh.id AND code.version < fresh.version
"""
ADD_PAYMENTS = """
INSERT INTO rizzpay.qr_code_payments
    (qr_code_id, gateway_reference, payment_id, merchant_id, livemode, created_at)
SELECT qr_code_id, gateway_reference, payment_id, merchant_id, livemode, created_at
FROM unnest(%(code_ids)b::text[], %(gateway_references)b::text[], %(ids)b::text[],
            %(merchant_ids)b::text[], %(livemodes)b::boolean[], %(created_ats)b::timestamptz[])
     AS fresh (qr_code_id, gateway_reference, payment_id, merchant_id, livemode, created_at)
ORDER BY qr_code_id, gateway_reference
"""
# Two statements: the second one sees what whoever held the lock before has committed.
FROM_CODES: LiteralString = " FROM rizzpay.qr_codes AS code "
WITH_TERMS: LiteralString = "JOIN rizzpay.merchants AS merchant ON merchant.id = code.merchant_id "
TERMS = ", merchant.fee_basis_points, merchant.gst_basis_points, merchant.late_authorization"
IN_ORDER = "WHERE code.id = ANY(%(ids)b::text[]) ORDER BY code.id FOR NO KEY UPDATE OF code"
LOCK: LiteralString = "SELECT " + QUALIFIED + TERMS + FROM_CODES + WITH_TERMS + IN_ORDER
KNOWN = """
SELECT known.qr_code_id, known.gateway_reference
FROM unnest(%(code_ids)b::text[], %(gateway_references)b::text[])
     AS asked (qr_code_id, gateway_reference)
JOIN rizzpay.qr_code_payments AS known
  ON known.qr_code_id = asked.qr_code_id AND known.gateway_reference = asked.gateway_reference
"""
SELECT_CODES: LiteralString = "SELECT " + COLUMNS + "FROM rizzpay.qr_codes"
GET: LiteralString = SELECT_CODES + " WHERE id = %(id)s"
LOCK_ONE: LiteralString = GET + " FOR NO KEY UPDATE"
OWNERS = """
SELECT id, merchant_id, livemode, gateway FROM rizzpay.qr_codes WHERE id = ANY(%(ids)b::text[])
"""
PAGE: LiteralString = (
    SELECT_CODES
    + """
WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s
  AND (created_at, id) < (%(before_at)s::timestamptz, %(before_id)s::text)
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s
"""
)
CAME_BY = """
SELECT payment_id FROM rizzpay.qr_code_payments
WHERE qr_code_id = %(id)s
  AND (created_at, payment_id) < (%(before_at)s::timestamptz, %(before_id)s::text)
ORDER BY created_at DESC, payment_id DESC
LIMIT %(limit)s
"""
NEWEST_FIRST = " ORDER BY created_at DESC, id DESC"
AMONG_THESE: LiteralString = " WHERE id IN (" + CAME_BY + ")"
PAGE_PAYMENTS: LiteralString = payments.SELECT_PAYMENTS + AMONG_THESE + NEWEST_FIRST
# One that has its job waits for the next try of it. All who queue these take them in this order.
QUEUE_OVER = """
INSERT INTO rizzpay.jobs (kind, key, merchant_id, livemode, run_at)
SELECT %(kind)s, code.id, code.merchant_id, code.livemode, code.close_by
FROM rizzpay.qr_codes AS code
WHERE code.status = 'active'
  AND code.close_by BETWEEN %(since)s AND %(now)s
  AND NOT EXISTS (SELECT FROM rizzpay.jobs AS job
                  WHERE job.kind = %(kind)s AND job.key = code.id)
ORDER BY code.close_by, code.id
LIMIT %(most)s
ON CONFLICT (kind, key) DO NOTHING
"""

Row = tuple[Any, ...]
Place = tuple[datetime, str] | None


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose code it is, and which gateway takes the money."""

    code_id: str
    tenant: Tenant
    gateway: str


def insert(conn: Connection, code: QrCode) -> None:
    """Insert a new code."""
    values = {
        "id": code.id,
        "merchant_id": code.tenant.merchant_id,
        "livemode": code.tenant.livemode,
        "type": code.type.value,
        "usage": code.usage.value,
        "payment_amount": code.payment_amount,
        "name": code.name,
        "description": code.description,
        "gateway": code.gateway,
        "content": code.content,
        "close_by": code.close_by,
        "created_at": code.created_at,
    }
    conn.execute(INSERT, values)


def update(conn: Connection, codes: Sequence[QrCode]) -> None:
    """Update locked codes; a version that does not grow is a bug."""
    if codes:
        sent = conn.send(
            UPDATE,
            {
                "ids": arrays.text([code.id for code in codes]),
                "statuses": arrays.text([code.status.value for code in codes]),
                "close_reasons": arrays.text([code.close_reason for code in codes]),
                "closed_ats": arrays.timestamptz([code.closed_at for code in codes]),
                "counts_received": arrays.bigint([code.payments_count_received for code in codes]),
                "amounts_received": arrays.bigint(
                    [code.payments_amount_received for code in codes]
                ),
                "versions": arrays.integer([code.version for code in codes]),
                "updated_ats": arrays.timestamptz([code.updated_at for code in codes]),
            },
        )
        conn.expect(sent, len(codes), "QR codes")


def add_payments(conn: Sender, came: Sequence[tuple[str, Payment]]) -> None:
    """Note which payments came by which code, each under its gateway's name for it."""
    if came:
        paid = [payment for _, payment in came]
        conn.send(
            ADD_PAYMENTS,
            {
                "code_ids": arrays.text([code_id for code_id, _ in came]),
                "gateway_references": arrays.text([one.gateway_reference for one in paid]),
                "ids": arrays.text([one.id for one in paid]),
                "merchant_ids": arrays.text([one.tenant.merchant_id for one in paid]),
                "livemodes": arrays.boolean([one.tenant.livemode for one in paid]),
                "created_ats": arrays.timestamptz([one.created_at for one in paid]),
            },
        )


def lock(conn: Sender, wanted: Sequence[tuple[str, str]]) -> Callable[[], dict[str, Locked]]:
    """Lock codes until commit, in order of their ids; `wanted` is each with a reference.

    The answer says which of the references came by their codes before.
    """
    code_ids, references = zip(*sorted(set(wanted)), strict=True)
    locked = conn.send(LOCK, {"ids": arrays.text(sorted(set(code_ids)))})
    known = conn.send(
        KNOWN,
        {"code_ids": arrays.text(code_ids), "gateway_references": arrays.text(references)},
    )
    return lambda: _locked(locked, known)


def _locked(locked: Sent, known: Sent) -> dict[str, Locked]:
    found: dict[str, set[str]] = {}
    for code_id, reference in known.rows():
        found.setdefault(code_id, set()).add(reference)
    codes = [(_code(row[:19]), Terms(*row[19:])) for row in locked.rows()]
    return {
        code.id: Locked(code, terms, frozenset(found.get(code.id, ()))) for code, terms in codes
    }


def lock_one(conn: Connection, code_id: str) -> QrCode | None:
    """Lock one code until commit; None when this tenant has none of that id."""
    row = conn.execute(LOCK_ONE, {"id": code_id}).fetchone()
    return _code(row) if row else None


def get(conn: Connection, code_id: str) -> QrCode | None:
    """Return one code, or None when this tenant has none of that id."""
    row = conn.execute(GET, {"id": code_id}).fetchone()
    return _code(row) if row else None


def owners(conn: Sender, code_ids: Iterable[str]) -> dict[str, Owner]:
    """Return whose codes these are and which gateway takes their money."""
    sent = conn.send(OWNERS, {"ids": arrays.text(sorted(set(code_ids)))})
    return {row[0]: Owner(row[0], Tenant(row[1], row[2]), row[3]) for row in sent.rows()}


def page(conn: Connection, tenant: Tenant, limit: int, after: Place) -> list[QrCode]:
    """Return codes, newest first."""
    owner = {"merchant_id": tenant.merchant_id, "livemode": tenant.livemode}
    return [_code(row) for row in conn.execute(PAGE, owner | _bounds(limit, after))]


def page_payments(conn: Connection, code_id: str, limit: int, after: Place) -> list[Payment]:
    """Return the payments that came by a code, newest first."""
    found = conn.execute(PAGE_PAYMENTS, {"id": code_id} | _bounds(limit, after))
    return [rows.payment(row) for row in found]


def queue_over(sender: Sender, since: datetime, now: datetime, most: int) -> Sent:
    """Queue codes whose time ran out between two moments, `most` at most, the oldest first."""
    values: Values = {"kind": EXPIRE, "since": since, "now": now, "most": most}
    return sender.send(QUEUE_OVER, values)


def _bounds(limit: int, after: Place) -> dict[str, datetime | str | int]:
    before_at, before_id = after or ("infinity", "")
    return {"limit": limit, "before_at": before_at, "before_id": before_id}


def _code(row: Row) -> QrCode:
    kinds = (CodeType(row[3]), Usage(row[4]), CodeStatus(row[5]))
    reason = CloseReason(row[12]) if row[12] else None
    it: Row = (row[0], Tenant(row[1], row[2]), *kinds, *row[6:12], reason, *row[13:])
    return QrCode(*it)
