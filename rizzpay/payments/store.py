"""SQL of payments, attempts, refunds and review cases. Rows come and go in sets.

A set of rows travels as one JSON parameter; `jsonb_populate_recordset` gives it the table's own
types. Writers lock payments in order of id, so two batches never wait for each other in a ring.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import msgspec

from rizzpay.core.money import Money
from rizzpay.core.tenant import Tenant
from rizzpay.gateways.port import CaptureMethod
from rizzpay.infra.database import Connection
from rizzpay.payments.model import Case, Snapshot
from rizzpay.payments.states import AttemptStatus, RefundStatus, Status
from rizzpay.payments.types import Attempt, AttemptKind, Payment, PaymentFilter, Refund

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

WRITE_PAYMENTS: LiteralString = (
    "INSERT INTO rizzpay.payments ("
    + PAYMENT_COLUMNS
    + ") SELECT "
    + PAYMENT_COLUMNS
    + """
FROM jsonb_populate_recordset(NULL::rizzpay.payments, %(rows)s::jsonb) ORDER BY id
ON CONFLICT (id) DO UPDATE SET
    status = excluded.status, amount_authorized = excluded.amount_authorized,
    amount_captured = excluded.amount_captured,
    amount_capture_pending = excluded.amount_capture_pending,
    amount_refunded = excluded.amount_refunded,
    amount_refund_pending = excluded.amount_refund_pending,
    gateway_reference = excluded.gateway_reference, rrn = excluded.rrn,
    next_action = excluded.next_action, failure = excluded.failure,
    cancellation_reason = excluded.cancellation_reason, late = excluded.late,
    funds = excluded.funds, hold_transfer_id = excluded.hold_transfer_id,
    hold_amount = excluded.hold_amount, closing_attempt_id = excluded.closing_attempt_id,
    open_unknown = excluded.open_unknown, expires_at = excluded.expires_at,
    authorization_expires_at = excluded.authorization_expires_at, version = excluded.version,
    updated_at = excluded.updated_at
WHERE rizzpay.payments.version < excluded.version
"""
)

WRITE_ATTEMPTS: LiteralString = (
    "INSERT INTO rizzpay.payment_attempts ("
    + ATTEMPT_COLUMNS
    + ") SELECT "
    + ATTEMPT_COLUMNS
    + """
FROM jsonb_populate_recordset(NULL::rizzpay.payment_attempts, %(rows)s::jsonb) ORDER BY id
ON CONFLICT (id) DO UPDATE SET
    status = excluded.status, gateway_reference = excluded.gateway_reference, rrn = excluded.rrn,
    decline = excluded.decline, note = excluded.note, enquiries = excluded.enquiries,
    updated_at = excluded.updated_at
"""
)

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

OPEN_CASES = """
INSERT INTO rizzpay.review_cases
    (id, merchant_id, livemode, object_id, payment_id, reason, opened_at)
SELECT id, merchant_id, livemode, object_id, payment_id, reason, opened_at
FROM jsonb_populate_recordset(NULL::rizzpay.review_cases, %(rows)s::jsonb)
ORDER BY object_id, reason
ON CONFLICT (object_id, reason) DO NOTHING
"""

SELECT_PAYMENTS: LiteralString = "SELECT " + PAYMENT_COLUMNS + "FROM rizzpay.payments"
SELECT_ATTEMPTS: LiteralString = "SELECT " + ATTEMPT_COLUMNS + "FROM rizzpay.payment_attempts"
SELECT_REFUNDS: LiteralString = "SELECT " + REFUND_COLUMNS + "FROM rizzpay.refunds"

LOCK_PAYMENTS: LiteralString = (
    SELECT_PAYMENTS + " WHERE id = ANY(%(ids)s::text[]) ORDER BY id FOR UPDATE"
)
GET_PAYMENT: LiteralString = SELECT_PAYMENTS + " WHERE id = %(id)s"
ATTEMPTS_OF: LiteralString = (
    SELECT_ATTEMPTS + " WHERE payment_id = ANY(%(ids)s::text[]) ORDER BY id"
)
REFUNDS_OF: LiteralString = SELECT_REFUNDS + " WHERE payment_id = ANY(%(ids)s::text[]) ORDER BY id"
GET_REFUND: LiteralString = SELECT_REFUNDS + " WHERE id = %(id)s"
PAYMENT_OF_ATTEMPT = """
SELECT payment_id, merchant_id, livemode FROM rizzpay.payment_attempts WHERE id = %(id)s
UNION ALL
SELECT payment_id, merchant_id, livemode FROM rizzpay.refunds WHERE id = %(id)s
"""

PAGE_PAYMENTS: LiteralString = (
    SELECT_PAYMENTS
    + """
WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s
  AND (%(status)s::text IS NULL OR status = %(status)s)
  AND (%(created_gte)s::timestamptz IS NULL OR created_at >= %(created_gte)s)
  AND (%(created_lt)s::timestamptz IS NULL OR created_at < %(created_lt)s)
  AND (%(reference)s::text IS NULL OR reference = %(reference)s)
  AND (%(payer_ids)s::text[] IS NULL OR payer_id = ANY(%(payer_ids)s))
  AND (%(after_at)s::timestamptz IS NULL
       OR (created_at, id) < (%(after_at)s::timestamptz, %(after_id)s::text))
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s
"""
)
PAGE_REFUNDS: LiteralString = (
    SELECT_REFUNDS
    + """
WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s
  AND (%(payment_id)s::text IS NULL OR payment_id = %(payment_id)s)
  AND (%(after_at)s::timestamptz IS NULL
       OR (created_at, id) < (%(after_at)s::timestamptz, %(after_id)s::text))
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s
"""
)
COUNT_UNKNOWN = """
SELECT (SELECT count(*) FROM rizzpay.payments WHERE status = 'unknown'),
       (SELECT count(*) FROM rizzpay.refunds WHERE status = 'unknown'),
       (SELECT count(*) FROM rizzpay.review_cases WHERE closed_at IS NULL)
"""


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows of a list: at most `limit`, those that come after (created_at, id)."""

    limit: int
    after: tuple[datetime, str] | None


@dataclass(frozen=True, slots=True)
class OpenMatters:
    """How much is not settled."""

    payments_unknown: int
    refunds_unknown: int
    cases: int


def _encode(rows: Sequence[dict[str, Any]]) -> str:
    return msgspec.json.encode(rows).decode()


def _payment_row(payment: Payment) -> dict[str, Any]:
    row = {name: getattr(payment, name) for name in _PLAIN_PAYMENT}
    return row | {
        "merchant_id": payment.tenant.merchant_id,
        "livemode": payment.tenant.livemode,
        "amount": payment.money.minor,
        "currency": payment.money.currency,
    }


def _attempt_row(attempt: Attempt) -> dict[str, Any]:
    row = {name: getattr(attempt, name) for name in _PLAIN_ATTEMPT}
    return row | {
        "merchant_id": attempt.tenant.merchant_id,
        "livemode": attempt.tenant.livemode,
    }


def _refund_row(refund: Refund) -> dict[str, Any]:
    row = {name: getattr(refund, name) for name in _PLAIN_REFUND}
    return row | {
        "merchant_id": refund.tenant.merchant_id,
        "livemode": refund.tenant.livemode,
        "amount": refund.money.minor,
        "currency": refund.money.currency,
    }


def _names(columns: str) -> list[str]:
    return [name.strip() for name in columns.split(",")]


_DERIVED = frozenset({"merchant_id", "livemode", "amount", "currency"})
_PAYMENT_NAMES = _names(PAYMENT_COLUMNS)
_REFUND_NAMES = _names(REFUND_COLUMNS)
_ATTEMPT_NAMES = _names(ATTEMPT_COLUMNS)
_PLAIN_PAYMENT = [name for name in _PAYMENT_NAMES if name not in _DERIVED]
_PLAIN_REFUND = [name for name in _REFUND_NAMES if name not in _DERIVED]
_PLAIN_ATTEMPT = [name for name in _ATTEMPT_NAMES if name not in {"merchant_id", "livemode"}]


def _payment(row: tuple[Any, ...]) -> Payment:
    got = dict(zip(_PAYMENT_NAMES, row, strict=True))
    tenant = Tenant(got.pop("merchant_id"), got.pop("livemode"))
    money = Money(got.pop("amount"), got.pop("currency"))
    got["status"] = Status(got["status"])
    got["capture_method"] = CaptureMethod(got["capture_method"])
    return Payment(tenant=tenant, money=money, **got)


def _attempt(row: tuple[Any, ...]) -> Attempt:
    got = dict(zip(_ATTEMPT_NAMES, row, strict=True))
    tenant = Tenant(got.pop("merchant_id"), got.pop("livemode"))
    got["status"] = AttemptStatus(got["status"])
    got["kind"] = AttemptKind(got["kind"])
    return Attempt(tenant=tenant, **got)


def _refund(row: tuple[Any, ...]) -> Refund:
    got = dict(zip(_REFUND_NAMES, row, strict=True))
    tenant = Tenant(got.pop("merchant_id"), got.pop("livemode"))
    money = Money(got.pop("amount"), got.pop("currency"))
    got["status"] = RefundStatus(got["status"])
    got["status_history"] = tuple(got["status_history"])
    return Refund(tenant=tenant, money=money, **got)


def write_payments(conn: Connection, payments: Iterable[Payment]) -> None:
    """Insert new payments and update known ones; a version that does not grow is a bug."""
    rows = [_payment_row(payment) for payment in payments]
    if rows:
        cursor = conn.execute(WRITE_PAYMENTS, {"rows": _encode(rows)})
        if cursor.rowcount != len(rows):
            raise RuntimeError(f"{len(rows)} payments to write, {cursor.rowcount} written")


def write_attempts(conn: Connection, attempts: Iterable[Attempt]) -> None:
    """Insert new attempts and update known ones."""
    rows = [_attempt_row(attempt) for attempt in attempts]
    if rows:
        conn.execute(WRITE_ATTEMPTS, {"rows": _encode(rows)})


