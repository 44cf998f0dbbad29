"""What Cashfree says: its entities as types, its reasons in our words. Pure.

Sources, pages of cashfree.com/docs, version 2023-08-01: api-reference/payments (orders, payments,
refunds, webhooks), api-reference/payments/errors; github.com/cashfree/cashfree-pg-sdk-python for
the entities. Fields that we do not use are let pass. Amounts are numbers with two decimals, read
exactly; ids of Cashfree's are text in some places and numbers in others.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta

OrderId = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{3,45}$")]
SessionId = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,512}$")]
Number = str | int

# `error_reason` of a payment that failed, and our reasons; one that is not here is `declined`.
# Cashfree keeps the list in a spreadsheet that is not public as text; these are the reasons that
# its pages show.
REASON_OF_ERROR: Mapping[str, str] = {
    "auth_declined": "declined",
    "bank_rejected": "do_not_honour",
}

# What a refund is refused with, by the error's code. Any other code is `gateway_rejected_request`.
REASON_OF_REFUND_REFUSAL: Mapping[str, str] = {
    "order_get_not_found": "gateway_reference_unknown",
    "order_id_invalid": "gateway_reference_unknown",
    "order_id_not_paid": "operation_not_possible",
    "order_id_post_not_found": "gateway_reference_unknown",
    "order_id_voided": "operation_not_possible",
    "refund_amount_invalid": "amount_exceeds_captured",
    "refund_unsupported": "operation_not_possible",
}


class Order(msgspec.Struct, frozen=True):
    """What a customer is to pay; `order_id` is the id of our attempt."""

    order_id: OrderId
    order_amount: Decimal
    order_currency: str
    order_status: str
    payment_session_id: SessionId | None = None


class ErrorDetails(msgspec.Struct, frozen=True):
    """Why a payment failed."""

    error_code: str | None = None
    error_reason: str | None = None


class Payment(msgspec.Struct, frozen=True):
    """One try of a customer to pay an order."""

    cf_payment_id: Number
    order_id: OrderId
    payment_amount: Decimal
    payment_currency: str
    payment_status: str
    is_captured: bool | None = None
    bank_reference: str | None = None
    error_details: ErrorDetails | None = None


class Refund(msgspec.Struct, frozen=True):
    """Money on its way back; `refund_id` is the id of our refund."""

    cf_refund_id: Number
    order_id: OrderId
    refund_amount: Decimal
    refund_currency: str
    refund_status: str
    refund_id: str | None = None
    refund_arn: str | None = None


class Refusal(msgspec.Struct, frozen=True):
    """The body of every answer but 2xx."""

    code: str = ""
    type: str = ""


class PaidOrder(msgspec.Struct, frozen=True):
    """`order` of a webhook."""

    order_id: OrderId


class Paid(msgspec.Struct, frozen=True):
    """`payment` of a webhook."""

    payment_amount: Decimal
    payment_currency: str
    payment_status: str
    payment_message: str | None = None
    bank_reference: str | None = None


class PaymentData(msgspec.Struct, frozen=True):
    """`data` of a payment's webhook."""

    order: PaidOrder
    payment: Paid


class RefundData(msgspec.Struct, frozen=True):
    """`data` of a refund's webhook."""

    refund: Refund


class PaymentEvent(msgspec.Struct, frozen=True):
    """The body of a payment's webhook."""

    data: PaymentData


class RefundEvent(msgspec.Struct, frozen=True):
    """The body of a refund's webhook."""

    data: RefundData


class Kind(msgspec.Struct, frozen=True):
    """The body of any webhook: enough to know its kind."""

    type: Annotated[str, Meta(pattern="^[A-Z_]{1,80}$")]
