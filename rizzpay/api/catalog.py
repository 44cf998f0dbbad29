"""Every code that the API can refuse with: HTTP status, type, meaning and fix.

The only place that knows which code is which status; `/docs/errors` is rendered from it, so a
code without a page cannot exist. How a refusal is written is in problems.py.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "invalid_request",
    "authentication",
    "permission",
    "idempotency",
    "rate_limit",
    "payment_declined",
    "connector",
    "risk",
    "regulatory",
    "internal",
]
Action = Literal[
    "do_not_retry", "retry_later", "retry_other_method", "fix_request", "contact_support"
]
Source = Literal["customer", "business", "gateway", "bank", "network", "internal"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One row. `meaning` is the default message, `fix` tells the caller what to do."""

    code: str
    status: int
    kind: Kind
    meaning: str
    fix: str
    action: Action = "fix_request"
    source: Source = "business"
    step: str = ""
    legacy_code: str = ""


_P = Problem

REQUESTS = (
    _P("malformed_json", 400, "invalid_request", "The body is not well-formed JSON.",
       "Send one JSON object in UTF-8: no duplicate keys, no NaN, no broken surrogates, not "
       "deeper than 16 levels."),
    _P("malformed_request", 400, "invalid_request", "The HTTP request cannot be understood.",
       "Check the request line, the headers and the query string."),
    _P("invalid_request", 422, "invalid_request",
       "A field is missing, unknown or has a value that is not allowed.",
       "`param` names the field and `message` says what is expected; /openapi.json has every "
       "field with its limits."),
    _P("invalid_cursor", 422, "invalid_request",
       "The cursor is not one of ours, or belongs to another list.",
       "Pass `next_cursor` of the page before unchanged, with the same filters; or leave it out "
       "to start again."),
    _P("pan_not_accepted", 422, "invalid_request",
       "The request contains what looks like a card number. We never accept one.",
       "Send the token (`tok_…`) that stands for the card. The number was neither stored nor "
       "logged here; remove it from your own logs as well.", "do_not_retry"),
    _P("cvv_not_accepted", 422, "invalid_request",
       "The request contains a card verification value or a PIN. We never accept one.",
       "Leave the field out. It was neither stored nor logged here.", "do_not_retry"),
    _P("aadhaar_not_accepted", 422, "invalid_request",
       "The metadata contains what looks like an Aadhaar number.",
       "Keep Aadhaar numbers in a vault of your own and put a reference of yours here.",
       "do_not_retry"),
    _P("body_too_large", 413, "invalid_request", "The body is larger than 262,144 bytes.",
       "Send less; no request needs that much."),
    _P("unsupported_media_type", 415, "invalid_request",
       "The body must be sent as application/json, without compression.",
       "Set `Content-Type: application/json` and no `Content-Encoding`."),
    _P("not_found", 404, "invalid_request", "There is no such object or route.",
       "Compare the path with /docs. Check the id and the mode of the key: a test key sees test "
       "objects only, and nobody sees another merchant's."),
    _P("payment_not_found", 404, "invalid_request", "There is no such payment.",
       "Check the id and the mode of the key: a test key sees test payments only, and nobody "
       "sees another merchant's."),
    _P("refund_not_found", 404, "invalid_request", "There is no such refund.",
       "Check the id and the mode of the key."),
    _P("qr_code_not_found", 404, "invalid_request", "There is no such QR code.",
       "Check the id and the mode of the key."),
    _P("request_timeout", 408, "invalid_request", "The request did not arrive in time.",
       "Send it again; all of it has to arrive within five seconds.", "retry_later"),
    _P("method_not_allowed", 405, "invalid_request", "This route does not have that method.",
       "The `Allow` header names the methods that it has."),
)  # fmt: skip