def write_refunds(conn: Connection, refunds: Iterable[Refund]) -> None:
    """Insert new refunds and update known ones."""
    rows = [_refund_row(refund) for refund in refunds]
    if rows:
        cursor = conn.execute(WRITE_REFUNDS, {"rows": _encode(rows)})
        if cursor.rowcount != len(rows):
            raise RuntimeError(f"{len(rows)} refunds to write, {cursor.rowcount} written")


def open_cases(conn: Connection, cases: Iterable[tuple[Tenant, Case]], now: datetime) -> None:
    """Put matters into the human queue, once each."""
    rows = [
        {
            "id": case.id,
            "merchant_id": tenant.merchant_id,
            "livemode": tenant.livemode,
            "object_id": case.object_id,
            "payment_id": case.payment_id,
            "reason": case.reason,
            "opened_at": now,
        }
        for tenant, case in cases
    ]
    if rows:
        conn.execute(OPEN_CASES, {"rows": _encode(rows)})


def lock(conn: Connection, payment_ids: Iterable[str]) -> dict[str, Snapshot]:
    """Lock payments until commit and return each with its attempts and refunds."""
    ids = sorted(set(payment_ids))
    if not ids:
        return {}
    payments = [_payment(row) for row in conn.execute(LOCK_PAYMENTS, {"ids": ids})]
    return _snapshots(conn, payments)


def read(conn: Connection, payment_id: str) -> Snapshot | None:
    """Return a payment with its attempts and refunds, without a lock: to look, not to decide."""
    payment = get(conn, payment_id)
    return _snapshots(conn, [payment])[payment_id] if payment else None


def _snapshots(conn: Connection, payments: list[Payment]) -> dict[str, Snapshot]:
    ids = [payment.id for payment in payments]
    if not ids:
        return {}
    attempts: dict[str, list[Attempt]] = {}
    for attempt in map(_attempt, conn.execute(ATTEMPTS_OF, {"ids": ids})):
        attempts.setdefault(attempt.payment_id, []).append(attempt)
    refunds: dict[str, list[Refund]] = {}
    for refund in map(_refund, conn.execute(REFUNDS_OF, {"ids": ids})):
        refunds.setdefault(refund.payment_id, []).append(refund)
    return {
        payment.id: Snapshot(
            payment,
            tuple(attempts.get(payment.id, ())),
            tuple(refunds.get(payment.id, ())),
        )
        for payment in payments
    }


def get(conn: Connection, payment_id: str) -> Payment | None:
    """Return one payment, or None when this tenant has none of that id."""
    row = conn.execute(GET_PAYMENT, {"id": payment_id}).fetchone()
    return _payment(row) if row else None


def get_refund(conn: Connection, refund_id: str) -> Refund | None:
    """Return one refund, or None when this tenant has none of that id."""
    row = conn.execute(GET_REFUND, {"id": refund_id}).fetchone()
    return _refund(row) if row else None


def attempts_of(conn: Connection, payment_id: str) -> list[Attempt]:
    """Return the attempts of a payment, oldest first."""
    return [_attempt(row) for row in conn.execute(ATTEMPTS_OF, {"ids": [payment_id]})]


def owner_of(conn: Connection, attempt_id: str) -> tuple[str, Tenant] | None:
    """Return the payment and tenant of an attempt or refund id."""
    row = conn.execute(PAYMENT_OF_ATTEMPT, {"id": attempt_id}).fetchone()
    return (row[0], Tenant(row[1], row[2])) if row else None


def page(
    conn: Connection,
    tenant: Tenant,
    wanted: PaymentFilter,
    payer_ids: Sequence[str] | None,
    part: Page,
) -> list[Payment]:
    """Return payments, newest first."""
    rows = conn.execute(
        PAGE_PAYMENTS,
        {
            "merchant_id": tenant.merchant_id,
            "livemode": tenant.livemode,
            "status": wanted.status.value if wanted.status else None,
            "created_gte": wanted.created_gte,
            "created_lt": wanted.created_lt,
            "reference": wanted.reference,
            "payer_ids": list(payer_ids) if payer_ids is not None else None,
            "after_at": part.after[0] if part.after else None,
            "after_id": part.after[1] if part.after else None,
            "limit": part.limit,
        },
    )
    return [_payment(row) for row in rows]


def page_refunds(
    conn: Connection, tenant: Tenant, payment_id: str | None, part: Page
) -> list[Refund]:
    """Return refunds, newest first."""
    rows = conn.execute(
        PAGE_REFUNDS,
        {
            "merchant_id": tenant.merchant_id,
            "livemode": tenant.livemode,
            "payment_id": payment_id,
            "after_at": part.after[0] if part.after else None,
            "after_id": part.after[1] if part.after else None,
            "limit": part.limit,
        },
    )
    return [_refund(row) for row in rows]


def count_open(conn: Connection) -> OpenMatters:
    """Return what is not settled; all merchants, for the worker's role."""
    row = conn.execute(COUNT_UNKNOWN).fetchone()
    return OpenMatters(*row) if row else OpenMatters(0, 0, 0)
