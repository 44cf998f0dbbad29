"""What a gateway says that cannot be: another amount than we asked for, another payment's RRN."""

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
    transfer,
)
from rizzpay.payments.states import AttemptStatus, Happening
from rizzpay.payments.types import Attempt

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


def _difference(money: Money) -> str:
    return f"the gateway reports {money.minor} {money.currency}"
