"""What Cashfree's answers mean. Pure: no reader raises.

None says Approved unless the whole answer is well-formed, is about what we asked for, and says so;
a status or a refusal that is in no table is Unknown. A refusal of an order is a definite no,
because nobody can pay an order that nobody was handed. Elsewhere it is definite where Cashfree says
that the request was invalid, and Unknown where it says that the key was used for something else.

A payment that is not captured is one of an account with pre-authorization, which has to be off.

Sources: api-reference/payments/errors, orders/get (`order_status`), payments/get-payments-for-order
(`payment_status`, `is_captured`), refunds/get (`refund_status`).
"""

import re

from rizzpay.core.money import Money
from rizzpay.gateways.amounts import money_of
from rizzpay.gateways.cashfree.wire import (
    REASON_OF_ERROR,
    REASON_OF_REFUND_REFUSAL,
    Order,
    Payment,
    Refund,
    Refusal,
)
from rizzpay.gateways.declines import declined
from rizzpay.gateways.exchange import OKAY, decoded, refused
from rizzpay.gateways.port import (
    ActionRequired,
    Approved,
    AuthorizeRequest,
    Declined,
    Outcome,
    Processing,
    RefundRequest,
    Unknown,
)
from rizzpay.infra.http_client import HttpResponse

NOT_FOUND = 404
NO_ORDER = frozenset({"order_not_found", "order_get_not_found"})
NO_REFUND = frozenset({"refund_not_found", "refund_get_not_found"})
REFUSED = frozenset({400, 404, 409, 422})
INVALID = frozenset({"invalid_request_error", "validation_error", "feature_not_enabled"})
CLOSED = frozenset({"EXPIRED", "TERMINATED"})
UNPAID = frozenset({"FAILED", "USER_DROPPED", "CANCELLED", "NOT_ATTEMPTED", "VOID"})
RRN = re.compile(r"^[0-9]{12}$")
CODE_CHARACTERS = 64


def read_authorize(response: HttpResponse, request: AuthorizeRequest, page: str) -> Outcome:
    """Return what the answer to a new order means; `page` is where its session is posted to."""
    if response.status not in OKAY:
        refusal = _refusal(response)
        if response.status in REFUSED and refusal.type in INVALID:
            return declined("gateway_rejected_request", refusal.code[:CODE_CHARACTERS])
        return refused(response)
    order = decoded(response, Order)
    if order is None:
        return Unknown("the answer is malformed")
    if order.order_id != request.attempt_id:
        return Unknown("the answer is about another request")
    if money_of(order.order_amount, order.order_currency) != request.money:
        return Unknown("the order is for another amount or currency")
    if order.order_status != "ACTIVE" or order.payment_session_id is None:
        return Unknown(f"a new order has status {order.order_status[:40]!r}, or no session")
    return waiting(order, page)


def waiting(order: Order, page: str) -> ActionRequired:
    """Return the form that takes a customer to the page of an order."""
    session = order.payment_session_id
    form = {"type": "form_post", "url": page, "payment_session_id": session} if session else {}
    return ActionRequired(order.order_id, form)


def read_order(response: HttpResponse, attempt_id: str) -> Order | Unknown | None:
    """Return an order; None when there is none."""
    order = decoded(response, Order) if response.status in OKAY else None
    if order is not None and order.order_id == attempt_id:
        return order
    if response.status == NOT_FOUND and _refusal(response).code in NO_ORDER:
        return None
    return Unknown(f"the enquiry failed: HTTP {response.status}")


def read_payments(response: HttpResponse, order: Order, page: str) -> Outcome:
    """Return what the payments of an order come to: money first, then what may become money."""
    payments = decoded(response, list[Payment]) if response.status in OKAY else None
    if payments is None:
        return Unknown(f"the enquiry failed: HTTP {response.status}")
    if any(payment.order_id != order.order_id for payment in payments):
        return Unknown("the order has the payment of another order")
    good = [payment for payment in payments if payment.payment_status == "SUCCESS"]
    if len(good) > 1:
        return Unknown("several payments of this order have money")
    if good:
        return _approved(good[0])
    odd = [one for one in payments if one.payment_status not in UNPAID | {"PENDING"}]
    if odd:
        return Unknown(f"unlisted status {odd[0].payment_status[:40]!r}")
    if any(payment.payment_status == "PENDING" for payment in payments):
        return Processing(order.order_id)
    return _unpaid(order, payments, page)


def _unpaid(order: Order, payments: list[Payment], page: str) -> Outcome:
    match order.order_status:
        case "ACTIVE":
            return waiting(order, page)
        case "TERMINATION_REQUESTED":
            return Processing(order.order_id)
        case status if status in CLOSED:
            return _never_paid(order, payments)
        case _:
            return Unknown(f"an order without money has status {order.order_status[:40]!r}")


def _never_paid(order: Order, payments: list[Payment]) -> Declined:
    """Return why a closed order has no money: the last decline, or nobody tried."""
    failed = [one.error_details for one in payments if one.payment_status == "FAILED"]
    if not failed:
        return declined("payment_expired", order.order_status, order.order_id)
    code = (failed[0].error_reason or failed[0].error_code or "") if failed[0] else ""
    reason = REASON_OF_ERROR.get(code, "declined")
    return declined(reason, code[:CODE_CHARACTERS], order.order_id)


def _approved(payment: Payment) -> Outcome:
    if payment.is_captured is not True:
        return Unknown("the payment is held: the account has pre-authorization")
    return paid(
        payment.order_id,
        money_of(payment.payment_amount, payment.payment_currency),
        payment.bank_reference,
    )


def paid(order_id: str, money: Money | None, bank_reference: str | None) -> Outcome:
    """Return an order that has money; the RRN only where the bank's reference is one."""
    if money is None:
        return Unknown("the payment has an unknown amount or currency")
    rrn = bank_reference if bank_reference and RRN.match(bank_reference) else None
    return Approved(order_id, money, captured=True, rrn=rrn)


def read_refund(response: HttpResponse, request: RefundRequest) -> Outcome:
    """Return what the answer to a refund means."""
    if response.status not in OKAY:
        refusal = _refusal(response)
        if response.status in REFUSED and refusal.type in INVALID:
            reason = REASON_OF_REFUND_REFUSAL.get(refusal.code, "gateway_rejected_request")
            return declined(reason, refusal.code[:CODE_CHARACTERS])
        return refused(response)
    refund = decoded(response, Refund)
    if refund is None or refund.refund_id != request.refund_id:
        return Unknown("the answer is malformed, or about another refund")
    if refund.order_id != request.gateway_reference:
        return Unknown("the refund is of another payment")
    return read_refund_entity(refund)


def is_absent(response: HttpResponse) -> bool:
    """Tell whether a refund was never made."""
    return response.status == NOT_FOUND and _refusal(response).code in NO_REFUND


def read_refund_entity(refund: Refund) -> Outcome:
    """Return what a refund means; its amount is compared by who asked for it."""
    money = money_of(refund.refund_amount, refund.refund_currency)
    reference = str(refund.cf_refund_id)
    if money is None:
        return Unknown("the refund has an unknown amount or currency")
    match refund.refund_status:
        case "SUCCESS":
            return Approved(reference, money, captured=False, rrn=refund.refund_arn)
        case "PENDING" | "ONHOLD":
            return Processing(reference)
        case "CANCELLED" | "FAILED":
            return declined("refund_declined", refund.refund_status, reference)
        case _:
            return Unknown(f"unlisted status {refund.refund_status[:40]!r}")


def _refusal(response: HttpResponse) -> Refusal:
    return decoded(response, Refusal) or Refusal()
