"""Asking a gateway: from our values to the port's requests, and back to an outcome.

The only place of this module that touches the network. It decides nothing and writes nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from rizzpay.config import PaymentSettings
from rizzpay.core.money import Money
from rizzpay.gateways.catalog import Gateways
from rizzpay.gateways.port import (
    ActionRequired,
    AuthorizeRequest,
    BankTransfer,
    CaptureRequest,
    Declined,
    EnquiryOutcome,
    Method,
    Operation,
    Outcome,
    RefundRequest,
    Unknown,
    UpiCollect,
    UpiIntent,
    UpiQr,
    VoidRequest,
)
from rizzpay.infra import metrics
from rizzpay.payments.model import Snapshot
from rizzpay.payments.types import Attempt, AttemptKind, CreatePayment, Payment, Refund


@dataclass(frozen=True, slots=True)
class Asker:
    """Speaks to the gateways for payments; `public_url` is where most of them call us back."""

    gateways: Gateways
    public_url: str

    def invite(
        self, payment: Payment, attempt_id: str, command: CreatePayment
    ) -> ActionRequired | None:
        """Return what the customer can do at once, or None when the gateway has to be asked."""
        invites = self.gateways.get(payment.gateway).invites
        if invites is None:
            return None
        return invites.invite(self._request(payment, attempt_id, command))

    def authorize(self, payment: Payment, attempt_id: str, command: CreatePayment) -> Outcome:
        """Ask for the money of a new payment."""
        connector = self.gateways.get(payment.gateway).connector
        outcome = connector.authorize(self._request(payment, attempt_id, command))
        _count(payment, outcome)
        return outcome

    def answer_s(self, gateway: str) -> float:
        """Return how long a gateway may take to answer, in seconds."""
        settings = self.gateways.get(gateway).settings
        return settings.connect_timeout_s + settings.answer_timeout_s

    def operate(self, payment: Payment, attempt: Attempt) -> Outcome:
        """Ask for a capture or a void."""
        connector = self.gateways.get(payment.gateway).connector
        reference = payment.gateway_reference
        if reference is None:
            return Unknown("the payment has no reference of its gateway")
        if attempt.kind is AttemptKind.VOID:
            return connector.void(VoidRequest(attempt.id, reference))
        return connector.capture(_capture(payment, attempt, reference))

    def refund(self, payment: Payment, refund: Refund) -> Outcome:
        """Ask for a refund; asking twice with the same id is asking once."""
        connector = self.gateways.get(refund.gateway).connector
        if payment.gateway_reference is None:
            return Unknown("the payment has no reference of its gateway")
        return connector.refund(RefundRequest(refund.id, payment.gateway_reference, refund.money))

    def enquire(
        self, snapshot: Snapshot, object_id: str, *, invited: bool = False
    ) -> EnquiryOutcome:
        """Ask what became of an attempt or refund; `invited`: a customer may still pay it."""
        connector = self.gateways.get(snapshot.payment.gateway).connector
        about = _sent(snapshot, object_id)
        reference = _named(snapshot, object_id)
        return connector.enquire(object_id, invited=invited, about=about, reference=reference)

    def _called_at(self, gateway: str) -> str:
        return self.gateways.get(gateway).settings.callback_base_url or self.public_url

    def _request(
        self, payment: Payment, attempt_id: str, command: CreatePayment
    ) -> AuthorizeRequest:
        return AuthorizeRequest(
            attempt_id=attempt_id,
            payment_id=payment.id,
            money=payment.money,
            method=command.method,
            capture_method=payment.capture_method,
            description=payment.description or payment.id,
            return_url=payment.return_url,
            callback_url=f"{self._called_at(payment.gateway)}/webhooks/{payment.gateway}",
            expires_at=payment.expires_at or payment.created_at,
        )


def expiry(method: Method, settings: PaymentSettings, now: datetime) -> datetime:
    """Return until when the customer may act, by the kind of method."""
    match method:
        case UpiIntent() | UpiQr() | UpiCollect():
            seconds = settings.upi_expiry_s
        case BankTransfer():
            seconds = settings.bank_transfer_expiry_s
        case _:
            seconds = settings.redirect_expiry_s
    return now + timedelta(seconds=seconds)


def _capture(payment: Payment, attempt: Attempt, reference: str) -> CaptureRequest:
    return CaptureRequest(
        attempt_id=attempt.id,
        gateway_reference=reference,
        money=Money(attempt.amount, payment.money.currency),
        final=payment.closing_attempt_id == attempt.id,
    )


def _sent(snapshot: Snapshot, object_id: str) -> Operation | None:
    """Return the capture, void or refund as it was asked for; None for an authorization."""
    payment = snapshot.payment
    reference = payment.gateway_reference
    if reference is None:
        return None
    for refund in snapshot.refunds:
        if refund.id == object_id:
            return RefundRequest(refund.id, reference, refund.money)
    attempt = snapshot.attempt(object_id)
    match attempt.kind:
        case AttemptKind.AUTHORIZE:
            return None
        case AttemptKind.CAPTURE:
            return _capture(payment, attempt, reference)
        case AttemptKind.VOID:
            return VoidRequest(attempt.id, reference)


def _named(snapshot: Snapshot, object_id: str) -> str | None:
    """Return what the gateway called an authorization; None for anything else."""
    for attempt in snapshot.attempts:
        if attempt.id == object_id and attempt.kind is AttemptKind.AUTHORIZE:
            return attempt.gateway_reference
    return None


def _count(payment: Payment, outcome: Outcome) -> None:
    reason = outcome.reason if isinstance(outcome, Declined) else ""
    name = type(outcome).__name__.lower()
    metrics.PAYMENTS.labels(payment.gateway, payment.method["type"], name, reason).inc()
