"""Decisions about held money: capture (partial, several, final), void, and when a hold ends.

Σ captures never exceeds what was authorized. A final capture or a void closes the payment to
further captures while it is under way; if it is declined, the payment opens again.
"""

from msgspec.structs import replace

from rizzpay.core.errors import Refused
from rizzpay.core.money import Money
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
from rizzpay.payments.authorizing import NOT_RECEIVED, UNREACHABLE, abandon
from rizzpay.payments.contradicting import TAKEN
from rizzpay.payments.model import (
    EXPIRE_AUTHORIZATION,
    OPEN_ATTEMPT,
    RESOLVE_ATTEMPT,
    Case,
    Changes,
    Context,
    Said,
    Snapshot,
    fees,
    first_enquiry,
    moved,
    refuse_while_unknown,
    touched,
    transfer,
    unchanged,
)
from rizzpay.payments.states import AttemptStatus, Happening, Status
from rizzpay.payments.types import (
    Attempt,
    AttemptKind,
    CreateCapture,
    Payment,
    decline_view,
)

HELD = frozenset({Status.AUTHORIZED, Status.PARTIALLY_CAPTURED})
WAITS_FOR_CUSTOMER = frozenset({Status.CREATED, Status.REQUIRES_ACTION})
OTHER_AMOUNT = "the gateway reports another amount or currency"
EXPIRED_NOTE = "expired"  # the void was ours, because the hold had run out


def begin_capture(
    snapshot: Snapshot, capture_id: str, command: CreateCapture, context: Context
) -> Changes:
    """Reserve the amount of the authorization and write the attempt; raises Refused."""
    payment = snapshot.payment
    _refuse_unless_open(snapshot)
    left = payment.amount_authorized - payment.amount_captured - payment.amount_capture_pending
    amount = left if command.amount is None else command.amount
    if amount > left or left == 0:
        raise Refused(
            "amount_exceeds_authorized",
            f"At most {left} can still be captured.",
            param="amount",
            extra={"payment_id": payment.id},
        )
    attempt = _attempt(payment, capture_id, AttemptKind.CAPTURE, amount, context)
    reserved = replace(
        touched(payment, context.now),
        amount_capture_pending=payment.amount_capture_pending + amount,
        closing_attempt_id=capture_id if command.final else None,
    )
    return Changes(
        payment=reserved,
        action="capture.created",
        note={"capture": capture_id, "amount": amount, "final": command.final},
        attempts=(attempt,),
        later=(first_enquiry(capture_id, RESOLVE_ATTEMPT, context),),
    )


def begin_cancel(snapshot: Snapshot, void_id: str, reason: str | None, context: Context) -> Changes:
    """Cancel what waits for its customer at once; ask for a void of what is held."""
    payment = snapshot.payment
    if payment.status in WAITS_FOR_CUSTOMER:
        return abandon(snapshot, Happening.CANCELLED, reason, context)
    changes = begin_void(snapshot, void_id, None, context)
    return replace(changes, payment=replace(changes.payment, cancellation_reason=reason))


def begin_void(snapshot: Snapshot, void_id: str, note: str | None, context: Context) -> Changes:
    """Close the payment to captures and write the void; raises Refused."""
    payment = snapshot.payment
    _refuse_unless_open(snapshot)
    if payment.amount_capture_pending:
        raise Refused(
            "illegal_transition",
            "A capture is under way; wait for it.",
            extra={"payment_id": payment.id},
        )
    rest = payment.amount_authorized - payment.amount_captured
    attempt = replace(_attempt(payment, void_id, AttemptKind.VOID, rest, context), note=note)
    return Changes(
        payment=replace(touched(payment, context.now), closing_attempt_id=void_id),
        action="void.created",
        note={"void": void_id, "amount": rest, "why": note},
        attempts=(attempt,),
        later=(first_enquiry(void_id, RESOLVE_ATTEMPT, context),),
    )


def conclude(  # noqa: C901 - one arm an outcome
    snapshot: Snapshot, attempt_id: str, outcome: EnquiryOutcome, context: Context
) -> Changes:
    """Apply what the gateway said about a capture or void; a repeat changes nothing."""
    attempt = snapshot.attempt(attempt_id)
    if attempt.status not in OPEN_ATTEMPT:
        return unchanged(snapshot)
    match outcome:
        case Approved():
            if attempt.kind is AttemptKind.VOID:
                return _voided(snapshot, attempt, context)
            if outcome.money != Money(attempt.amount, snapshot.payment.money.currency):
                return _contradicted(snapshot, attempt, OTHER_AMOUNT, context)
            if context.reference_taken:
                return _contradicted(snapshot, attempt, TAKEN, context)
            return _captured(snapshot, attempt, outcome, context)
        case Declined():
            return _declined(snapshot, attempt, outcome, context)
        case NotSent():
            return _declined(snapshot, attempt, UNREACHABLE, context)
        case Absent():
            return _declined(snapshot, attempt, NOT_RECEIVED, context)
        case Unknown():
            return _lost_sight(snapshot, attempt, outcome.detail[:200], context)
        case Processing() | ActionRequired():
            return _lost_sight(snapshot, attempt, "the gateway has not decided", context)


