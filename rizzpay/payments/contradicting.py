"""What a gateway says that cannot be: another amount, another payment's RRN, a yes after its no."""

from msgspec.structs import replace

from rizzpay.core.money import Money
from rizzpay.gateways.port import Approved
from rizzpay.ledger import model as ledger
from rizzpay.payments.model import (
    Case,
    Changes,
    Context,
    Said,
    Snapshot,
    enquiry_of,
    moved,
    touched,
    transfer,
)
from rizzpay.payments.states import AttemptStatus, Happening
from rizzpay.payments.types import Attempt

SUPERSEDED = "approved after it was declined and another gateway was asked"
TAKEN = "the gateway reports an RRN or reference that another payment has"


def contradicted(
    snapshot: Snapshot, attempt: Attempt, approved: Approved, context: Context
) -> Changes:
    """Keep what cannot be apart and ask a person.

    Money of another amount goes to suspense. Money under the RRN or reference of another payment
    is in the books once already and is not booked again (`context.reference_taken`); the attempt
    keeps what the gateway said, the payment stays without the RRN, which is the other's.
    """
    said = TAKEN if context.reference_taken else _difference(approved.money)
    payment = replace(
        moved(snapshot.payment, Happening.CONTRADICTED, context.now),
        gateway_reference=approved.gateway_reference,
        rrn=None if context.reference_taken else approved.rrn,
        open_unknown=0,
        next_action=None,
    )
    told = replace(
        attempt,
        status=AttemptStatus.CONFLICTED,
        note=said,
        updated_at=context.now,
        gateway_reference=approved.gateway_reference,
        rrn=approved.rrn,
    )
    source = ledger.gateway_account(payment.gateway)
    entry = (source, ledger.SUSPENSE, approved.money.minor, ledger.Phase.POSTED, "conflict")
    same_currency = approved.money.currency == payment.money.currency
    moved_any = approved.captured and approved.money.minor > 0
    booked = moved_any and same_currency and not context.reference_taken
    return Changes(
        payment=payment,
        action="payment.conflicted",
        note={"attempt": attempt.id, "said": said},
        attempts=(told,),
        transfers=(transfer(payment, context, 0, entry),) if booked else (),
        said=(Said("payment.conflicted"),),
        not_any_more=enquiry_of(attempt),
        cases=(Case(context.id("case", 1), payment.id, payment.id, "conflicted"),),
    )


def is_superseded(snapshot: Snapshot, attempt: Attempt) -> bool:
    """Tell whether another gateway was asked after this attempt had come to nothing."""
    return attempt.gateway != snapshot.payment.gateway


def superseded(
    snapshot: Snapshot, attempt: Attempt, approved: Approved, context: Context
) -> Changes:
    """Keep money of a gateway that had declined apart, and ask a person.

    The payment goes on where it is; a refund would go to its other gateway, so a person has to give
    the money back here.
    """
    payment = touched(snapshot.payment, context.now)
    told = replace(
        attempt,
        status=AttemptStatus.CONFLICTED,
        note=SUPERSEDED,
        updated_at=context.now,
        gateway_reference=approved.gateway_reference,
        rrn=approved.rrn,
    )
    source = ledger.gateway_account(attempt.gateway)
    entry = (source, ledger.SUSPENSE, approved.money.minor, ledger.Phase.POSTED, "conflict")
    booked = approved.captured and approved.money.currency == payment.money.currency
    return Changes(
        payment=payment,
        action="payment.superseded_attempt_approved",
        note={"attempt": attempt.id, "gateway": attempt.gateway, "amount": approved.money.minor},
        attempts=(told,),
        transfers=(transfer(payment, context, 0, entry),) if booked else (),
        cases=(Case(context.id("case", 1), attempt.id, payment.id, "late_authorization"),),
    )


def _difference(money: Money) -> str:
    return f"the gateway reports {money.minor} {money.currency}"
