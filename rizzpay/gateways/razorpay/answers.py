"""What Razorpay's answers mean. Pure: no reader raises.

None says Approved unless the whole answer is well-formed, is about what we asked for, and says so;
a status or a refusal that is in no table is Unknown. A refusal of an order is a definite no,
because nobody can pay an order that nobody was handed.

Sources: api/understand (status codes), errors, api/payments/entity (`status`, `captured`),
api/refunds/entity (`status`), payments/payments (life cycle), payments/payments/late-authorisation.
"""

import re

from rizzpay.core.money import EXPONENTS, Money
from rizzpay.gateways.declines import declined
from rizzpay.gateways.exchange import OKAY, decoded, refused
from rizzpay.gateways.port import (
    Absent,
    ActionRequired,
    Approved,
    AuthorizeRequest,
    CaptureMethod,
    Declined,
    EnquiryOutcome,
    Outcome,
    Processing,
    RefundRequest,
    Unknown,
)
from rizzpay.gateways.razorpay.checkout import Checkout, capture_method
from rizzpay.gateways.razorpay.wire import (
    REASON_OF_ERROR,
    REASON_OF_REFUND_REFUSAL,
    AcquirerData,
    Order,
    Orders,
    Payment,
    Refund,
    Refunds,
    Refusal,
)
from rizzpay.infra.http_client import HttpResponse

BAD_REQUEST = 400
RRN = re.compile(r"^[0-9]{12}$")
CODE_CHARACTERS = 64
HAS_MONEY = frozenset({"captured", "refunded"})


def read_authorize(
    response: HttpResponse, request: AuthorizeRequest, checkout: Checkout
) -> Outcome:
    """Return what the answer to an order means: the customer can pay it, or it was refused."""
    if response.status not in OKAY:
        refusal = refused(response)
        if isinstance(refusal, Unknown) and response.status == BAD_REQUEST:
            return declined("gateway_rejected_request", _refusal(response)[:CODE_CHARACTERS])
        return refusal
    order = decoded(response, Order)
    if order is None:
        return Unknown("the answer is malformed")
    if order.receipt != request.attempt_id:
        return Unknown("the answer is about another request")
    if Money(order.amount, order.currency) != request.money:
        return Unknown("the order is for another amount or currency")
    if order.status != "created":
        return Unknown(f"a new order has status {order.status[:40]!r}")
    form = checkout.form(order, request.attempt_id, request.description)
    return ActionRequired(order.id, form)


def read_enquiry(response: HttpResponse, attempt_id: str, checkout: Checkout) -> EnquiryOutcome:
    """Return what became of an order; one that is not there was never handed to anybody."""
    orders = decoded(response, Orders) if response.status in OKAY else None
    if orders is None:
        return Unknown(f"the enquiry failed: HTTP {response.status}")
    ours = [order for order in orders.items if order.receipt == attempt_id]
    if not ours:
        return Absent()
    if len(ours) > 1:
        return Unknown("several orders have the receipt of this attempt")
    order = ours[0]
    capture = capture_method(order)
    if order.currency not in EXPONENTS or capture is None or order.payments is None:
        return Unknown("the order is not one that we make")
    return _of_payments(order, order.payments.items, capture, attempt_id, checkout)


def _of_payments(
    order: Order,
    payments: list[Payment],
    capture: CaptureMethod,
    attempt_id: str,
    checkout: Checkout,
) -> Outcome:
    """Return what the payments of an order come to: money first, then what may become money."""
    if any(payment.order_id != order.id for payment in payments):
        return Unknown("the order has the payment of another order")
    by_age = sorted(payments, key=lambda payment: payment.created_at)
    outcomes = [read_payment(payment, capture) for payment in by_age]
    good = [outcome for outcome in outcomes if isinstance(outcome, Approved)]
    if len(good) > 1:
        return Unknown("several payments of this order have money")
    if good:
        return good[0]
    for kind in (Unknown, Processing):
        open_ones = [outcome for outcome in outcomes if isinstance(outcome, kind)]
        if open_ones:
            return open_ones[-1]
    failed = [outcome for outcome in outcomes if isinstance(outcome, Declined)]
    if failed and len(failed) == len(outcomes):
        return failed[-1]
    if order.status == "paid":
        return Unknown("the order is paid and names no payment")
    return ActionRequired(order.id, checkout.form(order, attempt_id))


def read_payment(payment: Payment, capture: CaptureMethod) -> Outcome:
    """Return what one payment of an order means for the attempt that made the order."""
    if payment.currency not in EXPONENTS:
        return Unknown("the payment has an unknown currency")
    match payment.status:
        case "captured" | "refunded" if payment.captured or payment.status == "captured":
            return _approved(payment, captured=True)
        case "refunded":  # it was authorized, nobody captured it in time, it was given back
            return declined("payment_expired", "refunded", payment.id)
        case "authorized" if capture is CaptureMethod.MANUAL:
            return _approved(payment, captured=False)
        case "authorized":  # Razorpay captures it by itself
            return Processing(payment.id)
        case "created":  # the customer is at the bank's page
            return ActionRequired(payment.order_id or "", {})
        case "failed":
            code = payment.error_reason or ""
            reason = REASON_OF_ERROR.get(code, "declined")
            return declined(reason, code[:CODE_CHARACTERS], payment.id)
        case _:
            return Unknown(f"unlisted status {payment.status[:40]!r}")