def _refuse_unless_open(snapshot: Snapshot) -> None:
    payment = snapshot.payment
    refuse_while_unknown(snapshot)
    if payment.status not in HELD:
        raise Refused(
            "illegal_transition",
            f"A payment in status {payment.status.value} does not allow this.",
            extra={"payment_id": payment.id},
        )
    if payment.closing_attempt_id is not None:
        raise Refused(
            "illegal_transition",
            "A final capture or a cancellation is under way.",
            extra={"payment_id": payment.id},
        )


def _attempt(
    payment: Payment, attempt_id: str, kind: AttemptKind, amount: int, context: Context
) -> Attempt:
    return Attempt(
        id=attempt_id,
        payment_id=payment.id,
        tenant=payment.tenant,
        kind=kind,
        status=AttemptStatus.CREATED,
        amount=amount,
        gateway=payment.gateway,
        gateway_reference=None,
        rrn=None,
        decline=None,
        note=None,
        enquiries=0,
        created_at=context.now,
        updated_at=context.now,
    )


def _still_unknown(snapshot: Snapshot, attempt: Attempt) -> int:
    """Return how many other captures or voids have an unknown outcome."""
    return sum(
        other.status is AttemptStatus.UNKNOWN and other.id != attempt.id
        for other in snapshot.attempts
    )


def _settle(payment: Payment, now: Context) -> Payment:
    """Give the payment the status that its amounts say."""
    if payment.open_unknown:
        return moved(payment, Happening.LOST_SIGHT, now.now)
    if payment.amount_captured == 0:
        return moved(payment, Happening.STILL_AUTHORIZED, now.now)
    everything = payment.amount_captured == payment.amount_authorized
    closed = payment.closing_attempt_id is not None and not payment.amount_capture_pending
    if everything or closed:
        return moved(payment, Happening.CAPTURED, now.now)
    return moved(payment, Happening.PARTLY_CAPTURED, now.now)


def _captured(
    snapshot: Snapshot, attempt: Attempt, approved: Approved, context: Context
) -> Changes:
    before = snapshot.payment
    amount = attempt.amount
    payment = replace(
        before,
        amount_captured=before.amount_captured + amount,
        amount_capture_pending=before.amount_capture_pending - amount,
        open_unknown=_still_unknown(snapshot, attempt),
        rrn=before.rrn or approved.rrn,
    )
    transfers, payment = _take_from_hold(snapshot, payment, attempt, context)
    payment = _settle(payment, context)
    done = payment.status is Status.CAPTURED
    told = replace(
        attempt,
        status=AttemptStatus.APPROVED,
        gateway_reference=approved.gateway_reference,
        rrn=approved.rrn,
        updated_at=context.now,
    )
    name = "payment.captured" if done else "payment.partially_captured"
    over = ((EXPIRE_AUTHORIZATION, payment.id),) if done else ()
    return Changes(
        payment=payment,
        action=name,
        note={"capture": attempt.id, "amount": amount},
        attempts=(told,),
        transfers=(*transfers, *fees(payment, amount, context, 4)),
        said=(Said(name),),
        not_any_more=((RESOLVE_ATTEMPT, attempt.id), *over),
    )


def _closed(snapshot: Snapshot, payment: Payment) -> bool:
    """Tell whether a final capture went through, so that what is left is given back."""
    closing = payment.closing_attempt_id
    return closing is not None and any(
        attempt.id == closing and attempt.status is AttemptStatus.APPROVED
        for attempt in snapshot.attempts
    )


def _take_from_hold(
    snapshot: Snapshot, payment: Payment, attempt: Attempt, context: Context
) -> tuple[tuple[ledger.Transfer, ...], Payment]:
    """Post the captured part of the hold; hold anew what may still be captured."""
    source = ledger.gateway_account(payment.gateway)
    keep = payment.amount_authorized - payment.amount_captured
    if payment.closing_attempt_id == attempt.id or _closed(snapshot, payment):
        keep = payment.amount_capture_pending
    post = (source, payment.funds, attempt.amount, ledger.Phase.POST, "capture")
    taken = transfer(payment, context, 0, post, pending_id=payment.hold_transfer_id)
    if keep == 0:
        return (taken,), replace(payment, hold_transfer_id=None, hold_amount=0)
    again = (source, payment.funds, keep, ledger.Phase.PENDING, "authorization")
    hold = transfer(payment, context, 1, again)
    return (taken, hold), replace(payment, hold_transfer_id=hold.id, hold_amount=keep)