ACCESS = (
    _P("unauthenticated", 401, "authentication",
       "The key id and secret are missing, wrong, expired or revoked.",
       "Use HTTP Basic with `key_id:key_secret`; after a rotation, the new key."),
    _P("ip_not_allowed", 403, "permission", "This key may not be used from this address.",
       "Call from an address in the key's `allowed_cidrs`, or make a key that allows it."),
    _P("insufficient_scope", 403, "permission",
       "This key does not have the scope that the route needs.",
       "Use a key with the scope that /docs names for the route."),
    _P("merchant_suspended", 403, "permission",
       "The merchant is suspended: objects can be read, nothing can be made or changed.",
       "Ask the operator of this installation why.", "contact_support"),
    _P("management_only", 403, "permission", "This page is for the operator's network only.",
       "Call it from an address in `service.management_cidrs`."),
    _P("scope_not_grantable", 422, "permission",
       "A key cannot give a scope that it does not have itself.",
       "Ask for some of the scopes of the key that makes the request."),
    _P("too_many_keys", 409, "permission", "There are two live keys already.",
       "Revoke one with DELETE /v1/api_keys/{id}; two are for rotation, not for sharing."),
    _P("approval_not_possible", 409, "permission",
       "These rules are approved already, or the key that proposed them asks.",
       "Let a key with the scope routing:approve that did not propose them approve them, once."),
    _P("rate_limited", 429, "rate_limit", "Too many requests.",
       "Wait `Retry-After` seconds; the `RateLimit-*` headers say what is left.", "retry_later"),
    _P("idempotency_key_required", 400, "idempotency",
       "This route moves money and needs an Idempotency-Key header.",
       "Send a key of your own, 8 to 255 characters of A-Z a-z 0-9 _ : . -, new for every intent "
       "and the same for every retry of it."),
    _P("idempotency_key_invalid", 400, "idempotency",
       "The Idempotency-Key is not 8 to 255 characters of A-Z a-z 0-9 _ : . -",
       "Send a UUID, or your order number with a suffix."),
    _P("idempotency_in_progress", 409, "idempotency",
       "A request with this key is still at work.",
       "Repeat the same request after `Retry-After` seconds.", "retry_later"),
    _P("idempotency_mismatch", 422, "idempotency",
       "This key was used for a different request.",
       "Use a new key for a new request; `original_request_id` names the first one."),
)  # fmt: skip

