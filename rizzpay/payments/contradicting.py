"""What a gateway says that cannot be: another amount or currency than we asked for."""

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


def contradicted(
    snapshot: Snapshot, attempt: Attempt, approved: Approved, context: Context
) -> Changes:
    """The gateway took another amount or currency: keep the money apart, ask a person."""
    payment = replace(
        moved(snapshot.payment, Happening.CONTRADICTED, context.now),
        gateway_reference=approved.gateway_reference,
        rrn=approved.rrn,
        open_unknown=0,
        next_action=None,
    )
    told = replace(
        attempt,
        status=AttemptStatus.CONFLICTED,
        note=_difference(approved.money),
        updated_at=context.now,
        gateway_reference=approved.gateway_reference,
        rrn=approved.rrn,
    )
    source = ledger.gateway_account(payment.gateway)
    entry = (source, ledger.SUSPENSE, approved.money.minor, ledger.Phase.POSTED, "conflict")
    same_currency = approved.money.currency == payment.money.currency
    return Changes(
        payment=payment,
        action="payment.conflicted",
        note={"attempt": attempt.id, "said": _difference(approved.money)},
        attempts=(told,),
        transfers=(transfer(payment, context, 0, entry),)
        if approved.captured and same_currency
        else (),
        said=(Said("payment.conflicted"),),
        not_any_more=enquiry_of(attempt),
        cases=(Case(context.id("case", 1), payment.id, payment.id, "conflicted"),),
    )


def _difference(money: Money) -> str:
    return f"the gateway reports {money.minor} {money.currency}"
