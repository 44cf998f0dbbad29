"""Rows of the payment tables as values, and values as columns; no SQL and no decisions.

The order of the columns is the order in which the queries of store.py list them, and that of the
fields in types.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from rizzpay.core.money import Money
from rizzpay.core.tenant import Tenant
from rizzpay.gateways.port import CaptureMethod
from rizzpay.infra.arrays import Packed, bigint, boolean, integer, jsonb, text, timestamptz
from rizzpay.infra.pipeline import Sent
from rizzpay.payments.model import Snapshot
from rizzpay.payments.states import AttemptStatus, RefundStatus, Status
from rizzpay.payments.types import Attempt, AttemptKind, Payment, Refund

Row = tuple[Any, ...]
Columns = dict[str, Packed]


def payment(row: Row) -> Payment:
    """Read a payment."""
    tenant, money = Tenant(row[1], row[2]), Money(row[4], row[5])
    capture_method = CaptureMethod(row[11])
    it: Row = (row[0], tenant, Status(row[3]), money, *row[6:11], capture_method, *row[12:])
    return Payment(*it)


def attempt(row: Row) -> Attempt:
    """Read an attempt."""
    kind, status = AttemptKind(row[4]), AttemptStatus(row[5])
    it: Row = (row[0], row[1], Tenant(row[2], row[3]), kind, status, *row[6:])
    return Attempt(*it)


def refund(row: Row) -> Refund:
    """Read a refund."""
    tenant, money, history = Tenant(row[2], row[3]), Money(row[5], row[6]), tuple(row[16])
    it: Row = (*row[:2], tenant, RefundStatus(row[4]), money, *row[7:16], history, *row[17:])
    return Refund(*it)


@dataclass(frozen=True, slots=True)
class Asked:
    """Payments that were asked for, each with its attempts and refunds; fetched when looked at."""

    payments: Sent
    attempts: Sent
    refunds: Sent

    def snapshots(self) -> dict[str, Snapshot]:
        """Return the payments by id."""
        attempts: dict[str, list[Attempt]] = {}
        for one in map(attempt, self.attempts.rows()):
            attempts.setdefault(one.payment_id, []).append(one)
        refunds: dict[str, list[Refund]] = {}
        for its in map(refund, self.refunds.rows()):
            refunds.setdefault(its.payment_id, []).append(its)
        return {
            found.id: Snapshot(
                found, tuple(attempts.get(found.id, ())), tuple(refunds.get(found.id, ()))
            )
            for found in map(payment, self.payments.rows())
        }


def new_payments(payments: Sequence[Payment]) -> Columns:
    """Return what a payment has from its beginning; the rest are the columns' defaults."""
    return {
        "ids": text([one.id for one in payments]),
        "merchant_ids": text([one.tenant.merchant_id for one in payments]),
        "livemodes": boolean([one.tenant.livemode for one in payments]),
        "statuses": text([one.status.value for one in payments]),
        "amounts": bigint([one.money.minor for one in payments]),
        "currencies": text([one.money.currency for one in payments]),
        "capture_methods": text([one.capture_method.value for one in payments]),
        "methods": jsonb([_json(one.method) for one in payments]),
        "references": text([one.reference for one in payments]),
        "descriptions": text([one.description for one in payments]),
        "metadata": jsonb([_json(one.metadata) for one in payments]),
        "return_urls": text([one.return_url for one in payments]),
        "payer_ids": text([one.payer_id for one in payments]),
        "gateways": text([one.gateway for one in payments]),
        "gateway_references": text([one.gateway_reference for one in payments]),
        "next_actions": jsonb([_json(one.next_action) for one in payments]),
        "fees": integer([one.fee_basis_points for one in payments]),
        "gsts": integer([one.gst_basis_points for one in payments]),
        "late_authorizations": text([one.late_authorization for one in payments]),
        "expire_ats": timestamptz([one.expires_at for one in payments]),
        "versions": integer([one.version for one in payments]),
        "created_ats": timestamptz([one.created_at for one in payments]),
        "updated_ats": timestamptz([one.updated_at for one in payments]),
    }


