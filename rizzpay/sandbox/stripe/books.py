"""Sessions, intents and refunds of one account, in memory, and the moves that they can make.

An intent is made with its session, as in versions before 2022-08-01; a connector must bear both.
A refund that ends in …02 is pending and then succeeds, in …03 it fails. Sources:
payments/paymentintents/lifecycle, payments/place-a-hold-on-a-payment-method, refunds,
api/checkout/sessions of docs.stripe.com.
"""

import secrets
import string
from dataclasses import dataclass, field
from typing import Any

from rizzpay.sandbox.conformance import PENDING
from rizzpay.sandbox.stripe.wire import Form, Wrong

ALPHABET = string.ascii_letters + string.digits
DAY_S = 86_400
EXPIRES_MIN_S = 1_800
AMOUNT_MIN = 50  # Stripe has one for each currency of settlement; this stands for them
UNEXPECTED = "payment_intent_unexpected_state"
STATED = {  # decline codes that are the error's code themselves; declines/codes
    "expired_card", "incorrect_cvc", "incorrect_number", "processing_error",
    "payment_intent_authentication_failure", "invalid_expiry_month", "invalid_expiry_year",
    "invalid_cvc", "invalid_number",
}  # fmt: skip


def new_id(prefix: str) -> str:
    """Return an id as Stripe makes them."""
    return prefix + "_" + "".join(secrets.choice(ALPHABET) for _ in range(24))


