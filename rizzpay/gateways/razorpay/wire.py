"""What Razorpay says: its entities as types, its reasons in our words. Pure.

Sources, pages of razorpay.com/docs as of April 2026: api/orders/entity, api/payments/entity,
api/refunds/entity, errors, errors/payments/list, errors/payments/cards, errors/payments/upi. Fields
that we do not use are let pass; `notes` and `acquirer_data` are an empty list where others have an
empty object.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from rizzpay.core.money import AMOUNT_MAX

OrderId = Annotated[str, Meta(pattern="^order_[A-Za-z0-9]{1,40}$")]
PaymentId = Annotated[str, Meta(pattern="^pay_[A-Za-z0-9]{1,40}$")]
RefundId = Annotated[str, Meta(pattern="^rfnd_[A-Za-z0-9]{1,40}$")]
Minor = Annotated[int, Meta(ge=0, le=AMOUNT_MAX)]
Notes = dict[str, Any] | list[Any]

# `error_reason` of a payment that failed, and our reasons; one that is not here is `declined`.
REASON_OF_ERROR: Mapping[str, str] = {
    "authentication_failed": "invalid_otp",
    "bank_technical_error": "issuer_unavailable",
    "card_declined": "declined",
    "card_disabled_for_online_payments": "card_not_permitted",
    "card_expired": "expired_card",
    "card_network_not_enabled": "card_not_permitted",
    "card_not_enrolled": "card_not_permitted",
    "card_number_invalid": "invalid_card",
    "card_type_invalid": "invalid_card",
    "debit_instrument_blocked": "card_not_permitted",
    "debit_instrument_inactive": "card_not_permitted",
    "gateway_technical_error": "issuer_unavailable",
    "incorrect_card_details": "invalid_card",
    "incorrect_card_expiry_date": "expired_card",
    "incorrect_cvv": "invalid_card",
    "incorrect_otp": "invalid_otp",
    "insufficient_funds": "insufficient_funds",
    "international_transaction_not_allowed": "card_not_permitted",
    "invalid_otp": "invalid_otp",
    "invalid_vpa": "invalid_vpa",
    "otp_attempts_exceeded": "invalid_otp",
    "otp_expired": "invalid_otp",
    "payment_cancelled": "customer_cancelled",
    "payment_collect_request_expired": "payment_expired",
    "payment_declined": "declined",
    "payment_failed": "declined",
    "payment_risk_check_failed": "suspected_fraud",
    "payment_timed_out": "payment_expired",
    "transaction_daily_limit_exceeded": "limit_exceeded",
    "transaction_frequency_limit_exceeded": "limit_exceeded",
    "transaction_limit_exceeded": "limit_exceeded",
    "upi_app_technical_error": "issuer_unavailable",
    "vpa_resolution_failed": "invalid_vpa",
}

# What a refund is refused with, by the beginning of its description, in small letters: Razorpay
# has one code for all of them. A description that is not here leaves it open whether the refund
# was made, so it is Unknown. Source: api/refunds/normal-refunds-idempotent, Errors.
REASON_OF_REFUND_REFUSAL: Mapping[str, str] = {
    "the refund amount provided is greater than amount captured": "amount_exceeds_captured",
    "the payment has been fully refunded already": "amount_exceeds_captured",
    "the amount must be at least": "gateway_rejected_request",
    "the id provided does not exist": "gateway_reference_unknown",
}


class AcquirerData(msgspec.Struct, frozen=True):
    """What the bank calls the movement of money."""

    rrn: str | None = None
    arn: str | None = None
    utr: str | None = None


class Payment(msgspec.Struct, frozen=True):
    """One try of a customer to pay an order."""

    entity: Literal["payment"]
    id: PaymentId
    amount: Minor
    currency: str
    status: str
    order_id: OrderId | None = None
    captured: bool | None = None
    notes: Notes = msgspec.field(default_factory=dict)
    error_reason: str | None = None
    created_at: int = 0
    acquirer_data: AcquirerData | list[Any] | None = None


class Payments(msgspec.Struct, frozen=True):
    """A collection of payments."""

    items: list[Payment]


class Order(msgspec.Struct, frozen=True):
    """What a customer is to pay; `receipt` is the id of our attempt."""

    entity: Literal["order"]
    id: OrderId
    amount: Minor
    currency: str
    status: str
    receipt: str | None = None
    notes: Notes = msgspec.field(default_factory=dict)
    payments: Payments | None = None


class Orders(msgspec.Struct, frozen=True):
    """A collection of orders."""

    items: list[Order]


class Refund(msgspec.Struct, frozen=True):
    """Money on its way back; `receipt` is the id of our refund."""

    entity: Literal["refund"]
    id: RefundId
    amount: Minor
    currency: str
    payment_id: PaymentId
    status: str
    receipt: str | None = None
    acquirer_data: AcquirerData | list[Any] | None = None


class Refunds(msgspec.Struct, frozen=True):
    """A collection of refunds."""

    items: list[Refund]


class Error(msgspec.Struct, frozen=True):
    """Why a request was refused."""

    code: str = ""
    description: str = ""


class Refusal(msgspec.Struct, frozen=True):
    """The body of every answer but 2xx."""

    error: Error = Error()


class PaymentPart(msgspec.Struct, frozen=True):
    """`payload.payment` of an event."""

    entity: Payment


class OrderPart(msgspec.Struct, frozen=True):
    """`payload.order` of an event."""

    entity: Order


class RefundPart(msgspec.Struct, frozen=True):
    """`payload.refund` of an event."""

    entity: Refund


class Payload(msgspec.Struct, frozen=True):
    """What an event is about."""

    payment: PaymentPart | None = None
    order: OrderPart | None = None
    refund: RefundPart | None = None


class Event(msgspec.Struct, frozen=True):
    """The body of a webhook whose kind we apply."""

    event: str
    payload: Payload


class Kind(msgspec.Struct, frozen=True):
    """The body of any webhook: enough to know its kind."""

    entity: Literal["event"]
    event: Annotated[str, Meta(max_length=100)]


def note(notes: Notes, name: str) -> str:
    """Return one of our notes; empty when there is none, or when it is no text."""
    value = notes.get(name) if isinstance(notes, dict) else None
    return value if isinstance(value, str) else ""
