"""Why a payment ended without money, in our words: one vocabulary for all connectors. Pure.

A connector maps its gateway's codes to these reasons; merchants program against them, so a reason
is never renamed and never changes its meaning.
"""

from collections.abc import Mapping
from types import MappingProxyType

from rizzpay.gateways.port import Declined

# reason -> what the merchant is advised to do: do_not_retry, retry_later, retry_other_method,
# fix_request or contact_support
REASONS: Mapping[str, str] = MappingProxyType(
    {
        # the issuer or the customer's bank said no
        "declined": "retry_other_method",
        "do_not_honour": "retry_other_method",
        "insufficient_funds": "retry_other_method",
        "limit_exceeded": "retry_other_method",
        "expired_card": "retry_other_method",
        "invalid_card": "retry_other_method",
        "card_not_permitted": "retry_other_method",
        "card_lost_or_stolen": "do_not_retry",
        "suspected_fraud": "do_not_retry",
        "invalid_otp": "retry_later",
        "issuer_unavailable": "retry_later",
        "issuer_timeout": "retry_later",
        "invalid_vpa": "fix_request",
        # the customer did, or did not act
        "customer_cancelled": "retry_later",
        "payment_expired": "retry_later",
        # the gateway refused an operation on a payment
        "capture_declined": "contact_support",
        "void_declined": "contact_support",
        "refund_declined": "contact_support",
        "amount_exceeds_authorized": "contact_support",
        "amount_exceeds_captured": "contact_support",
        "operation_not_possible": "contact_support",
        "gateway_reference_unknown": "contact_support",
        # the gateway refused us
        "gateway_rejected_request": "contact_support",
        "gateway_rejected_credentials": "contact_support",
        "gateway_never_received_it": "retry_later",
        "gateway_unreachable": "retry_later",
    }
)


def declined(reason: str, gateway_code: str, gateway_reference: str | None = None) -> Declined:
    """Build the outcome of one of `REASONS`; KeyError for a reason that is not in it."""
    return Declined(reason, REASONS[reason], gateway_code, gateway_reference)
