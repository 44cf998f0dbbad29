"""Decisions about giving money back. Σ refunds never exceeds what was captured."""

from dataclasses import dataclass
from typing import assert_never

from msgspec.structs import replace

from rizzpay.core.errors import Refused
from rizzpay.core.money import Money
from rizzpay.core.states import IllegalTransition
from rizzpay.gateways.port import (
    Absent,
    ActionRequired,
    Approved,
    Declined,
    EnquiryOutcome,
    NotSent,
    Processing,
    Unknown,
)
from rizzpay.ledger import model as ledger
from rizzpay.payments.model import (
    OPEN_REFUND,
    RESOLVE_REFUND,
    SEND_REFUND,
    Case,
    Changes,
    Context,
    Later,
    Said,
    Snapshot,
    first_enquiry,
    refuse_while_unknown,
    touched,
    transfer,
    unchanged,
)
from rizzpay.payments.states import REFUNDS, RefundHappening, RefundStatus, Status
from rizzpay.payments.types import CreateRefund, Payment, Refund, decline_view

REFUNDABLE = frozenset({Status.CAPTURED, Status.PARTIALLY_CAPTURED})


@dataclass(frozen=True, slots=True)
class _Wanted:
    amount: int
    origin: str
    reason: str | None
    reference: str | None
    metadata: dict[str, str]


def begin(snapshot: Snapshot, refund_id: str, command: CreateRefund, context: Context) -> Changes:
    """Reserve the amount and write the refund before anybody is asked; raises Refused."""
    payment = snapshot.payment
    refuse_while_unknown(snapshot)
    if payment.status not in REFUNDABLE:
        raise Refused(
            "illegal_transition",
            f"A payment in status {payment.status.value} cannot be refunded.",
            param="payment_id",
            extra={"payment_id": payment.id},
        )
    left = payment.amount_captured - payment.amount_refunded - payment.amount_refund_pending
    amount = left if command.amount is None else command.amount
    if amount > left or left == 0:
        raise Refused(
            "amount_exceeds_captured",
            f"At most {left} can still be refunded.",
            param="amount",
            extra={"payment_id": payment.id},
        )
    wanted = _Wanted(amount, "api", command.reason, command.reference, command.metadata)
    refund, reserved, hold = _reserve(payment, refund_id, wanted, context, 0)
    return Changes(
        payment=reserved,
        action="refund.created",
        note={"refund": refund.id, "amount": amount},
        refunds=(refund,),
        transfers=(hold,),
        said=(Said("refund.created", refund.id),),
        later=(first_enquiry(refund.id, RESOLVE_REFUND, context),),
    )


def auto_refund(
    snapshot: Snapshot, changes: Changes, context: Context, reason: str = "late_authorization"
) -> Changes:
    """Add to `changes` the refund of money that came when nobody waited for it any more."""
    payment = snapshot.payment
    wanted = _Wanted(payment.amount_captured, "auto", reason, None, {})
    refund, reserved, hold = _reserve(payment, context.id("rfnd", 8), wanted, context, 9)
    return replace(
        changes,
        payment=reserved,
        refunds=(refund,),
        transfers=(*changes.transfers, hold),
        said=(*changes.said, Said("refund.created", refund.id)),
        later=(*changes.later, Later(SEND_REFUND, refund.id, context.now)),
    )


def conclude(  # noqa: C901 - one arm an outcome
    snapshot: Snapshot, refund_id: str, outcome: EnquiryOutcome, context: Context
) -> Changes:
    """Apply what the gateway said about a refund; a repeated message changes nothing."""
    refund = snapshot.refund(refund_id)
    if refund.status not in OPEN_REFUND:
        return unchanged(snapshot)
    match outcome:
        case Approved():
            if outcome.money != refund.money:
                return _contradicted(snapshot, refund, context)
            return _processed(snapshot, refund, outcome, context)
        case Declined():
            return _failed(snapshot, refund, outcome, context)
        case NotSent():
            unreachable = Declined("gateway_unreachable", "retry_later", "not_sent")
            return _failed(snapshot, refund, unreachable, context)
        case Absent():
            absent = Declined("gateway_never_received_it", "retry_later", "absent")
            return _failed(snapshot, refund, absent, context)
        case Processing() | ActionRequired():
            return _taken_up(snapshot, refund, outcome.gateway_reference, context)
        case Unknown():
            return _lost_sight(snapshot, refund, outcome.detail[:200], context)
        case _:
            assert_never(outcome)


def note_enquiry(snapshot: Snapshot, refund_id: str, *, last: bool, context: Context) -> Changes:
    """Count an enquiry that settled nothing; the last one hands the refund to a person."""
    refund = snapshot.refund(refund_id)
    if refund.status not in OPEN_REFUND:
        return unchanged(snapshot)
    counted = replace(
        refund,
        enquiries=refund.enquiries + 1,
        version=refund.version + 1,
        updated_at=context.now,
    )
    case = Case(context.id("case", 0), refund.id, refund.payment_id, "unknown_outcome")
    return Changes(
        payment=touched(snapshot.payment, context.now),
        action="refund.enquired",
        note={"refund": refund.id, "enquiries": counted.enquiries, "handed_over": last},
        refunds=(counted,),
        cases=(case,) if last else (),
    )


