"""Decisions about asking for the money: begin, conclude, expire; with late authorisation."""

from datetime import timedelta

from msgspec import Struct
from msgspec.structs import replace

from rizzpay.core.values import value
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
from rizzpay.gateways.routing.deciding import Record
from rizzpay.ledger import model as ledger
from rizzpay.payments.contradicting import contradicted, is_superseded, superseded
from rizzpay.payments.model import (
    EXPIRE_AUTHORIZATION,
    OPEN_ATTEMPT,
    RESOLVE_ATTEMPT,
    Case,
    Changes,
    Context,
    Later,
    Said,
    Snapshot,
    enquiry_of,
    fees,
    first_enquiry,
    moved,
    touched,
    transfer,
    unchanged,
)
from rizzpay.payments.refunding import auto_refund
from rizzpay.payments.states import AttemptStatus, Happening, Status
from rizzpay.payments.types import Attempt, AttemptKind, Payer, Payment, decline_view

UNREACHABLE = Declined("gateway_unreachable", "retry_later", "not_sent")
NOT_RECEIVED = Declined("gateway_never_received_it", "retry_later", "absent")
OVER = frozenset({Status.FAILED, Status.CANCELLED, Status.EXPIRED})


@value
class Beginning(Struct, frozen=True, gc=False):
    """A payment that is about to be asked for."""

    payment: Payment
    attempt_id: str
    payer: Payer | None
    routed: Record | None = None


def begin(beginning: Beginning, context: Context) -> Changes:
    """Write the intent: payment and attempt exist, and an enquiry is due if we crash now."""
    attempt = _first_attempt(beginning, AttemptStatus.CREATED, None, context)
    enquiry = first_enquiry(attempt.id, RESOLVE_ATTEMPT, context)
    return _begun(beginning, beginning.payment, attempt, (enquiry,))


def begin_waiting(beginning: Beginning, asked: ActionRequired, context: Context) -> Changes:
    """Write a payment that its customer can act on at once: the gateway need not be asked.

    The intent and what the customer is to do are one change and one event, and there is nothing to
    enquire about before the customer acted or the payment expires, which the worker sees in its
    row.
    """
    payment = moved(
        beginning.payment,
        Happening.ACTION_ASKED,
        context.now,
        gateway_reference=asked.gateway_reference,
        next_action=asked.next_action,
    )
    waiting = AttemptStatus.REQUIRES_ACTION
    attempt = _first_attempt(beginning, waiting, asked.gateway_reference, context)
    return _begun(beginning, payment, attempt, ())


def _first_attempt(
    beginning: Beginning, status: AttemptStatus, reference: str | None, context: Context
) -> Attempt:
    payment = beginning.payment
    return Attempt(
        id=beginning.attempt_id,
        payment_id=payment.id,
        tenant=payment.tenant,
        kind=AttemptKind.AUTHORIZE,
        status=status,
        amount=payment.money.minor,
        gateway=payment.gateway,
        gateway_reference=reference,
        rrn=None,
        decline=None,
        note=None,
        enquiries=0,
        created_at=context.now,
        updated_at=context.now,
    )


def _begun(
    beginning: Beginning, payment: Payment, attempt: Attempt, later: tuple[Later, ...]
) -> Changes:
    return Changes(
        payment=payment,
        action="payment.created",
        note={"amount": payment.money.minor, "currency": payment.money.currency},
        attempts=(attempt,),
        said=(Said("payment.created"),),
        later=later,
        payer=beginning.payer,
        routed=beginning.routed,
    )


def conclude(
    snapshot: Snapshot, attempt_id: str, outcome: EnquiryOutcome, context: Context
) -> Changes:
    """Apply what the gateway said about the authorization; a repeated message changes nothing."""
    attempt = snapshot.attempt(attempt_id)
    payment = snapshot.payment
    match outcome:
        case Approved():
            return _approved(snapshot, attempt, outcome, context)
        case Declined() | NotSent() | Absent():
            return _declined(snapshot, attempt, _as_decline(outcome), context)
        case ActionRequired():
            return _action_required(snapshot, attempt, outcome, context)
        case Processing():
            return _taken_up(snapshot, attempt, outcome, context)
        case Unknown():
            if attempt.status not in {AttemptStatus.CREATED, AttemptStatus.PROCESSING}:
                return unchanged(snapshot)
            lost = replace(moved(payment, Happening.LOST_SIGHT, context.now), open_unknown=1)
            return Changes(
                payment=lost,
                action="payment.unknown",
                note={"attempt": attempt.id, "detail": outcome.detail[:200]},
                attempts=(_told(attempt, AttemptStatus.UNKNOWN, context, outcome.detail[:200]),),
                said=(Said("payment.unknown"),),
                later=(first_enquiry(attempt.id, RESOLVE_ATTEMPT, context),),
            )


