"""Decisions about money that came by a QR code; the writer asks under the lock of the code.

It is the merchant's, it goes back to the payer, or it is a matter for a person.
The gateway tells us afterwards; nobody asked it for anything, so each such payment is one that is
begun and done in one decision.
"""

from dataclasses import dataclass

from msgspec.structs import replace

from rizzpay.gateways.port import Approved, CaptureMethod, EnquiryOutcome
from rizzpay.ledger import model as ledger
from rizzpay.payments.authorizing import captured_at_once
from rizzpay.payments.contradicting import contradicted
from rizzpay.payments.model import Changes, Context, Said, Snapshot
from rizzpay.payments.qr_codes import model
from rizzpay.payments.qr_codes.model import CloseReason, CodeStatus, Locked, QrCode
from rizzpay.payments.refunding import auto_refund
from rizzpay.payments.states import AttemptStatus, Status
from rizzpay.payments.types import Attempt, AttemptKind, Payment

REFUND_REASON = "qr_code_closed"
CLOSED = Said("qr_code.closed", about_code=True)
CREDITED = Said("qr_code.credited", about_code=True)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a gateway said, and the id of the payment that it becomes if it is news."""

    payment_id: str
    gateway: str
    outcome: EnquiryOutcome


def credit(receipt: Receipt, context: Context) -> Changes:
    """Book what a gateway says came by the code; what it said before changes nothing.

    A payment that the customer's bank declined leaves no trace: no money moved, and nobody waits.
    """
    locked, paid = context.code, receipt.outcome
    if locked is None:
        raise ValueError("money that comes by a code is decided under the code's lock")
    blank = _blank(receipt, locked, context)
    payment = blank.payment
    if not isinstance(paid, Approved) or paid.gateway_reference in locked.references:
        return Changes(payment=payment, action="", note={})
    if paid.money != payment.money or not paid.captured or context.reference_taken:
        changes = contradicted(blank, blank.attempts[0], paid, context)
        return _noted(changes, model.touched(locked.code, context.now))
    if locked.code.takes_money(context.now):
        return _credited(blank, paid, locked.code, context)
    return _sent_back(blank, paid, locked.code, context)


def _credited(blank: Snapshot, paid: Approved, code: QrCode, context: Context) -> Changes:
    after = model.credited(code, paid.money.minor, context.now)
    changes = _taken(blank, paid, context, forced=False)
    closed = (CLOSED,) if after.status is CodeStatus.CLOSED else ()
    return replace(_noted(changes, after), said=(*changes.said, CREDITED, *closed))


def _sent_back(blank: Snapshot, paid: Approved, code: QrCode, context: Context) -> Changes:
    """Take money that nobody waits for, into suspense, and owe it to the payer."""
    late = replace(blank, payment=replace(blank.payment, late=True))
    changes = _taken(late, paid, context, forced=True)
    changes = auto_refund(late.after(changes), changes, context, REFUND_REASON)
    said = (Said("payment.late_authorized"), *changes.said)
    if code.status is CodeStatus.CLOSED:
        return replace(_noted(changes, model.touched(code, context.now)), said=said)
    over = model.closed(code, CloseReason.EXPIRED, context.now)  # and nobody had seen it yet
    return replace(_noted(changes, over), said=(*said, CLOSED))


def _taken(blank: Snapshot, paid: Approved, context: Context, *, forced: bool) -> Changes:
    (attempt,) = blank.attempts
    payment = replace(
        blank.payment,
        gateway_reference=paid.gateway_reference,
        rrn=paid.rrn,
        amount_authorized=paid.money.minor,
        funds=ledger.SUSPENSE if forced else ledger.MERCHANT_PENDING,
    )
    told = replace(
        attempt,
        status=AttemptStatus.APPROVED,
        gateway_reference=paid.gateway_reference,
        rrn=paid.rrn,
    )
    return replace(captured_at_once(payment, context, forced=forced), attempts=(told,))


def _noted(changes: Changes, code: QrCode) -> Changes:
    return replace(changes, code=code, note={**changes.note, "qr_code": code.id})


def _blank(receipt: Receipt, locked: Locked, context: Context) -> Snapshot:
    """Return the payment as it would have been, had somebody asked for it."""
    code, terms, now = locked.code, locked.terms, context.now
    said = receipt.outcome
    money = code.asks(said.money.minor if isinstance(said, Approved) else 0)
    payment = Payment(
        id=receipt.payment_id,
        tenant=code.tenant,
        status=Status.PROCESSING,
        money=money,
        amount_authorized=0,
        amount_captured=0,
        amount_capture_pending=0,
        amount_refunded=0,
        amount_refund_pending=0,
        capture_method=CaptureMethod.AUTOMATIC,
        method={"type": "upi", "flow": "qr", "qr_code_id": code.id},
        reference=None,
        description=code.description,
        metadata={},
        return_url=None,
        payer_id=None,
        gateway=receipt.gateway,
        gateway_reference=None,
        rrn=None,
        next_action=None,
        failure=None,
        cancellation_reason=None,
        late=False,
        funds=ledger.MERCHANT_PENDING,
        hold_transfer_id=None,
        hold_amount=0,
        closing_attempt_id=None,
        fee_basis_points=terms.fee_basis_points,
        gst_basis_points=terms.gst_basis_points,
        late_authorization=terms.late_authorization,
        open_unknown=0,
        expires_at=None,
        authorization_expires_at=None,
        version=1,
        created_at=now,
        updated_at=now,
    )
    attempt = Attempt(
        id=context.id("att", 10),
        payment_id=payment.id,
        tenant=code.tenant,
        kind=AttemptKind.AUTHORIZE,
        status=AttemptStatus.PROCESSING,
        amount=money.minor,
        gateway=receipt.gateway,
        gateway_reference=None,
        rrn=None,
        decline=None,
        note=None,
        enquiries=0,
        created_at=now,
        updated_at=now,
    )
    return Snapshot(payment, (attempt,), ())
