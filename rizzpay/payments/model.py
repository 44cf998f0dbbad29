"""What a decision about a payment reads and what it brings about.

`Snapshot` is a payment with everything that was loaded under its row lock; `Changes` is all that
one decision wants written, in one transaction. The decisions are in authorizing.py, capturing.py
and refunding.py: values in, values out, no clock, no randomness, no I/O.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from rizzpay.core.errors import Refused
from rizzpay.core.money import share
from rizzpay.core.states import IllegalTransition
from rizzpay.core.values import value
from rizzpay.gateways.routing.deciding import Record
from rizzpay.ledger import model as ledger
from rizzpay.payments.qr_codes.model import Locked, QrCode
from rizzpay.payments.states import PAYMENTS, AttemptStatus, Happening, RefundStatus, Status
from rizzpay.payments.types import Attempt, Payer, Payment, Refund

RESOLVE_ATTEMPT = "attempt.resolve"
RESOLVE_REFUND = "refund.resolve"
SEND_REFUND = "refund.send"
EXPIRE_PAYMENT = "payment.expire"
EXPIRE_AUTHORIZATION = "authorization.expire"

OPEN_ATTEMPT = frozenset(
    {
        AttemptStatus.CREATED,
        AttemptStatus.REQUIRES_ACTION,
        AttemptStatus.PROCESSING,
        AttemptStatus.UNKNOWN,
    }
)
OPEN_REFUND = frozenset({RefundStatus.CREATED, RefundStatus.PROCESSING, RefundStatus.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Clocks:
    """How long things may take, in seconds; from the settings."""

    first_enquiry_s: int
    authorization_expiry_s: int


class Fresh(Protocol):
    """Unused ULIDs for transfers, refunds and cases; the same index gives the same one."""

    def __getitem__(self, index: int, /) -> str:
        """Return the `index`-th of them."""
        ...


@value
class Context(Struct, frozen=True, gc=False):
    """Who decides, when, and the ids that the decision may hand out."""

    now: datetime
    actor: str
    request_id: str | None
    clocks: Clocks
    fresh: Fresh
    reference_taken: bool = False  # the outcome's RRN or reference is another payment's already
    code: Locked | None = None  # the QR code that the money came by

    def id(self, prefix: str, index: int) -> str:
        """Return the `index`-th fresh id with a prefix; the same inputs give the same id."""
        return f"{prefix}_{self.fresh[index]}"


@value
class Later(Struct, frozen=True, gc=False):
    """A job to be enqueued with the change."""

    kind: str
    key: str
    run_at: datetime


@value
class Case(Struct, frozen=True, gc=False):
    """Something for a person to look at."""

    id: str
    object_id: str
    payment_id: str
    reason: str


@value
class Said(Struct, frozen=True, gc=False):
    """An event about the payment, one of its refunds, or the QR code that it came by."""

    type: str
    refund_id: str | None = None
    about_code: bool = False


@value
class Snapshot(Struct, frozen=True, gc=False):
    """A payment under its lock."""

    payment: Payment
    attempts: tuple[Attempt, ...]
    refunds: tuple[Refund, ...]

    def attempt(self, attempt_id: str) -> Attempt:
        """Return one attempt; KeyError when it is not of this payment."""
        for attempt in self.attempts:
            if attempt.id == attempt_id:
                return attempt
        raise KeyError(attempt_id)

    def refund(self, refund_id: str) -> Refund:
        """Return one refund; KeyError when it is not of this payment."""
        for refund in self.refunds:
            if refund.id == refund_id:
                return refund
        raise KeyError(refund_id)

    def after(self, changes: "Changes") -> "Snapshot":
        """Return the snapshot as the next decision of the same batch must see it."""
        attempts = {attempt.id: attempt for attempt in (*self.attempts, *changes.attempts)}
        refunds = {refund.id: refund for refund in (*self.refunds, *changes.refunds)}
        return Snapshot(changes.payment, tuple(attempts.values()), tuple(refunds.values()))


@value
class Changes(Struct, frozen=True, gc=False):
    """All that one decision writes. `note` and `action` go to the audit trail."""

    payment: Payment
    action: str
    note: dict[str, Any]
    attempts: tuple[Attempt, ...] = ()
    refunds: tuple[Refund, ...] = ()
    transfers: tuple[ledger.Transfer, ...] = ()
    said: tuple[Said, ...] = ()
    later: tuple[Later, ...] = ()
    not_any_more: tuple[tuple[str, str], ...] = ()
    cases: tuple[Case, ...] = ()
    payer: Payer | None = None
    routed: Record | None = None  # how the attempt that begins was routed
    code: QrCode | None = None  # as it is after money came by it; then the payment is a new one

    @property
    def nothing(self) -> bool:
        """Tell whether there is nothing to write: the fact was known already."""
        return not self.action

    @property
    def settled(self) -> list[str]:
        """Return the attempts and refunds that were asked about before and are known now."""
        attempts = [a.id for a in self.attempts if a.enquiries and a.status not in OPEN_ATTEMPT]
        refunds = [r.id for r in self.refunds if r.enquiries and r.status not in OPEN_REFUND]
        return attempts + refunds


def unchanged(snapshot: Snapshot) -> Changes:
    """Return the change that changes nothing: a repeated or outdated message."""
    return Changes(payment=snapshot.payment, action="", note={})


def moved(payment: Payment, happening: Happening, now: datetime, **fields: Any) -> Payment:
    """Return the payment after a happening, with `fields` changed as well.

    Raises Refused(illegal_transition).
    """
    try:
        status = PAYMENTS.next(payment.status, happening)
    except IllegalTransition:
        raise Refused(
            "illegal_transition",
            f"A payment in status {payment.status.value} does not allow this.",
            extra={"payment_id": payment.id},
        ) from None
    return replace(payment, status=status, version=payment.version + 1, updated_at=now, **fields)


def touched(payment: Payment, now: datetime) -> Payment:
    """Return the payment with its version raised and its status as it was."""
    return replace(payment, version=payment.version + 1, updated_at=now)


def transfer(
    payment: Payment,
    context: Context,
    index: int,
    entry: tuple[str, str, int, ledger.Phase, str],
    *,
    pending_id: str | None = None,
    refund_id: str | None = None,
) -> ledger.Transfer:
    """Build a transfer of this payment: entry is debit, credit, amount, phase, code."""
    debit, credit, amount, phase, code = entry
    return ledger.Transfer(
        id=context.id("trf", index),
        tenant=payment.tenant,
        currency=payment.money.currency,
        debit=debit,
        credit=credit,
        amount=amount,
        phase=phase,
        code=code,
        created_at=context.now,
        pending_id=pending_id,
        payment_id=payment.id,
        refund_id=refund_id,
    )


def fees(
    payment: Payment, captured: int, context: Context, index: int
) -> tuple[ledger.Transfer, ...]:
    """Return our fee on a captured amount and the GST on that fee; money in suspense pays none."""
    if payment.funds != ledger.MERCHANT_PENDING:
        return ()
    fee = share(captured, payment.fee_basis_points)
    gst = share(fee, payment.gst_basis_points)
    source = ledger.MERCHANT_PENDING
    posted = ledger.Phase.POSTED
    wanted = [(ledger.FEES, fee, "fee"), (ledger.GST, gst, "gst")]
    return tuple(
        transfer(payment, context, index + offset, (source, account, amount, posted, code))
        for offset, (account, amount, code) in enumerate(wanted)
        if amount > 0
    )


def first_enquiry(attempt_id: str, kind: str, context: Context) -> Later:
    """Return the job that asks the gateway if nobody has told us by then."""
    return Later(kind, attempt_id, context.now + timedelta(seconds=context.clocks.first_enquiry_s))


def enquiry_of(attempt: Attempt) -> tuple[tuple[str, str], ...]:
    """Return the job that would ask about an attempt; nobody asks while a customer may act."""
    if attempt.status not in OPEN_ATTEMPT or attempt.status is AttemptStatus.REQUIRES_ACTION:
        return ()
    return ((RESOLVE_ATTEMPT, attempt.id),)


def refuse_while_unknown(snapshot: Snapshot) -> None:
    """Raise Refused(unknown_outcome_pending) while the fate of any money of it is not known."""
    refunds = any(refund.status is RefundStatus.UNKNOWN for refund in snapshot.refunds)
    if snapshot.payment.status is Status.UNKNOWN or refunds:
        raise Refused(
            "unknown_outcome_pending",
            "The outcome of an earlier request on this payment is not known yet.",
            extra={"payment_id": snapshot.payment.id},
        )