def read_capture(response: HttpResponse, payment_id: str) -> Outcome:
    """Return what the answer to a capture means."""
    if response.status not in OKAY:
        return refused(response)
    payment = decoded(response, Payment)
    if payment is None or payment.id != payment_id or payment.currency not in EXPONENTS:
        return Unknown("the answer is malformed, or about another payment")
    if payment.status != "captured":
        return Unknown(f"a captured payment has status {payment.status[:40]!r}")
    return _approved(payment, captured=True)


def read_look(response: HttpResponse, payment_id: str) -> Payment | Unknown:
    """Return a payment as it is now."""
    payment = decoded(response, Payment) if response.status in OKAY else None
    if payment is None or payment.id != payment_id or payment.currency not in EXPONENTS:
        return Unknown(f"the payment cannot be looked at: HTTP {response.status}")
    return payment


def read_held(payment: Payment) -> Outcome:
    """Return what a capture came to, by the payment after it was refused."""
    if payment.status in HAS_MONEY and (payment.captured or payment.status == "captured"):
        return _approved(payment, captured=True)
    if payment.status in {"authorized", "refunded", "failed"}:
        return declined("capture_declined", payment.status, payment.id)
    return Unknown(f"unlisted status {payment.status[:40]!r}")


def read_released(payment: Payment) -> Outcome:
    """Return whether what was held is given back; nobody can ask for that, it happens in time."""
    if payment.status == "refunded" and not payment.captured:
        return _approved(payment, captured=False)
    return declined("operation_not_possible", payment.status[:CODE_CHARACTERS], payment.id)


def read_refund(response: HttpResponse, request: RefundRequest) -> Outcome:
    """Return what the answer to a refund means."""
    if response.status not in OKAY:
        return _refund_refused(response)
    refund = decoded(response, Refund)
    if refund is None or refund.receipt != request.refund_id:
        return Unknown("the answer is malformed, or about another refund")
    return _of_refund(refund, request)


def read_refunds(response: HttpResponse, request: RefundRequest) -> Outcome | None:
    """Return what became of a refund; None when the payment has none of this receipt."""
    refunds = decoded(response, Refunds) if response.status in OKAY else None
    if refunds is None:
        return Unknown(f"the enquiry failed: HTTP {response.status}")
    ours = [refund for refund in refunds.items if refund.receipt == request.refund_id]
    if len(ours) > 1:
        return Unknown("several refunds have this receipt")
    return _of_refund(ours[0], request) if ours else None


def read_refund_entity(refund: Refund) -> Outcome:
    """Return what a refund means; its amount is compared by who asked for it."""
    if refund.currency not in EXPONENTS:
        return Unknown("the refund has an unknown currency")
    match refund.status:
        case "processed":
            money = Money(refund.amount, refund.currency)
            return Approved(refund.id, money, captured=False, rrn=_bank_reference(refund))
        case "pending":
            return Processing(refund.id)
        case "failed":
            return declined("refund_declined", "failed", refund.id)
        case _:
            return Unknown(f"unlisted status {refund.status[:40]!r}")


def _of_refund(refund: Refund, request: RefundRequest) -> Outcome:
    if refund.payment_id != request.gateway_reference:
        return Unknown("the refund is of another payment")
    return read_refund_entity(refund)


def _approved(payment: Payment, *, captured: bool) -> Approved:
    money = Money(payment.amount, payment.currency)
    return Approved(payment.id, money, captured, _rrn(payment.acquirer_data))


def _rrn(data: AcquirerData | list[object] | None) -> str | None:
    """Return the RRN if there is a real one: the documents show shorter numbers for netbanking."""
    rrn = data.rrn if isinstance(data, AcquirerData) else None
    return rrn if rrn is not None and RRN.match(rrn) else None


def _bank_reference(refund: Refund) -> str | None:
    data = refund.acquirer_data
    return (data.arn or data.rrn or data.utr) if isinstance(data, AcquirerData) else None


def _refund_refused(response: HttpResponse) -> Outcome:
    refusal = refused(response)
    if not isinstance(refusal, Unknown) or response.status != BAD_REQUEST:
        return refusal
    description = _refusal(response).lower()
    for beginning, reason in REASON_OF_REFUND_REFUSAL.items():
        if description.startswith(beginning):
            return declined(reason, "BAD_REQUEST_ERROR")
    return refusal


def _refusal(response: HttpResponse) -> str:
    """Return the sentence of a refusal; empty when there is none."""
    refusal = decoded(response, Refusal)
    return refusal.error.description if refusal is not None else ""