def expire(snapshot: Snapshot, context: Context) -> Changes:
    """End a payment that its customer did not act on in time."""
    payment = snapshot.payment
    if payment.status not in {Status.REQUIRES_ACTION, Status.CREATED}:
        return unchanged(snapshot)
    return abandon(snapshot, Happening.EXPIRED, None, context)


def abandon(
    snapshot: Snapshot, happening: Happening, reason: str | None, context: Context
) -> Changes:
    """Cancel or expire a payment that no money was taken for yet."""
    payment = replace(
        moved(snapshot.payment, happening, context.now),
        cancellation_reason=reason,
        next_action=None,
    )
    left = tuple(
        _told(attempt, AttemptStatus.ABANDONED, context)
        for attempt in snapshot.attempts
        if attempt.status in OPEN_ATTEMPT
    )
    event = f"payment.{payment.status.value}"
    return Changes(
        payment=payment,
        action=event,
        note={"reason": reason},
        attempts=left,
        said=(Said(event),),
        not_any_more=tuple(gone for attempt in snapshot.attempts for gone in enquiry_of(attempt)),
    )


def _as_decline(outcome: Declined | NotSent | Absent) -> Declined:
    match outcome:
        case Declined():
            return outcome
        case NotSent():
            return UNREACHABLE
        case Absent():
            return NOT_RECEIVED


def _told(
    attempt: Attempt, status: AttemptStatus, context: Context, note: str | None = None
) -> Attempt:
    return replace(attempt, status=status, note=note, updated_at=context.now)


def _approved(
    snapshot: Snapshot, attempt: Attempt, approved: Approved, context: Context
) -> Changes:
    if attempt.status in {AttemptStatus.APPROVED, AttemptStatus.CONFLICTED}:
        return unchanged(snapshot)
    if is_superseded(snapshot, attempt):
        return superseded(snapshot, attempt, approved, context)
    if approved.money != snapshot.payment.money or context.reference_taken:
        return contradicted(snapshot, attempt, approved, context)
    late = snapshot.payment.status in OVER
    forced = late and (
        snapshot.payment.status is not Status.FAILED
        or snapshot.payment.late_authorization == "refund"
    )
    payment = replace(
        snapshot.payment,
        late=late,
        failure=None,
        next_action=None,
        open_unknown=0,
        gateway_reference=approved.gateway_reference,
        rrn=approved.rrn,
        amount_authorized=approved.money.minor,
        funds=ledger.SUSPENSE if forced and approved.captured else ledger.MERCHANT_PENDING,
    )
    told = replace(
        attempt,
        status=AttemptStatus.APPROVED,
        note=None,
        updated_at=context.now,
        gateway_reference=approved.gateway_reference,
        rrn=approved.rrn,
        decline=None,
    )
    taken = captured_at_once if approved.captured else _held
    changes = taken(payment, context, forced=forced)
    later = tuple(Said("payment.late_authorized") for _ in range(late))
    changes = replace(
        changes,
        attempts=(told,),
        said=(*later, *changes.said),
        note={**changes.note, "attempt": attempt.id, "late": late},
        not_any_more=enquiry_of(attempt),
    )
    if forced and approved.captured:
        return auto_refund(snapshot.after(changes), changes, context)
    return changes


def captured_at_once(payment: Payment, context: Context, *, forced: bool) -> Changes:
    """Take the whole amount; `forced`: it came too late and goes back from `payment.funds`."""
    amount = payment.money.minor
    done = moved(payment, Happening.CAPTURED, context.now, amount_captured=amount)
    source = ledger.gateway_account(payment.gateway)
    entry = (source, payment.funds, amount, ledger.Phase.POSTED, "capture")
    return Changes(
        payment=done,
        action="payment.captured",
        note={"amount": amount, "funds": payment.funds, "auto_refund": forced},
        transfers=(
            transfer(done, context, 0, entry),
            *fees(done, amount, context, 1),
        ),
        said=(Said("payment.captured"),),
    )


