"""What Stripe's answers mean. Pure: no reader raises.

None says Approved unless the whole answer is well-formed, is about what we asked for, and says so;
a status that is in no table is Unknown. A refusal of a session is a definite no, because nobody can
pay on a page that nobody was handed. Elsewhere a refusal is definite where Stripe says that the
request was invalid, and Unknown where it says that the key was used for something else.

Sources: api/errors, error-low-level, payments/paymentintents/lifecycle (`status`),
api/checkout/sessions/object (`status`, `payment_status`), refunds (`status`).
"""

from rizzpay.core.money import EXPONENTS, Money
from rizzpay.gateways.declines import declined
from rizzpay.gateways.exchange import OKAY, decoded, refused
from rizzpay.gateways.port import (
    ActionRequired,
    Approved,
    AuthorizeRequest,
    CaptureRequest,
    Declined,
    Outcome,
    Processing,
    RefundRequest,
    Unknown,
)
from rizzpay.gateways.stripe.wire import (
    ATTEMPT,
    CAPTURE,
    REASON_OF_DECLINE,
    REASON_OF_REFUND_REFUSAL,
    REFUND,
    Error,
    Intent,
    Refund,
    Refunds,
    Refusal,
    Session,
    named,
)
from rizzpay.infra.http_client import HttpResponse

INVALID = "invalid_request_error"
REFUSED = frozenset({400, 402, 404})
# The customer has not paid, or the last try failed: on an open page there may be another one.
UNPAID = frozenset({"requires_payment_method", "requires_confirmation", "requires_action"})
CODE_CHARACTERS = 64


def read_authorize(response: HttpResponse, request: AuthorizeRequest) -> Outcome:
    """Return what the answer to a new session means: there is a page, or it was refused."""
    if response.status not in OKAY:
        error = error_of(response)
        if response.status in REFUSED and error.type == INVALID:
            return declined("gateway_rejected_request", error.word)
        return refused(response)
    session = decoded(response, Session)
    if session is None:
        return Unknown("the answer is malformed")
    if session.client_reference_id != request.attempt_id:
        return Unknown("the answer is about another request")
    if money_of(session.amount_total, session.currency) != request.money:
        return Unknown("the session is for another amount or currency")
    if session.status != "open" or session.url is None:
        return Unknown(f"a new session has status {session.status[:40]!r}, or no page")
    return ActionRequired(session.id, {"type": "redirect", "url": session.url})


def read_session(response: HttpResponse, attempt_id: str) -> Outcome:
    """Return what became of a session and its intent."""
    session = decoded(response, Session) if response.status in OKAY else None
    if session is None:
        return Unknown(f"the enquiry failed: HTTP {response.status}")
    if session.client_reference_id != attempt_id:
        return Unknown("the session is that of another attempt")
    intent = session.payment_intent
    if isinstance(intent, str):
        return Unknown("the session does not show its intent")
    if intent is not None and intent.status not in UNPAID | {"canceled"}:
        return read_intent(intent)
    match session.status:
        case "open":
            page = {"type": "redirect", "url": session.url} if session.url else {}
            return ActionRequired(session.id, page)
        case "expired" | "complete":
            return _never_paid(intent)
        case _:
            return Unknown(f"unlisted status {session.status[:40]!r}")


def read_intent_answer(response: HttpResponse, attempt_id: str) -> Outcome:
    """Return what became of an intent, after it was named by our attempt."""
    intent = decoded(response, Intent) if response.status in OKAY else None
    if intent is None:
        return Unknown(f"the enquiry failed: HTTP {response.status}")
    if named(intent.metadata, ATTEMPT) != attempt_id:
        return Unknown("the intent is that of another attempt")
    return read_intent(intent)


def read_intent(intent: Intent) -> Outcome:
    """Return what an intent means for the attempt that made its session."""
    money = money_of(intent.amount, intent.currency)
    received = money_of(intent.amount_received, intent.currency)
    if money is None:
        return Unknown("the intent has an unknown currency")
    match intent.status:
        case "succeeded" if received is not None:
            return Approved(intent.id, received, captured=True)
        case "requires_capture":
            return Approved(intent.id, money, captured=False)
        case "processing":
            return Processing(intent.id)
        case "canceled":
            return _never_paid(intent)
        case status if status in UNPAID:
            return ActionRequired(intent.id, {})
        case _:
            return Unknown(f"unlisted status {intent.status[:40]!r}")


def _never_paid(intent: Intent | None) -> Declined:
    """Return why a page is over that nobody paid on: the last decline, or nobody tried."""
    error = intent.last_payment_error if intent is not None else None
    reference = intent.id if intent is not None else None
    code = (error.decline_code or error.code) if error is not None else None
    if code is None:
        return declined("payment_expired", "expired", reference)
    reason = REASON_OF_DECLINE.get(code, "declined")
    return declined(reason, code[:CODE_CHARACTERS], reference)


