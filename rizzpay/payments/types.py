"""A payment, its attempts and its refunds as values; nothing here decides anything."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct

from rizzpay.core.money import Money
from rizzpay.core.secret import Secret
from rizzpay.core.tenant import Tenant
from rizzpay.core.values import value
from rizzpay.gateways.port import CaptureMethod, Declined, Method
from rizzpay.idempotency.model import Answer
from rizzpay.payments.states import AttemptStatus, RefundStatus, Status
from rizzpay.vault.model import Payer as Payer  # noqa: PLC0414 - others take it from here


@value
class Payment(Struct, frozen=True, gc=False):
    """One intent to collect `money`. Amounts are minor units of `money.currency`."""

    id: str
    tenant: Tenant
    status: Status
    money: Money
    amount_authorized: int
    amount_captured: int
    amount_capture_pending: int
    amount_refunded: int
    amount_refund_pending: int
    capture_method: CaptureMethod
    method: dict[str, str]  # the API's object without secrets: {"type": "upi", "flow": "intent"}
    reference: str | None
    description: str | None
    metadata: dict[str, str]
    return_url: str | None
    payer_id: str | None
    gateway: str
    gateway_reference: str | None
    rrn: str | None
    next_action: dict[str, str] | None
    failure: dict[str, str] | None  # reason, recommended_action, gateway_code
    cancellation_reason: str | None
    late: bool
    funds: str  # the ledger account that captures go to: merchant_pending or suspense
    hold_transfer_id: str | None  # the pending ledger transfer of what is held
    hold_amount: int
    closing_attempt_id: str | None  # the final capture or void: nothing may be captured after it
    fee_basis_points: int  # as agreed when the payment was made
    gst_basis_points: int
    late_authorization: str  # capture or refund
    open_unknown: int
    expires_at: datetime | None
    authorization_expires_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


class AttemptKind(StrEnum):
    """What was asked of the gateway; refunds are objects of their own."""

    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    VOID = "void"


@value
class Attempt(Struct, frozen=True, gc=False):
    """One request to one gateway; its id is sent as their idempotency key."""

    id: str
    payment_id: str
    tenant: Tenant
    kind: AttemptKind
    status: AttemptStatus
    amount: int
    gateway: str
    gateway_reference: str | None
    rrn: str | None
    decline: dict[str, str] | None
    note: str | None
    enquiries: int
    created_at: datetime
    updated_at: datetime


@value
class Refund(Struct, frozen=True, gc=False):
    """Money on its way back. `acquirer_reference` is the RRN or ARN the gateway gave."""

    id: str
    payment_id: str
    tenant: Tenant
    status: RefundStatus
    money: Money
    origin: str  # api or auto
    reason: str | None
    reference: str | None
    metadata: dict[str, str]
    gateway: str
    gateway_reference: str | None
    acquirer_reference: str | None
    failure: dict[str, str] | None
    hold_transfer_id: str
    status_history: tuple[dict[str, Any], ...]  # {"status": …, "at": unix seconds}
    enquiries: int
    sent_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


@value
class CreatePayment(Struct, frozen=True, gc=False):
    """What a merchant asked for, parsed and checked."""

    money: Money
    method: Method
    method_view: dict[str, str]  # what may be stored and shown of the method
    capture_method: CaptureMethod
    payer: Payer | None
    reference: str | None
    description: str | None
    metadata: dict[str, str]
    return_url: str | None


@dataclass(frozen=True, slots=True)
class CreateCapture:
    """`amount` None means all that is left; `final` releases the remainder."""

    amount: int | None
    final: bool


@dataclass(frozen=True, slots=True)
class CreateRefund:
    """`amount` None means all that is left."""

    payment_id: str
    amount: int | None
    reason: str | None
    reference: str | None
    metadata: dict[str, str]


def decline_view(declined: Declined) -> dict[str, str]:
    """Return what is stored and shown of a decline."""
    return {
        "reason": declined.reason,
        "recommended_action": declined.recommended_action,
        "gateway_code": declined.gateway_code,
    }


@dataclass(frozen=True, slots=True)
class PaymentFilter:
    """What a list of payments is narrowed to; None does not narrow."""

    status: Status | None = None
    created_gte: datetime | None = None
    created_lt: datetime | None = None
    reference: str | None = None
    email: Secret[str] | None = None
    phone: Secret[str] | None = None


@value
class Served(Struct, frozen=True):
    """What a call answers: the bytes, and whether they were said before."""

    answer: Answer
    replayed: bool


@dataclass(frozen=True, slots=True)
class SyncResult:
    """`state`: settled (nothing open), resolved (the gateway just told), open (not yet)."""

    state: str
    at: datetime