PAYMENTS = (
    _P("illegal_transition", 409, "invalid_request", "The object's state does not allow this.",
       "Fetch it and look at `status`; /docs shows which status leads where."),
    _P("unknown_outcome_pending", 409, "connector",
       "The outcome of an earlier request on this payment is not known yet.",
       "Wait until `status` is no longer `unknown`; we are asking the gateway.",
       "retry_later", "gateway"),
    _P("amount_exceeds_authorized", 422, "invalid_request",
       "The amount is more than what is left of the authorization.",
       "Capture at most `amount_authorized` less what was captured.", legacy_code="PAY_001"),
    _P("amount_exceeds_captured", 422, "invalid_request",
       "The amount is more than what is left to refund.",
       "Refund at most `amount_captured` less what was or is being refunded.",
       legacy_code="PAY_001"),
    _P("amount_not_allowed", 422, "invalid_request", "The amount is outside a limit.",
       "See GET /v1/merchants/me/capabilities for the limits.", legacy_code="PAY_001"),
    _P("currency_not_supported", 422, "invalid_request",
       "No gateway of this merchant takes this currency.",
       "See GET /v1/merchants/me/capabilities."),
    _P("method_not_supported", 422, "invalid_request",
       "No gateway of this installation takes this method.",
       "See GET /v1/merchants/me/capabilities: it says why, and what to do.",
       "retry_other_method", legacy_code="PAY_003"),
    _P("qr_codes_not_supported", 422, "invalid_request",
       "No gateway of this installation has a payee that QR codes of this type can name.",
       "Ask the operator to set the UPI payee of a gateway; for bharat_qr also its city and PIN "
       "code.", "contact_support"),
    _P("upi_collect_not_permitted", 422, "regulatory",
       "UPI collect ended for merchants on 28 February 2026, except for listed cases.",
       "Use `flow: intent` or `flow: qr`. If an exemption applies, the operator records it.",
       "retry_other_method"),
    _P("gaming_not_permitted", 403, "regulatory",
       "Payments for online money games are forbidden in India.",
       "There is no setting for it: Promotion and Regulation of Online Gaming Act 2025.",
       "do_not_retry"),
    _P("risk_review_required", 422, "risk", "The payment was held back by a risk rule.",
       "Contact the operator of this installation with the request id.", "contact_support",
       legacy_code="PAY_006"),
    _P("limit_exceeded", 422, "risk", "A limit on amount or number of payments is reached.",
       "Wait until the limit renews, or ask the operator to raise it.", "retry_later",
       legacy_code="PAY_005"),
    _P("invalid_webhook_url", 422, "invalid_request", "The URL cannot be a webhook target.",
       "Use https, a host name or address, no user name, no fragment; `message` says what."),
    _P("webhook_target_forbidden", 422, "invalid_request",
       "The URL leads to an address that webhooks may not go to.",
       "Use a public address. Private networks are opened by the operator in "
       "`webhooks.private_targets`."),
    _P("webhook_url_unresolvable", 422, "invalid_request",
       "The host name of the URL cannot be resolved.", "Check the name, and this host's DNS."),
    _P("webhook_endpoint_not_found", 404, "invalid_request", "There is no such endpoint.",
       "Check the id and the mode of the key."),
    _P("event_not_found", 404, "invalid_request", "There is no such event.",
       "Check the id and the mode of the key."),
    _P("endpoint_limit", 409, "invalid_request", "There are 20 webhook endpoints already.",
       "Delete one that is not needed."),
    _P("endpoint_disabled", 409, "invalid_request", "The webhook endpoint is disabled.",
       "Enable it with PATCH /v1/webhook_endpoints/{id}."),
    _P("callback_rejected", 401, "authentication",
       "The callback's signature or time is not right; nothing of it was believed.",
       "Sign the exact bytes with the secret agreed with this installation.",
       "do_not_retry", "gateway"),
)  # fmt: skip

OUTAGES = (
    _P("gateway_unreachable", 502, "connector",
       "The gateway could not be reached; certainly nothing was done.",
       "Try again with a new Idempotency-Key, or another method.", "retry_later", "gateway",
       legacy_code="PAY_004"),
    _P("gateway_never_received_it", 502, "connector",
       "The gateway says that our request never arrived; certainly nothing was done.",
       "Try again with a new Idempotency-Key, or another method.", "retry_later", "gateway",
       legacy_code="PAY_004"),
    _P("gateway_rejected_request", 502, "connector",
       "The gateway rejected our request; certainly nothing was done.",
       "Contact the operator with the request id.", "contact_support", "gateway",
       legacy_code="PAY_004"),
    _P("gateway_rejected_credentials", 502, "connector",
       "The gateway does not accept this installation's credentials; nothing was done.",
       "Contact the operator with the request id.", "contact_support", "gateway",
       legacy_code="PAY_004"),
    _P("outcome_unknown", 504, "connector",
       "The gateway did not answer in time; it may have acted.",
       "Do not send it again with a new key. GET the object until `status` is settled, or wait "
       "for the webhook.", "retry_later", "gateway"),
    _P("gateway_unavailable", 503, "connector",
       "Every gateway that takes this method is down or does not answer now; nothing was done.",
       "Offer another method, or try again after `Retry-After` seconds.", "retry_later",
       "gateway", legacy_code="PAY_004"),
    _P("interrupted", 504, "internal",
       "The service broke off while it worked on the request; it may have acted.",
       "Repeat the same request with the same Idempotency-Key: it is done once at most.",
       "retry_later", "internal"),
    _P("unavailable", 503, "internal", "A part that this request needs does not answer now.",
       "Repeat the same request, with the same Idempotency-Key, after `Retry-After` seconds.",
       "retry_later", "internal"),
    _P("internal_error", 500, "internal", "Something went wrong on our side.",
       "Report the request id to the operator; a repeat needs the same Idempotency-Key.",
       "contact_support", "internal"),
)  # fmt: skip