def read_look(response: HttpResponse, intent_id: str) -> Intent | Unknown:
    """Return an intent as it is now."""
    intent = decoded(response, Intent) if response.status in OKAY else None
    if intent is None or intent.id != intent_id:
        return Unknown(f"the intent cannot be looked at: HTTP {response.status}")
    return intent


def read_capture(response: HttpResponse, request: CaptureRequest) -> Outcome:
    """Return what the answer to a capture means."""
    if response.status not in OKAY:
        return refused(response)
    intent = decoded(response, Intent)
    if intent is None or intent.id != request.gateway_reference:
        return Unknown("the answer is malformed, or about another payment")
    return read_taken(intent, request)


def read_taken(intent: Intent, request: CaptureRequest) -> Outcome:
    """Return what a capture came to, by the intent afterwards, which says who captured it."""
    received = money_of(intent.amount_received, intent.currency)
    by = named(intent.metadata, CAPTURE)
    match intent.status:
        case "succeeded" if received is not None and by == request.attempt_id:
            return Approved(intent.id, received, captured=True)
        case "succeeded" if by:
            return declined("capture_declined", intent.status, intent.id)
        case "succeeded":
            return Unknown("the money was taken, and not by a capture of ours")
        case "processing":
            return Processing(intent.id)
        case "requires_capture" | "canceled":
            return declined("capture_declined", intent.status, intent.id)
        case _:
            return Unknown(f"a captured intent has status {intent.status[:40]!r}")


def read_released(intent: Intent) -> Outcome:
    """Return whether what was held is released, by the intent."""
    money = money_of(intent.amount, intent.currency)
    if intent.status == "canceled" and money is not None:
        return Approved(intent.id, money, captured=False)
    if intent.status in {"succeeded", "requires_capture"}:
        return declined("void_declined", intent.status, intent.id)
    return Unknown(f"an intent to be canceled has status {intent.status[:40]!r}")


def read_closed(response: HttpResponse, session_id: str) -> Outcome:
    """Return whether the page of a session is closed."""
    session = decoded(response, Session) if response.status in OKAY else None
    if session is None or session.id != session_id:
        return Unknown(f"the session cannot be closed: HTTP {response.status}")
    money = money_of(session.amount_total, session.currency)
    if session.status == "expired" and money is not None:
        return Approved(session.id, money, captured=False)
    return declined("void_declined", session.status[:CODE_CHARACTERS], session.id)


def read_refund(response: HttpResponse, request: RefundRequest) -> Outcome:
    """Return what the answer to a refund means."""
    if response.status not in OKAY:
        error = error_of(response)
        if response.status in REFUSED and error.type == INVALID:
            reason = REASON_OF_REFUND_REFUSAL.get(error.word, "gateway_rejected_request")
            return declined(reason, error.word)
        return refused(response)
    refund = decoded(response, Refund)
    if refund is None or named(refund.metadata, REFUND) != request.refund_id:
        return Unknown("the answer is malformed, or about another refund")
    return _of_refund(refund, request)


def read_refunds(response: HttpResponse, request: RefundRequest) -> Outcome | None:
    """Return what became of a refund; None when the intent has none of this name."""
    refunds = decoded(response, Refunds) if response.status in OKAY else None
    if refunds is None:
        return Unknown(f"the enquiry failed: HTTP {response.status}")
    ours = [one for one in refunds.data if named(one.metadata, REFUND) == request.refund_id]
    if len(ours) > 1:
        return Unknown("several refunds have this name")
    return _of_refund(ours[0], request) if ours else None


def read_refund_entity(refund: Refund) -> Outcome:
    """Return what a refund means; its amount is compared by who asked for it."""
    money = money_of(refund.amount, refund.currency)
    if money is None:
        return Unknown("the refund has an unknown currency")
    match refund.status:
        case "succeeded":
            return Approved(refund.id, money, captured=False)
        case "pending" | "requires_action":
            return Processing(refund.id)
        case "failed" | "canceled":
            return declined("refund_declined", refund.status, refund.id)
        case _:
            return Unknown(f"unlisted status {refund.status[:40]!r}")


def _of_refund(refund: Refund, request: RefundRequest) -> Outcome:
    if refund.payment_intent != request.gateway_reference:
        return Unknown("the refund is of another payment")
    return read_refund_entity(refund)


def money_of(minor: int | None, currency: str) -> Money | None:
    """Return an amount as Stripe writes it; None for one that we do not know."""
    code = currency.upper()
    return Money(minor, code) if minor is not None and code in EXPONENTS else None


def error_of(response: HttpResponse) -> Error:
    """Return what a refusal says; empty when it says nothing."""
    refusal = decoded(response, Refusal)
    return refusal.error if refusal is not None else Error()
