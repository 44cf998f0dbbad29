"""Orders, payments and refunds of one account, in memory, and the moves that they can make.

A refund that ends in …02 is pending and then succeeds, in …03 it is cancelled. Sources:
api-reference/payments, version 2023-08-01: orders/get, payments/get-payments-for-order,
refunds/get of cashfree.com/docs.
"""

import secrets
import string
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from rizzpay.sandbox.cashfree.wire import OrderIn, RefundIn, Wrong, paise, rupees
from rizzpay.sandbox.conformance import PENDING

EXPIRY_MIN, EXPIRY = timedelta(minutes=15), timedelta(days=30)
GROUPS = {"cc,dc": "credit_card", "upi": "upi", "nb": "net_banking", "app": "wallet"}

Entity = dict[str, Any]


def digits(count: int) -> str:
    """Return digits as Cashfree's own ids have them."""
    return secrets.choice("123456789") + "".join(
        secrets.choice(string.digits) for _ in range(count - 1)
    )


@dataclass(slots=True)
class Payment:
    """One try of a customer to pay an order."""

    id: str
    order: "Order"
    group: str
    status: str = "PENDING"
    bank_reference: str | None = None
    error_reason: str | None = None

    def entity(self) -> Entity:
        """Return it as the API shows it."""
        failed = self.status == "FAILED"
        return {
            "cf_payment_id": self.id,
            "order_id": self.order.id,
            "entity": "payment",
            "error_details": self.error() if failed else None,
            "is_captured": self.status == "SUCCESS",
            "order_amount": rupees(self.order.amount),
            "payment_group": self.group,
            "payment_currency": self.order.currency,
            "payment_amount": rupees(self.order.amount),
            "payment_status": self.status,
            "payment_message": "01::REJECTED" if failed else "00::Transaction success",
            "bank_reference": self.bank_reference,
            "auth_id": None,
            "authorization": None,
            "payment_method": {self.group: {}},
        }

    def error(self) -> Entity:
        """Return why it failed."""
        return {
            "error_code": "TRANSACTION_DECLINED",
            "error_description": "issuer bank or payment service provider declined",
            "error_reason": self.error_reason,
            "error_source": "customer",
        }


@dataclass(slots=True)
class Refund:
    """Money on its way back."""

    id: str
    cf_id: str
    order: "Order"
    amount: int
    status: str
    arn: str | None = None

    def entity(self) -> Entity:
        """Return it as the API shows it."""
        return {
            "cf_payment_id": self.order.payments[-1].id,
            "cf_refund_id": self.cf_id,
            "order_id": self.order.id,
            "refund_id": self.id,
            "entity": "refund",
            "refund_amount": rupees(self.amount),
            "refund_currency": self.order.currency,
            "refund_note": None,
            "refund_status": self.status,
            "refund_arn": self.arn,
            "refund_type": "MERCHANT_INITIATED",
            "status_description": "",
            "metadata": None,
        }

    def end(self, *, done: bool) -> None:
        """Bring it to its end."""
        self.status, self.arn = ("SUCCESS", digits(12)) if done else ("CANCELLED", None)


@dataclass(slots=True)
class Order:
    """What a customer is to pay."""

    id: str
    cf_id: str
    session_id: str
    amount: int
    currency: str
    expires_at: datetime
    asked: OrderIn
    closed: str | None = None
    payments: list[Payment] = field(default_factory=list)
    refunds: dict[str, Refund] = field(default_factory=dict)

    @property
    def paid(self) -> int:
        """Return what was taken."""
        return self.amount if any(one.status == "SUCCESS" for one in self.payments) else 0

    @property
    def given_back(self) -> int:
        """Return what was refunded, or is on its way."""
        return sum(one.amount for one in self.refunds.values() if one.status != "CANCELLED")

    @property
    def status(self) -> str:
        """Return how it stands."""
        return "PAID" if self.paid else self.closed or "ACTIVE"

    def entity(self) -> Entity:
        """Return it as the API shows it."""
        customer, meta = self.asked.customer_details, self.asked.order_meta
        return {
            "cf_order_id": self.cf_id,
            "order_id": self.id,
            "entity": "order",
            "order_currency": self.currency,
            "order_amount": rupees(self.amount),
            "order_status": self.status,
            "payment_session_id": self.session_id,
            "order_expiry_time": self.expires_at.isoformat(timespec="seconds"),
            "order_note": self.asked.order_note,
            "customer_details": {
                "customer_id": customer.customer_id,
                "customer_phone": customer.customer_phone,
            },
            "order_meta": {
                "return_url": meta.return_url,
                "notify_url": meta.notify_url,
                "payment_methods": meta.payment_methods,
            },
        }

    def begin(self) -> Payment:
        """Let a customer try; raises Wrong."""
        if self.status != "ACTIVE":
            raise Wrong("order_inactive", "order is no longer active")
        asked = self.asked.order_meta.payment_methods or ""
        made = Payment(digits(10), self, GROUPS.get(asked, "upi"))
        self.payments.append(made)
        return made

    def refund(self, asked: RefundIn) -> Refund:
        """Give money back; raises Wrong."""
        if not self.paid:
            raise Wrong("order_id_not_paid", "order is not paid")
        amount = paise(asked.refund_amount, "refund_amount_invalid")
        if amount > self.paid - self.given_back:
            raise Wrong("refund_amount_invalid", "refund amount exceeds what is left of the order")
        if asked.refund_id in self.refunds:
            raise Wrong("refund_id_invalid", "refund id is already there", status=409)
        made = Refund(asked.refund_id, digits(10), self, amount, "PENDING")
        if amount % 100 not in PENDING:
            made.end(done=True)
        self.refunds[made.id] = made
        return made


class Books:
    """Everything that this account did."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.orders: dict[str, Order] = {}
        self.by_session: dict[str, Order] = {}

    def order(self, order_id: str) -> Order:
        """Return an order; raises Wrong."""
        if order_id not in self.orders:
            raise Wrong("order_not_found", "order reference id does not exist", status=404)
        return self.orders[order_id]

    def session(self, session_id: str) -> Order:
        """Return the order of a page; raises Wrong."""
        if session_id not in self.by_session:
            raise Wrong("payment_session_id_invalid", "payment_session_id is not there")
        return self.by_session[session_id]

    def make(self, asked: OrderIn, now: datetime) -> Order:
        """Make an order; raises Wrong."""
        if asked.order_id in self.orders:
            raise Wrong("order_already_exists", "order with same id is already present", status=409)
        expires_at = _expiry(asked.order_expiry_time, now)
        made = Order(
            id=asked.order_id,
            cf_id=digits(10),
            session_id=f"session_{secrets.token_urlsafe(60)}",
            amount=paise(asked.order_amount, "order_amount_invalid"),
            currency=asked.order_currency,
            expires_at=expires_at,
            asked=asked,
        )
        self.orders[made.id] = self.by_session[made.session_id] = made
        return made


def _expiry(text: str | None, now: datetime) -> datetime:
    try:
        expires_at = datetime.fromisoformat(text) if text else now + EXPIRY
        in_time = now + EXPIRY_MIN <= expires_at <= now + EXPIRY
    except (TypeError, ValueError):
        in_time = False
        expires_at = now
    if not in_time:
        raise Wrong("order_expiry_time_invalid", "order_expiry_time is not 15 minutes to 30 days")
    return expires_at
