"""What Stripe says: its objects as types, its codes in our words. Pure.

Sources, pages of docs.stripe.com as of October 2026 and the OpenAPI document in
github.com/stripe/openapi: api/checkout/sessions/object, api/payment_intents/object,
api/refunds/object, api/errors, api/events/object, declines/codes, error-codes. Fields that we do
not use are let pass. Amounts are in the smallest unit, currencies in small letters.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from rizzpay.core.money import AMOUNT_MAX

SessionId = Annotated[str, Meta(pattern="^cs_[A-Za-z0-9_]{1,250}$")]
IntentId = Annotated[str, Meta(pattern="^pi_[A-Za-z0-9_]{1,250}$")]
RefundId = Annotated[str, Meta(pattern="^(re|pyr)_[A-Za-z0-9_]{1,250}$")]
EventId = Annotated[str, Meta(pattern="^evt_[A-Za-z0-9_]{1,250}$")]
PageUrl = Annotated[str, Meta(pattern="^https?://[!-~]+$", max_length=2048)]
Minor = Annotated[int, Meta(ge=0, le=AMOUNT_MAX)]

ATTEMPT = "rizzpay_attempt"  # metadata of a payment intent; no customer can write it
CAPTURE = "rizzpay_capture"  # metadata of an intent, written by the capture that took its money
REFUND = "rizzpay_refund"  # metadata of a refund

# `decline_code` of a payment that failed, or its `code` where it has none, and our reasons; one
# that is not here is `declined`.
REASON_OF_DECLINE: Mapping[str, str] = {
    "approve_with_id": "issuer_unavailable",
    "authentication_required": "invalid_otp",
    "call_issuer": "do_not_honour",
    "card_declined": "declined",
    "card_not_supported": "card_not_permitted",
    "card_velocity_exceeded": "limit_exceeded",
    "currency_not_supported": "card_not_permitted",
    "do_not_honor": "do_not_honour",
    "do_not_try_again": "do_not_honour",
    "duplicate_transaction": "declined",
    "expired_card": "expired_card",
    "fraudulent": "suspected_fraud",
    "generic_decline": "declined",
    "incorrect_cvc": "invalid_card",
    "incorrect_number": "invalid_card",
    "insufficient_funds": "insufficient_funds",
    "invalid_account": "invalid_card",
    "invalid_amount": "limit_exceeded",
    "invalid_cvc": "invalid_card",
    "invalid_expiry_month": "invalid_card",
    "invalid_expiry_year": "invalid_card",
    "invalid_number": "invalid_card",
    "issuer_not_available": "issuer_unavailable",
    "lost_card": "card_lost_or_stolen",
    "merchant_blacklist": "suspected_fraud",
    "new_account_information_available": "invalid_card",
    "no_action_taken": "do_not_honour",
    "not_permitted": "card_not_permitted",
    "payment_intent_authentication_failure": "invalid_otp",
    "pickup_card": "card_lost_or_stolen",
    "processing_error": "issuer_unavailable",
    "reenter_transaction": "issuer_unavailable",
    "restricted_card": "card_not_permitted",
    "revocation_of_all_authorizations": "do_not_honour",
    "revocation_of_authorization": "do_not_honour",
    "security_violation": "do_not_honour",
    "service_not_allowed": "card_not_permitted",
    "stolen_card": "card_lost_or_stolen",
    "stop_payment_order": "do_not_honour",
    "transaction_not_allowed": "card_not_permitted",
    "try_again_later": "issuer_unavailable",
    "withdrawal_count_limit_exceeded": "limit_exceeded",
}

# What an `invalid_request_error` of a refund means, by its code; without a code the parameter that
# it names is told instead (`param`). Any other is `gateway_rejected_request`.
REASON_OF_REFUND_REFUSAL: Mapping[str, str] = {
    "amount": "amount_exceeds_captured",
    "amount_too_large": "amount_exceeds_captured",
    "charge_already_refunded": "amount_exceeds_captured",
    "resource_missing": "gateway_reference_unknown",
}


class PaymentError(msgspec.Struct, frozen=True):
    """Why the last try to pay failed."""

    code: str | None = None
    decline_code: str | None = None


class Intent(msgspec.Struct, frozen=True):
    """A payment intent: the money of one session."""

    object: Literal["payment_intent"]
    id: IntentId
    amount: Minor
    currency: str
    status: str
    amount_received: Minor | None = None
    capture_method: str = ""
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    last_payment_error: PaymentError | None = None


class Session(msgspec.Struct, frozen=True):
    """A Checkout session: the page on which an intent is paid."""

    object: Literal["checkout.session"]
    id: SessionId
    amount_total: Minor
    currency: str
    status: str
    payment_status: str
    client_reference_id: str | None = None
    payment_intent: Intent | IntentId | None = None
    url: PageUrl | None = None


class Refund(msgspec.Struct, frozen=True):
    """Money on its way back."""

    object: Literal["refund"]
    id: RefundId
    amount: Minor
    currency: str
    status: str
    payment_intent: IntentId | None = None
    metadata: dict[str, Any] | None = None


class Refunds(msgspec.Struct, frozen=True):
    """A page of refunds."""

    object: Literal["list"]
    data: list[Refund]


class Error(msgspec.Struct, frozen=True):
    """Why a request was refused."""

    type: str = ""
    code: str | None = None
    param: str | None = None

    @property
    def word(self) -> str:
        """Return the code, or the parameter where there is none."""
        return (self.code or self.param or self.type)[:64]


class Refusal(msgspec.Struct, frozen=True):
    """The body of every answer but 2xx."""

    error: Error = Error()


class Kind(msgspec.Struct, frozen=True):
    """The body of any webhook: enough to know its kind."""

    object: Literal["event"]
    id: EventId
    type: Annotated[str, Meta(max_length=100)]


class About(msgspec.Struct, frozen=True):
    """`data` of an event; what its object is, its kind says."""

    object: msgspec.Raw


class Event(msgspec.Struct, frozen=True):
    """The body of a webhook whose kind we apply."""

    data: About


def named(metadata: Mapping[str, Any] | None, name: str) -> str:
    """Return one of our names; empty when there is none, or when it is no text."""
    value = (metadata or {}).get(name)
    return value if isinstance(value, str) else ""
