"""Decisions about payments, as values: a random life of a payment against simple arithmetic."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rizzpay.core import ids
from rizzpay.core.errors import Refused
from rizzpay.core.money import Money
from rizzpay.core.tenant import Tenant
from rizzpay.gateways import port
from rizzpay.ledger.model import Phase
from rizzpay.payments import authorizing, capturing, refunding
from rizzpay.payments.model import Clocks, Context, Snapshot
from rizzpay.payments.states import PAYMENTS, REFUNDS, AttemptStatus, Happening, Status
from rizzpay.payments.types import AttemptKind, CreateCapture, CreateRefund, Payment

AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
TENANT = Tenant("mer_test", livemode=False)


def context(at: datetime = AT) -> Context:
    return Context(at, "test", None, Clocks(30, 3 * 86_400), [ids.ulid(at) for _ in range(10)])


def new_payment(amount: int = 10_000, **changed) -> Payment:
    payment = Payment(
        id=ids.new_id("payment", AT),
        tenant=TENANT,
        status=Status.PROCESSING,
        money=Money(amount, "INR"),
        amount_authorized=0,
        amount_captured=0,
        amount_capture_pending=0,
        amount_refunded=0,
        amount_refund_pending=0,
        capture_method=port.CaptureMethod.AUTOMATIC,
        method={"type": "card"},
        reference=None,
        description=None,
        metadata={},
        return_url=None,
        payer_id=None,
        gateway="sandbox",
        gateway_reference=None,
        rrn=None,
        next_action=None,
        failure=None,
        cancellation_reason=None,
        late=False,
        funds="merchant_pending",
        hold_transfer_id=None,
        hold_amount=0,
        closing_attempt_id=None,
        fee_basis_points=200,
        gst_basis_points=1800,
        late_authorization="capture",
        open_unknown=0,
        expires_at=AT + timedelta(minutes=15),
        authorization_expires_at=None,
        version=1,
        created_at=AT,
        updated_at=AT,
    )
    return replace(payment, **changed)


def begun(payment: Payment) -> tuple[Snapshot, str]:
    attempt_id = ids.new_id("attempt", AT)
    beginning = authorizing.Beginning(payment, attempt_id, None)
    changes = authorizing.begin(beginning, context())
    return Snapshot(payment, (), ()).after(changes), attempt_id


def told(snapshot: Snapshot, attempt_id: str, outcome: port.EnquiryOutcome) -> Snapshot:
    return snapshot.after(authorizing.conclude(snapshot, attempt_id, outcome, context()))


def approved(amount: int = 10_000, *, captured: bool = True, currency: str = "INR"):
    return port.Approved("gw_1", Money(amount, currency), captured, rrn="123456789012")


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (approved(), Status.CAPTURED),
        (approved(captured=False), Status.AUTHORIZED),
        (approved(9_999), Status.CONFLICTED),
        (approved(currency="USD"), Status.CONFLICTED),
        (port.Declined("insufficient_funds", "retry_other_method", "51"), Status.FAILED),
        (port.NotSent("refused"), Status.FAILED),
        (port.Absent(), Status.FAILED),
        (port.Unknown("time-out"), Status.UNKNOWN),
        (port.Processing("gw_1"), Status.PROCESSING),
        (port.ActionRequired("gw_1", {"type": "redirect"}), Status.REQUIRES_ACTION),
    ],
)
def test_every_outcome_gives_its_status(outcome, status):
    snapshot, attempt_id = begun(new_payment())
    assert told(snapshot, attempt_id, outcome).payment.status is status


def test_an_outcome_told_twice_changes_nothing():
    snapshot, attempt_id = begun(new_payment())
    once = told(snapshot, attempt_id, approved())
    again = authorizing.conclude(once, attempt_id, approved(), context())
    assert again.nothing
    assert once.after(again) == once


def test_a_time_out_after_the_callback_does_not_take_the_money_back():
    snapshot, attempt_id = begun(new_payment())
    captured = told(snapshot, attempt_id, approved())
    assert told(captured, attempt_id, port.Unknown("time-out")) == captured
    assert told(captured, attempt_id, port.Declined("x", "y", "z")) == captured


def test_an_unknown_payment_never_becomes_failed_by_an_unanswered_enquiry():
    snapshot, attempt_id = begun(new_payment())
    unknown = told(snapshot, attempt_id, port.Unknown("time-out"))
    assert told(unknown, attempt_id, port.Unknown("time-out")) == unknown
    with pytest.raises(Refused) as refused:
        refunding.begin(unknown, "rfnd_1", CreateRefund("p", None, None, None, {}), context())
    assert refused.value.code == "unknown_outcome_pending"


@pytest.mark.parametrize("policy", ["capture", "refund"])
def test_a_late_approval_of_a_failed_payment_follows_the_merchants_policy(policy):
    snapshot, attempt_id = begun(new_payment(late_authorization=policy))
    failed = told(snapshot, attempt_id, port.Declined("timeout_at_bank", "retry_later", "68"))
    late = told(failed, attempt_id, approved())
    assert late.payment.status is Status.CAPTURED
    assert late.payment.late
    assert [refund.origin for refund in late.refunds] == ["auto"] * (policy == "refund")
    assert late.payment.funds == ("suspense" if policy == "refund" else "merchant_pending")


@pytest.mark.parametrize("end", ["expired", "cancelled"])
def test_money_that_comes_after_the_end_goes_back(end):
    snapshot, attempt_id = begun(new_payment())
    waiting = told(snapshot, attempt_id, port.ActionRequired("gw_1", {"type": "redirect"}))
    if end == "expired":
        over = waiting.after(authorizing.expire(waiting, context()))
    else:
        over = waiting.after(capturing.begin_cancel(waiting, "att_void", "changed mind", context()))
    assert over.payment.status.value == end
    late = told(over, attempt_id, approved())
    assert late.payment.status is Status.CAPTURED
    assert late.refunds[0].money == Money(10_000, "INR")
    assert late.payment.amount_refund_pending == 10_000


def test_another_amount_is_kept_apart_and_shown_to_a_person():
    snapshot, attempt_id = begun(new_payment())
    changes = authorizing.conclude(snapshot, attempt_id, approved(9_000), context())
    assert [(t.credit, t.amount) for t in changes.transfers] == [("suspense", 9_000)]
    assert [case.reason for case in changes.cases] == ["conflicted"]


def test_money_under_the_reference_of_another_payment_is_not_booked_again():
    snapshot, attempt_id = begun(new_payment())
    taken = replace(context(), reference_taken=True)
    changes = authorizing.conclude(snapshot, attempt_id, approved(), taken)
    assert changes.payment.status is Status.CONFLICTED
    assert (changes.payment.rrn, changes.payment.amount_authorized) == (None, 0)
    assert changes.attempts[0].rrn == approved().rrn
    assert (changes.transfers, changes.payment.amount_captured) == ((), 0)
    assert [case.reason for case in changes.cases] == ["conflicted"]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("harm", ["amount", "currency", "reference"])
def test_a_capture_that_cannot_be_is_a_case_whether_it_was_known_or_not(known, harm):
    snapshot, attempt_id = begun(new_payment())
    held = told(snapshot, attempt_id, replace(approved(captured=False), rrn=None))
    capture_id = ids.new_id("capture", AT)
    asked = held.after(
        capturing.begin_capture(held, capture_id, CreateCapture(None, final=False), context())
    )
    if not known:
        lost = capturing.conclude(asked, capture_id, port.Unknown("time-out"), context())
        asked = asked.after(lost)
    at = replace(context(), reference_taken=harm == "reference")
    outcome = {
        "amount": approved(9_000),
        "currency": approved(currency="USD"),
        "reference": approved(),
    }[harm]
    changes = capturing.conclude(asked, capture_id, outcome, at)
    assert changes.payment.status is Status.UNKNOWN
    assert (changes.payment.amount_captured, changes.transfers) == (0, ())
    assert [case.reason for case in changes.cases] == ["conflicted"]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("said", [approved(3_999), approved(4_000, currency="USD")])
def test_a_refund_of_another_amount_is_unknown_and_a_case_whether_it_was_known_or_not(known, said):
    snapshot, attempt_id = begun(new_payment())
    paid = told(snapshot, attempt_id, approved())
    refund_id = ids.new_id("refund", AT)
    command = CreateRefund(paid.payment.id, 4_000, None, None, {})
    asked = paid.after(refunding.begin(paid, refund_id, command, context()))
    if not known:
        lost = refunding.conclude(asked, refund_id, port.Unknown("time-out"), context())
        asked = asked.after(lost)
    changes = refunding.conclude(asked, refund_id, said, context())
    after = asked.after(changes)
    assert after.refund(refund_id).status.value == "unknown"
    assert (after.payment.amount_refund_pending, after.payment.amount_refunded) == (4_000, 0)
    assert [case.reason for case in changes.cases] == ["conflicted"]
    good = refunding.conclude(after, refund_id, approved(4_000), context())
    assert after.after(good).payment.amount_refunded == 4_000


def test_the_table_of_payments_has_no_timer_from_unknown_to_failed():
    assert not PAYMENTS.allows(Status.UNKNOWN, Happening.EXPIRED)
    assert not PAYMENTS.allows(Status.UNKNOWN, Happening.CANCELLED)


@pytest.mark.parametrize("machine", [PAYMENTS, REFUNDS])
def test_every_pair_of_state_and_event_is_legal_or_refused(machine):
    states = {state for state, _ in machine.table}
    events = {event for _, event in machine.table}
    for state in type(next(iter(states))):
        for event in type(next(iter(events))):
            if machine.allows(state, event):
                assert machine.next(state, event) in type(state)
            else:
                with pytest.raises(Exception, match="not legal"):
                    machine.next(state, event)


@dataclass
class Books:
    """The merchant's side of the ledger by simple arithmetic."""

    pending: dict[str, int]
    sums: Counter

    def record(self, transfers) -> None:
        for transfer in transfers:
            match transfer.phase:
                case Phase.PENDING:
                    self.pending[transfer.id] = transfer.amount
                case Phase.POSTED:
                    self._move(transfer)
                case Phase.POST:
                    assert transfer.amount <= self.pending.pop(transfer.pending_id)
                    self._move(transfer)
                case Phase.VOID:
                    assert transfer.amount == self.pending.pop(transfer.pending_id)

    def _move(self, transfer) -> None:
        self.sums[transfer.debit] -= transfer.amount
        self.sums[transfer.credit] += transfer.amount