def _held(payment: Payment, context: Context, *, forced: bool) -> Changes:
    amount = payment.money.minor
    source = ledger.gateway_account(payment.gateway)
    entry = (source, payment.funds, amount, ledger.Phase.PENDING, "authorization")
    hold = transfer(payment, context, 0, entry)
    ends = context.now + timedelta(seconds=context.clocks.authorization_expiry_s)
    if forced:
        ends = context.now  # nobody waits for it any more: release it at once
    done = replace(
        moved(payment, Happening.AUTHORIZED, context.now),
        hold_transfer_id=hold.id,
        hold_amount=amount,
        authorization_expires_at=ends,
    )
    return Changes(
        payment=done,
        action="payment.authorized",
        note={"amount": amount, "released_at_once": forced},
        transfers=(hold,),
        said=(Said("payment.authorized"),),
        later=(Later(EXPIRE_AUTHORIZATION, payment.id, ends),),
    )


def _declined(
    snapshot: Snapshot, attempt: Attempt, declined: Declined, context: Context
) -> Changes:
    if attempt.status not in OPEN_ATTEMPT:
        return unchanged(snapshot)
    status = AttemptStatus.NOT_SENT if declined is UNREACHABLE else AttemptStatus.DECLINED
    view = decline_view(declined)
    payment = replace(
        moved(snapshot.payment, Happening.DECLINED, context.now),
        failure=view,
        next_action=None,
        open_unknown=0,
        gateway_reference=declined.gateway_reference or snapshot.payment.gateway_reference,
    )
    return Changes(
        payment=payment,
        action="payment.failed",
        note={"attempt": attempt.id, "reason": declined.reason},
        attempts=(replace(_told(attempt, status, context), decline=view),),
        said=(Said("payment.failed"),),
        not_any_more=enquiry_of(attempt),
    )


def _action_required(
    snapshot: Snapshot, attempt: Attempt, asked: ActionRequired, context: Context
) -> Changes:
    if attempt.status not in OPEN_ATTEMPT or attempt.status is AttemptStatus.REQUIRES_ACTION:
        return unchanged(snapshot)
    payment = moved(
        snapshot.payment,
        Happening.ACTION_ASKED,
        context.now,
        gateway_reference=asked.gateway_reference,
        next_action=asked.next_action,
        open_unknown=0,
    )
    told = replace(
        _told(attempt, AttemptStatus.REQUIRES_ACTION, context),
        gateway_reference=asked.gateway_reference,
    )
    return Changes(
        payment=payment,
        action="payment.requires_action",
        note={"attempt": attempt.id, "type": asked.next_action.get("type")},
        attempts=(told,),
        said=(Said("payment.requires_action"),),
        not_any_more=enquiry_of(attempt),
    )


def _taken_up(snapshot: Snapshot, attempt: Attempt, taken: Processing, context: Context) -> Changes:
    if attempt.status not in {AttemptStatus.CREATED, AttemptStatus.REQUIRES_ACTION}:
        return unchanged(snapshot)
    told = replace(
        _told(attempt, AttemptStatus.PROCESSING, context),
        gateway_reference=taken.gateway_reference,
    )
    payment = replace(
        moved(snapshot.payment, Happening.TAKEN_UP, context.now),
        gateway_reference=taken.gateway_reference,
    )
    return Changes(
        payment=payment,
        action="payment.processing",
        note={"attempt": attempt.id},
        attempts=(told,),
        later=(first_enquiry(attempt.id, RESOLVE_ATTEMPT, context),),
    )


def note_enquiry(snapshot: Snapshot, attempt_id: str, *, last: bool, context: Context) -> Changes:
    """Count an enquiry that settled nothing; the last one hands the payment to a person."""
    attempt = snapshot.attempt(attempt_id)
    if attempt.status not in OPEN_ATTEMPT:
        return unchanged(snapshot)
    counted = replace(attempt, enquiries=attempt.enquiries + 1, updated_at=context.now)
    case = Case(context.id("case", 0), attempt.id, snapshot.payment.id, "unknown_outcome")
    return Changes(
        payment=touched(snapshot.payment, context.now),
        action="payment.enquired",
        note={"attempt": attempt_id, "enquiries": counted.enquiries, "handed_over": last},
        attempts=(counted,),
        cases=(case,) if last else (),
    )