def _reserve(
    payment: Payment, refund_id: str, wanted: _Wanted, context: Context, index: int
) -> tuple[Refund, Payment, ledger.Transfer]:
    entry = (payment.funds, ledger.REFUNDS, wanted.amount, ledger.Phase.PENDING, "refund")
    hold = transfer(payment, context, index, entry, refund_id=refund_id)
    refund = Refund(
        id=refund_id,
        payment_id=payment.id,
        tenant=payment.tenant,
        status=RefundStatus.CREATED,
        money=Money(wanted.amount, payment.money.currency),
        origin=wanted.origin,
        reason=wanted.reason,
        reference=wanted.reference,
        metadata=wanted.metadata,
        gateway=payment.gateway,
        gateway_reference=None,
        acquirer_reference=None,
        failure=None,
        hold_transfer_id=hold.id,
        status_history=(_history(RefundStatus.CREATED, context),),
        enquiries=0,
        sent_at=None,
        version=1,
        created_at=context.now,
        updated_at=context.now,
    )
    reserved = replace(
        touched(payment, context.now),
        amount_refund_pending=payment.amount_refund_pending + wanted.amount,
    )
    return refund, reserved, hold


def _history(status: RefundStatus, context: Context) -> dict[str, str | int]:
    return {"status": status.value, "at": int(context.now.timestamp())}


def _moved(refund: Refund, happening: RefundHappening, context: Context) -> Refund:
    try:
        status = REFUNDS.next(refund.status, happening)
    except IllegalTransition as error:
        raise Refused("illegal_transition", str(error)) from None
    history = refund.status_history
    if status is not refund.status:
        history = (*history, _history(status, context))
    return replace(
        refund,
        status=status,
        status_history=history,
        sent_at=refund.sent_at or context.now,
        version=refund.version + 1,
        updated_at=context.now,
    )


def _processed(snapshot: Snapshot, refund: Refund, approved: Approved, context: Context) -> Changes:
    amount = refund.money.minor
    done = replace(
        _moved(refund, RefundHappening.PROCESSED, context),
        gateway_reference=approved.gateway_reference,
        acquirer_reference=approved.rrn,
    )
    before = snapshot.payment
    payment = replace(
        touched(before, context.now),
        amount_refund_pending=before.amount_refund_pending - amount,
        amount_refunded=before.amount_refunded + amount,
    )
    promised = (before.funds, ledger.REFUNDS, amount, ledger.Phase.POST, "refund")
    paid = (
        ledger.REFUNDS,
        ledger.gateway_account(refund.gateway),
        amount,
        ledger.Phase.POSTED,
        "refund_paid",
    )
    return Changes(
        payment=payment,
        action="refund.processed",
        note={"refund": refund.id, "amount": amount},
        refunds=(done,),
        transfers=(
            transfer(
                payment,
                context,
                0,
                promised,
                pending_id=refund.hold_transfer_id,
                refund_id=refund.id,
            ),
            transfer(payment, context, 1, paid, refund_id=refund.id),
        ),
        said=(Said("refund.processed", refund.id),),
        not_any_more=((RESOLVE_REFUND, refund.id),),
    )


def _failed(snapshot: Snapshot, refund: Refund, declined: Declined, context: Context) -> Changes:
    amount = refund.money.minor
    done = replace(
        _moved(refund, RefundHappening.DECLINED, context), failure=decline_view(declined)
    )
    before = snapshot.payment
    payment = replace(
        touched(before, context.now),
        amount_refund_pending=before.amount_refund_pending - amount,
    )
    entry = (before.funds, ledger.REFUNDS, amount, ledger.Phase.VOID, "refund")
    case = Case(context.id("case", 1), refund.id, payment.id, "late_authorization")
    return Changes(
        payment=payment,
        action="refund.failed",
        note={"refund": refund.id, "reason": declined.reason},
        refunds=(done,),
        transfers=(
            transfer(
                payment, context, 0, entry, pending_id=refund.hold_transfer_id, refund_id=refund.id
            ),
        ),
        said=(Said("refund.failed", refund.id),),
        not_any_more=((RESOLVE_REFUND, refund.id),),
        cases=(case,) if refund.origin == "auto" else (),
    )


def _taken_up(snapshot: Snapshot, refund: Refund, reference: str, context: Context) -> Changes:
    if refund.status is not RefundStatus.CREATED:
        return unchanged(snapshot)
    done = replace(_moved(refund, RefundHappening.SENT, context), gateway_reference=reference)
    return Changes(
        payment=touched(snapshot.payment, context.now),
        action="refund.processing",
        note={"refund": refund.id},
        refunds=(done,),
        later=(first_enquiry(refund.id, RESOLVE_REFUND, context),),
    )


def _lost_sight(snapshot: Snapshot, refund: Refund, detail: str, context: Context) -> Changes:
    if refund.status is RefundStatus.UNKNOWN:
        return unchanged(snapshot)
    return Changes(
        payment=touched(snapshot.payment, context.now),
        action="refund.unknown",
        note={"refund": refund.id, "detail": detail},
        refunds=(_moved(refund, RefundHappening.LOST_SIGHT, context),),
        later=(first_enquiry(refund.id, RESOLVE_REFUND, context),),
    )


def _contradicted(snapshot: Snapshot, refund: Refund, context: Context) -> Changes:
    """The gateway gave back another amount or currency: unknown, and a person has it at once."""
    detail = "the gateway reports another amount or currency"
    changes = _lost_sight(snapshot, refund, detail, context)
    if changes.nothing:  # it was unknown before; nothing else about it is new
        changes = Changes(
            payment=touched(snapshot.payment, context.now),
            action="refund.contradicted",
            note={"refund": refund.id, "detail": detail},
        )
    case = Case(context.id("case", 0), refund.id, refund.payment_id, "conflicted")
    return replace(changes, cases=(case,))