def _release_hold(
    payment: Payment, context: Context
) -> tuple[tuple[ledger.Transfer, ...], Payment]:
    """Void what is still held."""
    source = ledger.gateway_account(payment.gateway)
    entry = (source, payment.funds, payment.hold_amount, ledger.Phase.VOID, "authorization")
    released = transfer(payment, context, 0, entry, pending_id=payment.hold_transfer_id)
    return (released,), replace(payment, hold_transfer_id=None, hold_amount=0)


def _voided(snapshot: Snapshot, attempt: Attempt, context: Context) -> Changes:
    before = snapshot.payment
    rest = before.hold_amount
    transfers, freed = _release_hold(before, context)
    expired = attempt.note == EXPIRED_NOTE and before.status is not Status.UNKNOWN
    if before.amount_captured:
        happening, event = Happening.REST_RELEASED, "payment.captured"
    elif expired:
        happening, event = Happening.EXPIRED, "payment.expired"
    else:
        happening, event = Happening.VOIDED, "payment.cancelled"
    payment = replace(moved(freed, happening, context.now), open_unknown=0)
    told = replace(attempt, status=AttemptStatus.APPROVED, updated_at=context.now)
    said: tuple[Said, ...] = (Said(event),)
    if expired and before.amount_captured:
        said = (Said("payment.expired"), Said(event))
    return Changes(
        payment=payment,
        action=event,
        note={"void": attempt.id, "released": rest},
        attempts=(told,),
        transfers=transfers,
        said=said,
        not_any_more=((RESOLVE_ATTEMPT, attempt.id), (EXPIRE_AUTHORIZATION, payment.id)),
    )


def _declined(
    snapshot: Snapshot, attempt: Attempt, declined: Declined, context: Context
) -> Changes:
    before = snapshot.payment
    capture = attempt.kind is AttemptKind.CAPTURE
    payment = replace(
        before,
        amount_capture_pending=before.amount_capture_pending - (attempt.amount if capture else 0),
        open_unknown=_still_unknown(snapshot, attempt),
        closing_attempt_id=None
        if before.closing_attempt_id == attempt.id
        else before.closing_attempt_id,
    )
    status = AttemptStatus.NOT_SENT if declined is UNREACHABLE else AttemptStatus.DECLINED
    told = replace(attempt, status=status, decline=decline_view(declined), updated_at=context.now)
    transfers: tuple[ledger.Transfer, ...] = ()
    if _closed(snapshot, payment) and not payment.amount_capture_pending:
        transfers, payment = _release_hold(payment, context)
    payment = _settle(payment, context)
    captured = payment.status is Status.CAPTURED
    return Changes(
        payment=payment,
        action=f"{attempt.kind.value}.declined",
        note={"attempt": attempt.id, "reason": declined.reason},
        attempts=(told,),
        transfers=transfers,
        said=(Said("payment.captured"),) if captured else (),
        not_any_more=((RESOLVE_ATTEMPT, attempt.id),),
    )


def _lost_sight(snapshot: Snapshot, attempt: Attempt, detail: str, context: Context) -> Changes:
    if attempt.status is AttemptStatus.UNKNOWN:
        return unchanged(snapshot)
    told = replace(
        attempt, status=AttemptStatus.UNKNOWN, note=attempt.note or detail, updated_at=context.now
    )
    payment = replace(snapshot.payment, open_unknown=_still_unknown(snapshot, attempt) + 1)
    return Changes(
        payment=_settle(payment, context),
        action="payment.unknown",
        note={"attempt": attempt.id, "detail": detail},
        attempts=(told,),
        said=(Said("payment.unknown"),),
        later=(first_enquiry(attempt.id, RESOLVE_ATTEMPT, context),),
    )


def _contradicted(snapshot: Snapshot, attempt: Attempt, detail: str, context: Context) -> Changes:
    """What the gateway says cannot be: it stays unknown, and a person has the case at once."""
    changes = _lost_sight(snapshot, attempt, detail, context)
    if changes.nothing:  # it was unknown before; nothing else about it is new
        changes = Changes(
            payment=touched(snapshot.payment, context.now),
            action="payment.contradicted",
            note={"attempt": attempt.id, "detail": detail},
        )
    case = Case(context.id("case", 0), attempt.id, snapshot.payment.id, "conflicted")
    return replace(changes, cases=(case,))