@dataclass(slots=True)
class Refund:
    """Money on its way back."""

    id: str
    intent: "Intent"
    amount: int
    metadata: dict[str, str]
    created: int
    status: str

    def entity(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        return {
            "id": self.id,
            "object": "refund",
            "amount": self.amount,
            "charge": self.intent.charge,
            "created": self.created,
            "currency": self.intent.currency,
            "metadata": self.metadata,
            "payment_intent": self.intent.id,
            "reason": None,
            "status": self.status,
        }


@dataclass(slots=True)
class Intent:
    """The money of one session."""

    id: str
    amount: int
    currency: str
    capture_method: str
    metadata: dict[str, str]
    created: int
    status: str = "requires_payment_method"
    received: int = 0
    charge: str | None = None
    cancellation_reason: str | None = None
    error: dict[str, Any] | None = None
    refunds: list[Refund] = field(default_factory=list)

    @property
    def given_back(self) -> int:
        """Return what was refunded, or is on its way."""
        return sum(refund.amount for refund in self.refunds if refund.status != "failed")

    def entity(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        return {
            "id": self.id,
            "object": "payment_intent",
            "amount": self.amount,
            "amount_capturable": self.amount if self.status == "requires_capture" else 0,
            "amount_received": self.received,
            "cancellation_reason": self.cancellation_reason,
            "capture_method": self.capture_method,
            "created": self.created,
            "currency": self.currency,
            "last_payment_error": self.error,
            "latest_charge": self.charge,
            "livemode": False,
            "metadata": self.metadata,
            "status": self.status,
        }

    def authorize(self) -> None:
        """Let the issuer say yes; takes what is captured automatically."""
        self.charge, self.error = new_id("ch"), None
        self.status = "requires_capture"
        if self.capture_method != "manual":
            self.status, self.received = "succeeded", self.amount

    def decline(self, code: str) -> None:
        """Let the issuer say no; the customer may try again."""
        self.error = {
            "type": "card_error",
            "code": code if code in STATED else "card_declined",
            "message": "Your card was declined.",
        }
        if code not in STATED:
            self.error["decline_code"] = code

    def capture(self, form: Form) -> None:
        """Take held money, and release what is left; raises Wrong."""
        if self.status != "requires_capture":
            raise Wrong(
                "This PaymentIntent could not be captured because it has a status of "
                f"{self.status}.",
                code=UNEXPECTED,
            )
        amount = form.integer("amount_to_capture", self.amount)
        if not 0 < amount <= self.amount:
            raise Wrong(
                "The provided amount is greater than the amount capturable.",
                code="amount_too_large",
                param="amount_to_capture",
            )
        self.metadata |= form.metadata()
        self.status, self.received = "succeeded", amount

    def cancel(self, reason: str | None) -> None:
        """Release what is held; raises Wrong."""
        if self.status in {"succeeded", "canceled", "processing"}:
            raise Wrong(
                f"You cannot cancel this PaymentIntent because it has a status of {self.status}.",
                code=UNEXPECTED,
            )
        self.status, self.cancellation_reason = "canceled", reason


@dataclass(slots=True)
class Session:
    """The page on which an intent is paid."""

    id: str
    intent: Intent
    reference: str | None
    created: int
    expires_at: int
    success_url: str
    url: str
    status: str = "open"

    def entity(self, *, expanded: bool = False) -> dict[str, Any]:
        """Return it as the API shows it, with its intent if that was asked for."""
        intent = self.intent
        return {
            "id": self.id,
            "object": "checkout.session",
            "amount_subtotal": intent.amount,
            "amount_total": intent.amount,
            "client_reference_id": self.reference,
            "created": self.created,
            "currency": intent.currency,
            "expires_at": self.expires_at,
            "livemode": False,
            "metadata": {},
            "mode": "payment",
            "payment_intent": intent.entity() if expanded else intent.id,
            "payment_status": "paid" if intent.status == "succeeded" else "unpaid",
            "status": self.status,
            "success_url": self.success_url,
            "url": self.url if self.status == "open" else None,
        }

    def expire(self) -> None:
        """Close the page; raises Wrong."""
        if self.status != "open":
            raise Wrong(
                'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout '
                f"Session has a status of {self.status}."
            )
        self.status = "expired"
        self.intent.cancel("automatic")


class Books:
    """Everything that this account did."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.sessions: dict[str, Session] = {}
        self.intents: dict[str, Intent] = {}
        self.refunds: dict[str, Refund] = {}

    def session(self, session_id: str) -> Session:
        """Return a session; raises Wrong."""
        if session_id not in self.sessions:
            raise _missing("checkout.session", session_id)
        return self.sessions[session_id]

    def intent(self, intent_id: str) -> Intent:
        """Return an intent; raises Wrong."""
        if intent_id not in self.intents:
            raise _missing("payment_intent", intent_id)
        return self.intents[intent_id]

    def make_session(self, form: Form, address: str, now_s: int) -> Session:
        """Make a session with its intent; raises Wrong."""
        if form.text("mode") != "payment":
            raise Wrong("This server knows mode payment only.", param="mode")
        price = "line_items[0][price_data]"
        amount = form.integer(f"{price}[unit_amount]") * form.integer("line_items[0][quantity]")
        if amount < AMOUNT_MIN:
            raise Wrong("The amount is too small.", code="amount_too_small", param="line_items")
        form.text(f"{price}[product_data][name]")
        expires = form.integer("expires_at", now_s + DAY_S)
        if not EXPIRES_MIN_S <= expires - now_s <= DAY_S:
            raise Wrong(
                "The `expires_at` timestamp must be 30 minutes to 24 hours from Checkout Session "
                "creation.",
                param="expires_at",
            )
        intent = Intent(
            id=new_id("pi"),
            amount=amount,
            currency=form.text(f"{price}[currency]").lower(),
            capture_method=form.text("payment_intent_data[capture_method]", "automatic"),
            metadata=form.metadata("payment_intent_data[metadata]"),
            created=now_s,
        )
        session_id = new_id("cs_test")
        made = Session(
            id=session_id,
            intent=intent,
            reference=form.text("client_reference_id", "") or None,
            created=now_s,
            expires_at=expires,
            success_url=form.text("success_url"),
            url=f"{address}/c/pay/{session_id}",
        )
        self.sessions[made.id], self.intents[intent.id] = made, intent
        return made

    def make_refund(self, form: Form, now_s: int) -> Refund:
        """Give money back; raises Wrong."""
        intent = self.intent(form.text("payment_intent"))
        left = intent.received - intent.given_back
        amount = form.integer("amount", left)
        if intent.received and not left:
            raise Wrong(
                f"Charge {intent.charge} has already been refunded.",
                code="charge_already_refunded",
            )
        if not 0 < amount <= left:
            raise Wrong(
                f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})",
                param="amount",
            )
        status = "pending" if amount % 100 in PENDING else "succeeded"
        made = Refund(new_id("re"), intent, amount, form.metadata(), now_s, status)
        intent.refunds.append(made)
        self.refunds[made.id] = made
        return made


def _missing(kind: str, id_: str) -> Wrong:
    return Wrong(f"No such {kind}: '{id_}'", status=404, code="resource_missing", param="id")