def _decline(
    code: str, meaning: str, fix: str, action: Action, source: Source, step: str = "authorization"
) -> Problem:
    """Build a row of a definite no from bank, network, gateway or customer."""
    legacy_code = "PAY_002" if code == "insufficient_funds" else ""
    step = step if step == "refund" else f"payment_{step}"
    return Problem(code, 402, "payment_declined", meaning, fix, action, source, step, legacy_code)


DECLINES = (
    _decline("payment_declined", "The payment was declined.",
             "Ask the customer to use another method.", "retry_other_method", "bank"),
    _decline("declined", "The customer's bank declined.",
             "Ask the customer to use another method.", "retry_other_method", "bank"),
    _decline("do_not_honour", "The customer's bank declined and gave no reason.",
             "Ask the customer to use another method, or to call the bank.",
             "retry_other_method", "bank"),
    _decline("insufficient_funds", "The account does not have enough money.",
             "Ask the customer to use another account or method.", "retry_other_method",
             "customer"),
    _decline("expired_card", "The card has expired.", "Ask for another card.",
             "retry_other_method", "customer"),
    _decline("invalid_card", "The card behind the token cannot be used.",
             "Ask for another card.", "retry_other_method", "customer"),
    _decline("card_not_permitted", "The bank does not permit this card here.",
             "Ask for another card or method.", "retry_other_method", "bank"),
    _decline("card_lost_or_stolen", "The bank says that the card is lost or stolen.",
             "Do not retry, and do not tell the customer this reason.", "do_not_retry", "bank"),
    _decline("suspected_fraud", "The bank or gateway suspects fraud.",
             "Do not retry this payment.", "do_not_retry", "bank"),
    _decline("invalid_otp", "The one-time password was wrong.",
             "Let the customer try again.", "retry_later", "customer", "authentication"),
    _decline("issuer_unavailable", "The customer's bank does not answer now.",
             "Try again later or with another method.", "retry_later", "bank"),
    _decline("issuer_timeout", "The customer's bank did not answer in time.",
             "Try again later or with another method.", "retry_later", "bank"),
    _decline("invalid_vpa", "The UPI address does not exist.",
             "Ask the customer for the right address.", "fix_request", "customer",
             "authentication"),
    _decline("customer_cancelled", "The customer called the payment off.",
             "Offer to pay again.", "retry_later", "customer", "authentication"),
    _decline("payment_expired", "The customer did not act in time.", "Offer to pay again.",
             "retry_later", "customer", "authentication"),
    _decline("capture_declined", "The gateway declined the capture.",
             "Fetch the payment; the authorization may have lapsed.", "contact_support",
             "gateway", "capture"),
    _decline("void_declined", "The gateway declined to release the authorization.",
             "Fetch the payment; it may have been captured or have lapsed.", "contact_support",
             "gateway", "cancellation"),
    _decline("refund_declined", "The gateway declined the refund.",
             "Pay the customer back in another way, or contact the operator.",
             "contact_support", "gateway", "refund"),
    _decline("operation_not_possible", "The gateway's own state does not allow this.",
             "Fetch the payment and compare; contact the operator if it stays.",
             "contact_support", "gateway"),
    _decline("gateway_reference_unknown", "The gateway does not know the payment.",
             "Contact the operator with the request id.", "contact_support", "gateway"),
)  # fmt: skip


CATALOG: dict[str, Problem] = {
    problem.code: problem for problem in (*REQUESTS, *ACCESS, *PAYMENTS, *OUTAGES, *DECLINES)
}
