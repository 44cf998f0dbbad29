"""SQL of payments, attempts and refunds. Rows come and go in sets.

A set of rows travels as one binary array a column (rows.py); what is rare travels as JSON rows.
Writers lock payments in order of id, so two batches never wait for each other in a ring.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from psycopg.errors import UniqueViolation

from rizzpay.core.tenant import Tenant
from rizzpay.infra import arrays
from rizzpay.infra.database import Connection
from rizzpay.infra.pipeline import Sender, Sent, Values
from rizzpay.payments import rows
from rizzpay.payments.model import Snapshot
from rizzpay.payments.rows import Asked
from rizzpay.payments.states import Status
from rizzpay.payments.types import Attempt, Payment, PaymentFilter, Refund

ONE_PAYMENTS_ONLY = frozenset({"payments_rrn", "payments_gateway_reference"})  # unique indexes
EVERY_PAYMENT_IS = frozenset({Status.CAPTURED, Status.REQUIRES_ACTION})  # as migration 0011 says

PAYMENT_COLUMNS: LiteralString = """
    id, merchant_id, livemode, status, amount, currency, amount_authorized, amount_captured,
    amount_capture_pending, amount_refunded, amount_refund_pending, capture_method, method,
    reference, description, metadata, return_url, payer_id, gateway, gateway_reference, rrn,
    next_action, failure, cancellation_reason, late, funds, hold_transfer_id, hold_amount,
    closing_attempt_id, fee_basis_points, gst_basis_points, late_authorization, open_unknown,
    expires_at, authorization_expires_at, version, created_at, updated_at
"""
ATTEMPT_COLUMNS: LiteralString = """
    id, payment_id, merchant_id, livemode, kind, status, amount, gateway, gateway_reference, rrn,
    decline, note, enquiries, created_at, updated_at
"""
REFUND_COLUMNS: LiteralString = """
    id, payment_id, merchant_id, livemode, status, amount, currency, origin, reason, reference,
    metadata, gateway, gateway_reference, acquirer_reference, failure, hold_transfer_id,
    status_history, enquiries, sent_at, version, created_at, updated_at
"""

INSERT_PAYMENTS = """
INSERT INTO rizzpay.payments
    (id, merchant_id, livemode, status, amount, currency, capture_method, method, reference,
     description, metadata, return_url, payer_id, gateway, gateway_reference, next_action,
     fee_basis_points, gst_basis_points, late_authorization, expires_at, version, created_at,
     updated_at)
SELECT id, merchant_id, livemode, status, amount, currency, capture_method, method,
       reference, description, metadata, return_url, payer_id, gateway, gateway_reference,
       next_action, fee_basis_points, gst_basis_points, late_authorization, expires_at, version,
       created_at, updated_at
FROM unnest(%(ids)b::text[], %(merchant_ids)b::text[], %(livemodes)b::boolean[],
            %(statuses)b::text[], %(amounts)b::bigint[], %(currencies)b::text[],
            %(capture_methods)b::text[], %(methods)b::jsonb[], %(references)b::text[],
            %(descriptions)b::text[], %(metadata)b::jsonb[], %(return_urls)b::text[],
            %(payer_ids)b::text[], %(gateways)b::text[], %(gateway_references)b::text[],
            %(next_actions)b::jsonb[], %(fees)b::integer[], %(gsts)b::integer[],
            %(late_authorizations)b::text[], %(expire_ats)b::timestamptz[],
            %(versions)b::integer[], %(created_ats)b::timestamptz[],
            %(updated_ats)b::timestamptz[])
     AS fresh (id, merchant_id, livemode, status, amount, currency, capture_method, method,
               reference, description, metadata, return_url, payer_id, gateway, gateway_reference,
               next_action, fee_basis_points, gst_basis_points, late_authorization, expires_at,
               version, created_at, updated_at)
"""

# The rows are locked by LOCK_PAYMENTS, in order of their ids.
UPDATE_PAYMENTS = """
UPDATE rizzpay.payments AS p
SET status = fresh.status, amount_authorized = fresh.authorized,
    amount_captured = fresh.captured, amount_capture_pending = fresh.capture_pending,
    amount_refunded = fresh.refunded, amount_refund_pending = fresh.refund_pending,
    gateway_reference = fresh.gateway_reference, rrn = fresh.rrn,
    next_action = fresh.next_action, failure = fresh.failure,
    cancellation_reason = fresh.cancellation_reason, late = fresh.late,
    funds = fresh.funds, hold_transfer_id = fresh.hold_transfer_id,
    hold_amount = fresh.hold_amount, closing_attempt_id = fresh.closing_attempt_id,
    open_unknown = fresh.open_unknown, expires_at = fresh.expires_at,
    authorization_expires_at = fresh.authorization_expires_at, version = fresh.version,
    updated_at = fresh.updated_at