def changed_payments(payments: Sequence[Payment]) -> Columns:
    """Return what of a payment can change."""
    return {
        "ids": text([one.id for one in payments]),
        "statuses": text([one.status.value for one in payments]),
        "authorized": bigint([one.amount_authorized for one in payments]),
        "captured": bigint([one.amount_captured for one in payments]),
        "capture_pending": bigint([one.amount_capture_pending for one in payments]),
        "refunded": bigint([one.amount_refunded for one in payments]),
        "refund_pending": bigint([one.amount_refund_pending for one in payments]),
        "gateway_references": text([one.gateway_reference for one in payments]),
        "rrns": text([one.rrn for one in payments]),
        "next_actions": jsonb([_json(one.next_action) for one in payments]),
        "failures": jsonb([_json(one.failure) for one in payments]),
        "cancellation_reasons": text([one.cancellation_reason for one in payments]),
        "lates": boolean([one.late for one in payments]),
        "funds": text([one.funds for one in payments]),
        "hold_transfer_ids": text([one.hold_transfer_id for one in payments]),
        "hold_amounts": bigint([one.hold_amount for one in payments]),
        "closing_attempt_ids": text([one.closing_attempt_id for one in payments]),
        "open_unknowns": integer([one.open_unknown for one in payments]),
        "expire_ats": timestamptz([one.expires_at for one in payments]),
        "authorization_expire_ats": timestamptz([p.authorization_expires_at for p in payments]),
        "versions": integer([one.version for one in payments]),
        "updated_ats": timestamptz([one.updated_at for one in payments]),
    }


def new_attempts(them: Sequence[Attempt]) -> Columns:
    """Return the columns of attempts."""
    return changed_attempts(them) | {
        "payment_ids": text([one.payment_id for one in them]),
        "merchant_ids": text([one.tenant.merchant_id for one in them]),
        "livemodes": boolean([one.tenant.livemode for one in them]),
        "kinds": text([one.kind.value for one in them]),
        "amounts": bigint([one.amount for one in them]),
        "gateways": text([one.gateway for one in them]),
        "created_ats": timestamptz([one.created_at for one in them]),
    }


def changed_attempts(them: Sequence[Attempt]) -> Columns:
    """Return what of an attempt can change."""
    return {
        "ids": text([one.id for one in them]),
        "statuses": text([one.status.value for one in them]),
        "gateway_references": text([one.gateway_reference for one in them]),
        "rrns": text([one.rrn for one in them]),
        "declines": jsonb([_json(one.decline) for one in them]),
        "notes": text([one.note for one in them]),
        "enquiries": integer([one.enquiries for one in them]),
        "updated_ats": timestamptz([one.updated_at for one in them]),
    }


def refunds(them: Sequence[Refund]) -> str:
    """Return refunds as JSON rows: they are rare, and half of their columns are objects."""
    rows = [
        {
            "id": one.id,
            "payment_id": one.payment_id,
            "merchant_id": one.tenant.merchant_id,
            "livemode": one.tenant.livemode,
            "status": one.status,
            "amount": one.money.minor,
            "currency": one.money.currency,
            "origin": one.origin,
            "reason": one.reason,
            "reference": one.reference,
            "metadata": one.metadata,
            "gateway": one.gateway,
            "gateway_reference": one.gateway_reference,
            "acquirer_reference": one.acquirer_reference,
            "failure": one.failure,
            "hold_transfer_id": one.hold_transfer_id,
            "status_history": one.status_history,
            "enquiries": one.enquiries,
            "sent_at": one.sent_at,
            "version": one.version,
            "created_at": one.created_at,
            "updated_at": one.updated_at,
        }
        for one in them
    ]
    return msgspec.json.encode(rows).decode()


def _json(value: Mapping[str, Any] | None) -> bytes | None:
    return None if value is None else msgspec.json.encode(value)
