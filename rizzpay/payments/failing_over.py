"""The next gateway of a payment after one that certainly did nothing: whether, and how it begins.

Only what never left this machine, and refusals that say nothing of the customer or his bank's will,
lead on. After an outcome that is not known nothing does, and neither does a bank's time-out: the
money may have moved.
"""

from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from rizzpay.core.values import value
from rizzpay.gateways.port import Declined, NotSent, Outcome
from rizzpay.gateways.routing.deciding import Record
from rizzpay.payments import authorizing
from rizzpay.payments.authorizing import UNREACHABLE
from rizzpay.payments.model import (
    RESOLVE_ATTEMPT,
    Changes,
    Context,
    Snapshot,
    enquiry_of,
    first_enquiry,
    touched,
)
from rizzpay.payments.states import AttemptStatus, Status
from rizzpay.payments.types import Attempt, decline_view

# Reasons of gateways/declines.py: the gateway refused us, or it does not reach the bank.
LEADS_ON = frozenset(
    {"gateway_rejected_request", "gateway_rejected_credentials", "issuer_unavailable"}
)


@value
class Following(Struct, frozen=True, gc=False):
    """The attempt that follows, and how it was routed."""

    attempt_id: str
    gateway: str
    routed: Record | None


def leads_on(outcome: Outcome) -> bool:
    """Tell whether another gateway may be asked after this outcome."""
    return isinstance(outcome, NotSent) or (
        isinstance(outcome, Declined) and outcome.reason in LEADS_ON
    )


def in_time(began: datetime, now: datetime, within_s: float, answer_s: float) -> bool:
    """Tell whether a gateway that may take `answer_s` would answer while the customer waits."""
    return now + timedelta(seconds=answer_s) <= began + timedelta(seconds=within_s)


def fail_over(
    snapshot: Snapshot,
    attempt_id: str,
    outcome: Outcome,
    following: Following,
    context: Context,
) -> Changes:
    """Close an attempt and begin the next; if it was concluded meanwhile, it stays as it is."""
    attempt, payment = snapshot.attempt(attempt_id), snapshot.payment
    is_open = attempt.status is AttemptStatus.CREATED and payment.status is Status.PROCESSING
    if not is_open or not isinstance(outcome, NotSent | Declined):
        return authorizing.conclude(snapshot, attempt_id, outcome, context)
    told = _closed(attempt, outcome, context.now)
    fresh = replace(
        attempt,
        id=following.attempt_id,
        gateway=following.gateway,
        created_at=context.now,
        updated_at=context.now,
    )
    return Changes(
        payment=replace(touched(payment, context.now), gateway=following.gateway),
        action="payment.failed_over",
        note={"attempt": attempt.id, "next": fresh.id, "gateway": fresh.gateway},
        attempts=(told, fresh),
        later=(first_enquiry(fresh.id, RESOLVE_ATTEMPT, context),),
        not_any_more=enquiry_of(attempt),
        routed=following.routed,
    )


def _closed(attempt: Attempt, outcome: NotSent | Declined, now: datetime) -> Attempt:
    unsent = isinstance(outcome, NotSent)
    status = AttemptStatus.NOT_SENT if unsent else AttemptStatus.DECLINED
    view = decline_view(UNREACHABLE if isinstance(outcome, NotSent) else outcome)
    return replace(attempt, status=status, decline=view, updated_at=now)