FROM unnest(%(ids)b::text[], %(statuses)b::text[], %(authorized)b::bigint[],
            %(captured)b::bigint[], %(capture_pending)b::bigint[], %(refunded)b::bigint[],
            %(refund_pending)b::bigint[], %(gateway_references)b::text[], %(rrns)b::text[],
            %(next_actions)b::jsonb[], %(failures)b::jsonb[],
            %(cancellation_reasons)b::text[], %(lates)b::boolean[], %(funds)b::text[],
            %(hold_transfer_ids)b::text[], %(hold_amounts)b::bigint[],
            %(closing_attempt_ids)b::text[], %(open_unknowns)b::integer[],
            %(expire_ats)b::timestamptz[], %(authorization_expire_ats)b::timestamptz[],
            %(versions)b::integer[], %(updated_ats)b::timestamptz[])
     AS fresh (id, status, authorized, captured, capture_pending, refunded, refund_pending,
               gateway_reference, rrn, next_action, failure, cancellation_reason, late, funds,
               hold_transfer_id, hold_amount, closing_attempt_id, open_unknown, expires_at,
               authorization_expires_at, version, updated_at)
WHERE p.id = fresh.id AND p.version < fresh.version
"""

INSERT_ATTEMPTS = """
INSERT INTO rizzpay.payment_attempts
    (id, payment_id, merchant_id, livemode, kind, status, amount, gateway, gateway_reference, rrn,
     decline, note, enquiries, created_at, updated_at)
SELECT id, payment_id, merchant_id, livemode, kind, status, amount, gateway,
       gateway_reference, rrn, decline, note, enquiries, created_at, updated_at
FROM unnest(%(ids)b::text[], %(payment_ids)b::text[], %(merchant_ids)b::text[],
            %(livemodes)b::boolean[], %(kinds)b::text[], %(statuses)b::text[],
            %(amounts)b::bigint[], %(gateways)b::text[], %(gateway_references)b::text[],
            %(rrns)b::text[], %(declines)b::jsonb[], %(notes)b::text[],
            %(enquiries)b::integer[], %(created_ats)b::timestamptz[],
            %(updated_ats)b::timestamptz[])
     AS fresh (id, payment_id, merchant_id, livemode, kind, status, amount, gateway,
               gateway_reference, rrn, decline, note, enquiries, created_at, updated_at)
ORDER BY id
"""

# Their payments are locked.
UPDATE_ATTEMPTS = """
UPDATE rizzpay.payment_attempts AS a
SET status = fresh.status, gateway_reference = fresh.gateway_reference, rrn = fresh.rrn,
    decline = fresh.decline, note = fresh.note, enquiries = fresh.enquiries,
    updated_at = fresh.updated_at
FROM unnest(%(ids)b::text[], %(statuses)b::text[], %(gateway_references)b::text[],
            %(rrns)b::text[], %(declines)b::jsonb[], %(notes)b::text[], %(enquiries)b::integer[],
            %(updated_ats)b::timestamptz[])
     AS fresh (id, status, gateway_reference, rrn, decline, note, enquiries, updated_at)
WHERE a.id = fresh.id
"""

WRITE_REFUNDS: LiteralString = (
    "INSERT INTO rizzpay.refunds ("
    + REFUND_COLUMNS
    + ") SELECT "
    + REFUND_COLUMNS
    + """
FROM jsonb_populate_recordset(NULL::rizzpay.refunds, %(rows)s::jsonb) ORDER BY id
ON CONFLICT (id) DO UPDATE SET
    status = excluded.status, gateway_reference = excluded.gateway_reference,
    acquirer_reference = excluded.acquirer_reference, failure = excluded.failure,
    status_history = excluded.status_history, enquiries = excluded.enquiries,
    sent_at = excluded.sent_at, version = excluded.version, updated_at = excluded.updated_at