# approvals are frequent and amounts small, so that lives get far and meet the boundaries
OUTCOMES = st.sampled_from(
    ["approved"] * 5 + ["declined", "not_sent", "unknown", "absent", "processing"]
)
AMOUNTS = st.one_of(st.none(), st.integers(1, 13))


class LifeOfAPayment(RuleBasedStateMachine):
    """Captures, voids and refunds in any order with any outcome: the sums always hold."""

    @initialize(amount=st.integers(2, 12), captured=st.booleans())
    def authorize(self, amount, captured):
        self.books = Books({}, Counter())
        snapshot, attempt_id = begun(new_payment(amount))
        changes = authorizing.conclude(
            snapshot, attempt_id, approved(amount, captured=captured), context()
        )
        self.books.record(changes.transfers)
        self.snapshot = snapshot.after(changes)

    def _apply(self, changes) -> None:
        self.books.record(changes.transfers)
        before = self.snapshot.payment
        self.snapshot = self.snapshot.after(changes)
        assert self.snapshot.payment.version >= before.version

    @rule(amount=AMOUNTS, final=st.booleans())
    def capture(self, amount, final):
        try:
            self._apply(
                capturing.begin_capture(
                    self.snapshot,
                    ids.new_id("capture", AT),
                    CreateCapture(amount, final),
                    context(),
                )
            )
        except Refused as refused:
            assert refused.code in {
                "illegal_transition",
                "unknown_outcome_pending",
                "amount_exceeds_authorized",
            }

    @precondition(lambda self: self.snapshot.payment.version > 4)
    @rule()
    def cancel(self):
        try:
            self._apply(
                capturing.begin_cancel(self.snapshot, ids.new_id("attempt", AT), None, context())
            )
        except Refused as refused:
            assert refused.code in {"illegal_transition", "unknown_outcome_pending"}

    @rule(amount=AMOUNTS)
    def refund(self, amount):
        command = CreateRefund(self.snapshot.payment.id, amount, None, None, {})
        try:
            self._apply(
                refunding.begin(self.snapshot, ids.new_id("refund", AT), command, context())
            )
        except Refused as refused:
            assert refused.code in {
                "illegal_transition",
                "unknown_outcome_pending",
                "amount_exceeds_captured",
            }

    def _open(self):
        open_attempts = {AttemptStatus.CREATED, AttemptStatus.UNKNOWN}
        return [
            attempt
            for attempt in self.snapshot.attempts
            if attempt.kind is not AttemptKind.AUTHORIZE and attempt.status in open_attempts
        ]

    @precondition(lambda self: self._open())
    @rule(data=st.data(), how=OUTCOMES)
    def gateway_answers(self, data, how):
        attempt = data.draw(st.sampled_from(self._open()))
        outcome = _outcome(how, attempt.amount)
        self._apply(capturing.conclude(self.snapshot, attempt.id, outcome, context()))

    @precondition(lambda self: self.snapshot.refunds)
    @rule(data=st.data(), how=OUTCOMES)
    def gateway_answers_refund(self, data, how):
        refund = data.draw(st.sampled_from(self.snapshot.refunds))
        outcome = _outcome(how, refund.money.minor)
        self._apply(refunding.conclude(self.snapshot, refund.id, outcome, context()))

    @invariant()
    def sums_hold(self):
        if not hasattr(self, "snapshot"):
            return
        payment = self.snapshot.payment
        assert payment.amount_capture_pending >= 0
        assert payment.amount_captured + payment.amount_capture_pending <= payment.amount_authorized
        assert payment.amount_refund_pending >= 0
        assert payment.amount_refunded + payment.amount_refund_pending <= payment.amount_captured
        assert (payment.hold_transfer_id is None) == (payment.hold_amount == 0)
        assert sum(self.books.sums.values()) == 0
        gateway = self.books.sums["gateway:sandbox"]
        assert gateway == payment.amount_refunded - payment.amount_captured
        merchant = sum(self.books.sums[name] for name in ("merchant_pending", "fees", "gst"))
        assert merchant == payment.amount_captured - payment.amount_refunded
        holds = set(self.books.pending) - {
            refund.hold_transfer_id for refund in self.snapshot.refunds
        }
        assert holds == ({payment.hold_transfer_id} if payment.hold_transfer_id else set())

    @invariant()
    def a_finished_payment_holds_nothing(self):
        if hasattr(self, "snapshot") and self.snapshot.payment.status in {
            Status.CAPTURED,
            Status.CANCELLED,
        }:
            assert self.snapshot.payment.hold_amount == 0


def _outcome(how: str, amount: int) -> port.EnquiryOutcome:
    return {
        "approved": approved(amount),
        "declined": port.Declined("declined", "do_not_retry", "05"),
        "not_sent": port.NotSent("refused"),
        "unknown": port.Unknown("time-out"),
        "absent": port.Absent(),
        "processing": port.Processing("gw_2"),
    }[how]


TestLifeOfAPayment = LifeOfAPayment.TestCase
TestLifeOfAPayment.settings = settings(max_examples=400, stateful_step_count=30, deadline=None)
