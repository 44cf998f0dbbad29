"""Orders, payments and refunds of one account, in memory, and the moves that they can make.

What is here follows the documents; where they leave a choice to the bank, the customer's page
(checkout.py) or the amount of a refund makes it:

    a refund that ends in …02   is pending, then processed
    a refund that ends in …03   is pending, then failed

Sources: api/orders, api/payments, api/refunds, payments/payments (life cycle),
payments/payments/late-authorisation of razorpay.com/docs.
"""

import secrets
import string
from dataclasses import dataclass, field
from typing import Any

from rizzpay.sandbox.razorpay.wire import ALREADY_PAID, NO_SUCH_ID, OrderIn, RefundIn, Wrong

ALPHABET = string.ascii_letters + string.digits
ID_CHARACTERS = 14
RRN_DIGITS = 12
PENDING = {2: "processed", 3: "failed"}  # the end of a refund, by the last two digits
AMOUNT_MIN = 100  # one rupee


def new_id(prefix: str) -> str:
    """Return an id as Razorpay makes them: a prefix and 14 letters and digits."""
    return prefix + "_" + "".join(secrets.choice(ALPHABET) for _ in range(ID_CHARACTERS))


@dataclass(slots=True)
class Refund:
    """Money on its way back."""

    id: str
    payment_id: str
    amount: int
    currency: str
    receipt: str | None
    status: str
    created_at: int
    arn: str | None = None

    def entity(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        return {
            "id": self.id,
            "entity": "refund",
            "amount": self.amount,
            "currency": self.currency,
            "payment_id": self.payment_id,
            "notes": [],
            "receipt": self.receipt,
            "acquirer_data": {"arn": self.arn},
            "created_at": self.created_at,
            "batch_id": None,
            "status": self.status,
            "speed_processed": "normal",
            "speed_requested": "normal",
        }


@dataclass(slots=True)
class Payment:
    """One try of a customer to pay an order."""

    id: str
    order_id: str
    amount: int
    currency: str
    method: str
    notes: dict[str, str]
    created_at: int
    status: str = "created"
    captured: bool = False
    error_reason: str | None = None
    rrn: str | None = None
    refunds: list[Refund] = field(default_factory=list)

    @property
    def given_back(self) -> int:
        """Return what was refunded, or is on its way."""
        return sum(refund.amount for refund in self.refunds if refund.status != "failed")

    def entity(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        failed = self.error_reason is not None and self.status == "failed"
        refunded = self.given_back if self.captured else 0
        full = "full" if refunded == self.amount else "partial"
        return {
            "id": self.id,
            "entity": "payment",
            "amount": self.amount,
            "currency": self.currency,
            "status": self.status,
            "order_id": self.order_id,
            "invoice_id": None,
            "international": False,
            "method": self.method,
            "amount_refunded": refunded,
            "refund_status": full if refunded else None,
            "captured": self.captured,
            "description": None,
            "card_id": None,
            "bank": None,
            "wallet": None,
            "vpa": None,
            "email": "void@razorpay.com",
            "contact": "+919999999999",
            "notes": self.notes or [],
            "fee": 0 if self.captured else None,
            "tax": 0 if self.captured else None,
            "error_code": "BAD_REQUEST_ERROR" if failed else None,
            "error_description": "Payment failed" if failed else None,
            "error_source": "customer" if failed else None,
            "error_step": "payment_authentication" if failed else None,
            "error_reason": self.error_reason if failed else None,
            "acquirer_data": {"rrn": self.rrn},
            "created_at": self.created_at,
        }


@dataclass(slots=True)
class Order:
    """What a customer is to pay."""

    id: str
    amount: int
    currency: str
    receipt: str | None
    notes: dict[str, str]
    capture: str
    created_at: int
    payments: list[Payment] = field(default_factory=list)

    @property
    def paid(self) -> int:
        """Return what was captured."""
        return sum(payment.amount for payment in self.payments if payment.captured)

    def entity(self, *, expanded: bool = False) -> dict[str, Any]:
        """Return it as the API shows it, with its payments if that was asked for."""
        status = "paid" if self.paid else "attempted" if self.payments else "created"
        shown: dict[str, Any] = {
            "id": self.id,
            "entity": "order",
            "amount": self.amount,
            "amount_paid": self.paid,
            "amount_due": self.amount - self.paid,
            "currency": self.currency,
            "receipt": self.receipt,
            "offer_id": None,
            "status": status,
            "attempts": len(self.payments),
            "notes": self.notes or [],
            "created_at": self.created_at,
        }
        if expanded:
            shown["payments"] = collection([payment.entity() for payment in self.payments])
        return shown


def collection(items: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a list as the API shows it."""
    return {"entity": "collection", "count": len(items), "items": items}


class Books:
    """Everything that this account did."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.orders: dict[str, Order] = {}
        self.payments: dict[str, Payment] = {}
        self._refunds: dict[str, tuple[str, bytes, Refund]] = {}  # by idempotency key

    def order(self, order_id: str) -> Order:
        """Return an order; raises Wrong."""
        if order_id not in self.orders:
            raise Wrong(NO_SUCH_ID)
        return self.orders[order_id]

    def payment(self, payment_id: str) -> Payment:
        """Return a payment; raises Wrong."""
        if payment_id not in self.payments:
            raise Wrong(NO_SUCH_ID)
        return self.payments[payment_id]

    def make_order(self, asked: OrderIn, now_s: int) -> Order:
        """Make an order; a receipt may come again. Raises Wrong."""
        if asked.amount < AMOUNT_MIN:
            raise Wrong("The amount must be at least INR 1.00", field="amount")
        capture = asked.payment.capture if asked.payment is not None else "automatic"
        made = Order(
            id=new_id("order"),
            amount=asked.amount,
            currency=asked.currency,
            receipt=asked.receipt,
            notes=asked.notes,
            capture=capture,
            created_at=now_s,
        )
        self.orders[made.id] = made
        return made

    def begin(self, order: Order, method: str, notes: dict[str, str], now_s: int) -> Payment:
        """Send a customer to the bank; raises Wrong when the order is paid."""
        if order.paid:
            raise Wrong(ALREADY_PAID, reason="order_already_paid")
        made = Payment(
            id=new_id("pay"),
            order_id=order.id,
            amount=order.amount,
            currency=order.currency,
            method=method,
            notes=notes,
            created_at=now_s,
        )
        order.payments.append(made)
        self.payments[made.id] = made
        return made

    def authorize(self, payment: Payment) -> None:
        """Let the bank say yes, which it may do after it said no; captures what is automatic."""
        if payment.status not in {"created", "failed"}:
            raise Wrong("The payment is over.")
        payment.status = "authorized"
        payment.error_reason = None
        payment.rrn = "".join(secrets.choice(string.digits) for _ in range(RRN_DIGITS))

    def capture(self, payment: Payment, amount: int, currency: str) -> None:
        """Take held money; raises Wrong."""
        if payment.status != "authorized":
            raise Wrong("This payment has already been captured" if payment.captured else
                        "Only payments which have been authorized and not yet captured can be "
                        "captured")  # fmt: skip
        if (amount, currency) != (payment.amount, payment.currency):
            raise Wrong("Capture amount must be equal to the amount authorized.", field="amount")
        payment.status, payment.captured = "captured", True

    def fail(self, payment: Payment, reason: str) -> None:
        """Let the bank say no; raises Wrong."""
        if payment.status != "created":
            raise Wrong("The payment is over.")
        payment.status, payment.error_reason = "failed", reason

    def lapse(self, payment: Payment) -> None:
        """Let the five days go by in which it could be captured: it is given back."""
        if payment.status != "authorized":
            raise Wrong("Only what is authorized is given back by itself.")
        payment.status = "refunded"

    def refund(
        self, payment: Payment, asked: RefundIn, key: str, body: bytes, now_s: int
    ) -> Refund:
        """Give money back; the same key and body give the same refund. Raises Wrong."""
        if key in self._refunds:
            known_payment, known_body, known = self._refunds[key]
            if (known_payment, known_body) != (payment.id, body):
                raise Wrong(
                    "Different request with the same idempotency key has already been processed.",
                    status=409,
                )
            return known
        made = self._refund(payment, asked, now_s)
        if key:
            self._refunds[key] = (payment.id, body, made)
        return made

    def _refund(self, payment: Payment, asked: RefundIn, now_s: int) -> Refund:
        left = payment.amount - payment.given_back if payment.captured else 0
        amount = payment.amount if asked.amount is None else asked.amount
        if payment.captured and not left:
            raise Wrong("The payment has been fully refunded already.")
        if amount > left:
            raise Wrong("The refund amount provided is greater than amount captured.")
        if amount < AMOUNT_MIN:
            raise Wrong("The amount must be at least INR 1.00", field="amount")
        status = "pending" if amount % 100 in PENDING else "processed"
        made = Refund(
            id=new_id("rfnd"),
            payment_id=payment.id,
            amount=amount,
            currency=payment.currency,
            receipt=asked.receipt,
            status=status,
            created_at=now_s,
        )
        if status == "processed":
            self.settle(made, "processed")
        payment.refunds.append(made)
        if payment.given_back == payment.amount:
            payment.status = "refunded"
        return made

    def settle(self, refund: Refund, status: str) -> None:
        """End a refund."""
        refund.status = status
        if status == "processed":
            refund.arn = "".join(secrets.choice(string.digits) for _ in range(23))