WHERE rizzpay.refunds.version < excluded.version
"""
)

SELECT_PAYMENTS: LiteralString = "SELECT " + PAYMENT_COLUMNS + "FROM rizzpay.payments"
SELECT_ATTEMPTS: LiteralString = "SELECT " + ATTEMPT_COLUMNS + "FROM rizzpay.payment_attempts"
SELECT_REFUNDS: LiteralString = "SELECT " + REFUND_COLUMNS + "FROM rizzpay.refunds"

LOCK_PAYMENTS: LiteralString = (
    SELECT_PAYMENTS + " WHERE id = ANY(%(ids)b::text[]) ORDER BY id FOR UPDATE"
)
READ_PAYMENTS: LiteralString = SELECT_PAYMENTS + " WHERE id = ANY(%(ids)b::text[])"
GET_PAYMENT: LiteralString = SELECT_PAYMENTS + " WHERE id = %(id)s"
ATTEMPTS_OF: LiteralString = (
    SELECT_ATTEMPTS + " WHERE payment_id = ANY(%(ids)b::text[]) ORDER BY id"
)
REFUNDS_OF: LiteralString = SELECT_REFUNDS + " WHERE payment_id = ANY(%(ids)b::text[]) ORDER BY id"
GET_REFUND: LiteralString = SELECT_REFUNDS + " WHERE id = %(id)s"
OWNERS_OF = """
SELECT id, payment_id, merchant_id, livemode, gateway
FROM rizzpay.payment_attempts WHERE id = ANY(%(ids)b::text[])
UNION ALL
SELECT id, payment_id, merchant_id, livemode, gateway
FROM rizzpay.refunds WHERE id = ANY(%(ids)b::text[])
"""

# A list is asked for in one way for each index, because a prepared plan does not know which filters
# are NULL. Bounds are always there, so that they are bounds of the index; what is left narrows.
PAGE_ORDER: LiteralString = """
  AND created_at >= %(created_gte)s::timestamptz
  AND (created_at, id) < (%(before_at)s::timestamptz, %(before_id)s::text)
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s
"""
PAGE_STATUS = " AND (%(status)s::text IS NULL OR status = %(status)s)"
IS_TENANTS = " WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s"
RARE_STATUS = " AND status = %(status)s AND status NOT IN ('captured', 'requires_action')"
PAYMENTS_OF: LiteralString = SELECT_PAYMENTS + IS_TENANTS
OF_PAYERS = " AND payer_id = ANY(%(payer_ids)s::text[])"  # these first; then none by time
PAGE_REFERENCE = " AND (%(reference)s::text IS NULL OR reference = %(reference)s)"
THEIRS: LiteralString = "theirs AS MATERIALIZED (" + PAYMENTS_OF + OF_PAYERS + ") SELECT "
FROM_THEIRS: LiteralString = PAYMENT_COLUMNS + "FROM theirs WHERE true" + PAGE_REFERENCE
PAGE_PAYMENTS: dict[str, LiteralString] = {
    "time": PAYMENTS_OF + PAGE_STATUS + PAGE_ORDER,
    "status": PAYMENTS_OF + RARE_STATUS + PAGE_ORDER,
    "reference": PAYMENTS_OF + " AND reference = %(reference)s" + PAGE_STATUS + PAGE_ORDER,
    "payer": "WITH " + THEIRS + FROM_THEIRS + PAGE_STATUS + PAGE_ORDER,
}
PAGE_REFUNDS: dict[str, LiteralString] = {
    "time": SELECT_REFUNDS + IS_TENANTS + PAGE_ORDER,
    "payment": SELECT_REFUNDS + IS_TENANTS + " AND payment_id = %(payment_id)s" + PAGE_ORDER,
}


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows of a list: at most `limit`, those that come after (created_at, id)."""

    limit: int
    after: tuple[datetime, str] | None


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose attempt or refund it is, and which gateway was asked."""

    payment_id: str
    tenant: Tenant
    gateway: str


def insert_payments(conn: Sender, payments: Sequence[Payment]) -> None:
    """Insert new payments."""
    if payments:
        conn.send(INSERT_PAYMENTS, rows.new_payments(payments))


def update_payments(conn: Connection, payments: Sequence[Payment]) -> None:
    """Update locked payments; a version that does not grow is a bug."""
    if payments:
        sent = conn.send(UPDATE_PAYMENTS, rows.changed_payments(payments))
        conn.expect(sent, len(payments), "payments")


def is_reference_taken(error: Exception) -> bool:
    """Tell whether a set failed because another payment has its RRN or gateway's reference."""
    return isinstance(error, UniqueViolation) and error.diag.constraint_name in ONE_PAYMENTS_ONLY


def insert_attempts(conn: Sender, attempts: Sequence[Attempt]) -> None:
    """Insert new attempts."""
    if attempts:
        conn.send(INSERT_ATTEMPTS, rows.new_attempts(attempts))


def update_attempts(conn: Connection, attempts: Sequence[Attempt]) -> None:
    """Update attempts of locked payments; one that is not there is a bug."""
    if attempts:
        sent = conn.send(UPDATE_ATTEMPTS, rows.changed_attempts(attempts))
        conn.expect(sent, len(attempts), "attempts")


