"""What the sandbox acquirer says: its answers as types, its codes in our words. Pure."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from rizzpay.core.money import AMOUNT_MAX

# The acquirer's decline codes and our reasons; a code that is not here is `declined`.
REASON_OF_CODE: Mapping[str, str] = {
    "declined": "declined",
    "do_not_honour": "do_not_honour",
    "insufficient_funds": "insufficient_funds",
    "limit_exceeded": "limit_exceeded",
    "expired_card": "expired_card",
    "invalid_card": "invalid_card",
    "restricted_card": "card_not_permitted",
    "lost_stolen": "card_lost_or_stolen",
    "suspected_fraud": "suspected_fraud",
    "invalid_otp": "invalid_otp",
    "issuer_unavailable": "issuer_unavailable",
    "issuer_timeout": "issuer_timeout",
    "customer_cancelled": "customer_cancelled",
    "expired": "payment_expired",
    "called_off": "customer_cancelled",
    "capture_declined": "capture_declined",
    "void_declined": "void_declined",
    "refund_declined": "refund_declined",
    "over_capture": "amount_exceeds_authorized",
    "over_refund": "amount_exceeds_captured",
    "wrong_currency": "operation_not_possible",
    "not_capturable": "operation_not_possible",
    "not_voidable": "operation_not_possible",
}

# Refusals of the protocol, (status, error): nothing was recorded. Any other pair is Unknown.
REASON_OF_REFUSAL: Mapping[tuple[int, str], str] = {
    (400, "malformed"): "gateway_rejected_request",
    (401, "unauthorized"): "gateway_rejected_credentials",
    (403, "forbidden"): "gateway_rejected_credentials",
    (404, "charge_not_found"): "gateway_reference_unknown",
    (409, "attempt_closed"): "gateway_never_received_it",
    (413, "too_large"): "gateway_rejected_request",
    (422, "invalid"): "gateway_rejected_request",
}
TOO_MANY = (429, "too_many_requests")


class UpiAction(msgspec.Struct, frozen=True, tag_field="type", tag="upi"):
    """The customer pays by UPI; the acquirer names payee and reference, we build the link."""

    flow: str
    payee_vpa: str
    payee_name: str
    payee_mcc: str
    reference: str


class RedirectAction(msgspec.Struct, frozen=True, tag_field="type", tag="redirect"):
    """The customer goes to a page of the bank, the wallet or 3-D Secure."""

    url: Annotated[str, Meta(pattern="^https?://[!-~]+$", max_length=2048)]


class TransferAction(msgspec.Struct, frozen=True, tag_field="type", tag="bank_transfer"):
    """The customer pays into this account."""

    account_number: str
    ifsc: str
    beneficiary: str
    reference: str


class WaitAction(msgspec.Struct, frozen=True, tag_field="type", tag="await_approval"):
    """The customer's app asks them."""


Action = UpiAction | RedirectAction | TransferAction | WaitAction


class Answer(msgspec.Struct, frozen=True):
    """What the acquirer says about one of our requests; unknown fields are let pass."""

    attempt_id: str
    kind: str
    status: str
    reference: Annotated[str, Meta(min_length=1, max_length=64)]
    amount: Annotated[int, Meta(ge=0, le=AMOUNT_MAX)]
    currency: str
    captured: bool = False
    rrn: Annotated[str, Meta(pattern="^[0-9]{12}$")] | None = None
    decline_code: Annotated[str, Meta(max_length=64)] | None = None
    action: Action | None = None
    tr: Annotated[str, Meta(max_length=35)] = ""  # of a code that takes more than one payment


class Refusal(msgspec.Struct, frozen=True):
    """What the acquirer says when it did not take a request in."""

    error: str
    closed: bool = False


class Notice(msgspec.Struct, frozen=True):
    """The body of a callback."""

    result: Answer