def write_refunds(conn: Connection, refunds: Sequence[Refund]) -> None:
    """Insert new refunds and update known ones; a version that does not grow is a bug."""
    if refunds:
        sent = conn.send(WRITE_REFUNDS, {"rows": rows.refunds(refunds)})
        conn.expect(sent, len(refunds), "refunds")


def lock(conn: Connection, payment_ids: Iterable[str]) -> Asked:
    """Lock payments until commit, in order of their ids."""
    wanted = {"ids": arrays.text(sorted(set(payment_ids)))}
    return _with_parts(conn, conn.send(LOCK_PAYMENTS, wanted), wanted)


def read(conn: Connection, payment_id: str) -> Snapshot | None:
    """Return a payment with its attempts and refunds, without a lock: to look, not to decide."""
    wanted = {"ids": arrays.text([payment_id])}
    found = _with_parts(conn, conn.send(READ_PAYMENTS, wanted), wanted)
    return found.snapshots().get(payment_id)


def _with_parts(conn: Connection, payments: Sent, wanted: Values) -> Asked:
    return Asked(payments, conn.send(ATTEMPTS_OF, wanted), conn.send(REFUNDS_OF, wanted))


def get(conn: Connection, payment_id: str) -> Payment | None:
    """Return one payment, or None when this tenant has none of that id."""
    found = conn.send(GET_PAYMENT, {"id": payment_id}).rows()
    return rows.payment(found[0]) if found else None


def get_refund(conn: Connection, refund_id: str) -> Refund | None:
    """Return one refund, or None when this tenant has none of that id."""
    found = conn.send(GET_REFUND, {"id": refund_id}).rows()
    return rows.refund(found[0]) if found else None


def attempts_of(conn: Connection, payment_id: str) -> list[Attempt]:
    """Return the attempts of a payment, oldest first."""
    found = conn.send(ATTEMPTS_OF, {"ids": arrays.text([payment_id])})
    return [rows.attempt(row) for row in found.rows()]


def owners_of(conn: Connection, object_ids: Iterable[str]) -> Callable[[], dict[str, Owner]]:
    """Ask whose attempts or refunds these are; the answer is fetched when it is called for."""
    found = conn.send(OWNERS_OF, {"ids": arrays.text(sorted(set(object_ids)))})
    return lambda: {row[0]: Owner(row[1], Tenant(row[2], row[3]), row[4]) for row in found.rows()}


def page(
    conn: Connection,
    tenant: Tenant,
    wanted: PaymentFilter,
    payer_ids: Sequence[str] | None,
    part: Page,
) -> list[Payment]:
    """Return payments, newest first."""
    values = {
        "merchant_id": tenant.merchant_id,
        "livemode": tenant.livemode,
        "status": wanted.status.value if wanted.status else None,
        "reference": wanted.reference,
        "payer_ids": list(payer_ids or ()),
        **_bounds(part, wanted.created_gte, wanted.created_lt),
    }
    found = conn.execute(PAGE_PAYMENTS[_narrowest(wanted, payer_ids)], values)
    return [rows.payment(row) for row in found]


def page_refunds(
    conn: Connection, tenant: Tenant, payment_id: str | None, part: Page
) -> list[Refund]:
    """Return refunds, newest first."""
    values = {
        "merchant_id": tenant.merchant_id,
        "livemode": tenant.livemode,
        "payment_id": payment_id,
        **_bounds(part, None, None),
    }
    found = conn.execute(PAGE_REFUNDS["time" if payment_id is None else "payment"], values)
    return [rows.refund(row) for row in found]


def _narrowest(wanted: PaymentFilter, payer_ids: Sequence[str] | None) -> str:
    """Return the entry of PAGE_PAYMENTS whose index leaves least to look at."""
    if payer_ids is not None:
        return "payer"
    if wanted.reference is not None:
        return "reference"
    if wanted.status is not None and wanted.status not in EVERY_PAYMENT_IS:
        return "status"
    return "time"


def _bounds(
    part: Page, created_gte: datetime | None, created_lt: datetime | None
) -> dict[str, datetime | str | int]:
    """Return the ends of a page: one on each side, for an index starts at one of two."""
    before = [(at, id_) for at, id_ in (part.after or (None, ""), (created_lt, "")) if at]
    before_at, before_id = min(before, default=("infinity", ""))
    return {
        "created_gte": created_gte or "-infinity",
        "before_at": before_at,
        "before_id": before_id,
        "limit": part.limit,
    }
