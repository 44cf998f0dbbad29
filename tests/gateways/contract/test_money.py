"""Contract: what a gateway does when nothing goes wrong, counted by the gateway's own books."""

from dataclasses import replace

import pytest

from rizzpay.core.money import Money
from rizzpay.gateways.declines import REASONS
from rizzpay.gateways.port import (
    Absent,
    ActionRequired,
    Approved,
    CaptureRequest,
    Declined,
    Processing,
    RefundRequest,
    Unknown,
    VoidRequest,
)
from tests.gateways.acquirer import new_id
from tests.gateways.contract.row import Held


def capture_of(request, approved):
    return CaptureRequest(new_id("capture"), approved.gateway_reference, request.money, final=True)


def refund_of(request, approved, amount=None):
    money = replace(request.money, minor=amount) if amount else request.money
    return RefundRequest(new_id("refund"), approved.gateway_reference, money)


def test_a_payment_waits_for_its_customer_and_is_taken_once(bench, connector):
    request = bench.row.waiting(bench.receiver.url)
    asked = connector.authorize(request)
    assert isinstance(asked, ActionRequired)
    assert asked.next_action["type"]
    assert isinstance(connector.enquire(request.attempt_id), ActionRequired)
    assert bench.row.held(request) == Held()
    bench.row.pay(asked)
    approved = connector.enquire(request.attempt_id)
    assert isinstance(approved, Approved)
    assert (approved.money, approved.captured) == (request.money, True)
    assert bench.row.held(request) == Held(captured=50_000)
    assert connector.enquire(request.attempt_id) == approved


def test_a_payment_that_nobody_made_is_absent(connector):
    assert connector.enquire(new_id("attempt")) == Absent()


def test_every_decline_is_a_reason_of_ours(bench, connector):
    told = {}
    for how, _ in bench.row.declines:
        declined = bench.row.decline(connector, how, bench.receiver.url)
        assert declined.recommended_action == REASONS[declined.reason]
        told[how] = (declined.reason, declined.gateway_code)
    assert told == {how: (reason, how) for how, reason in bench.row.declines}


def test_held_money_is_captured_once(bench, connector):
    request, approved = bench.kept_back(connector)
    assert (approved.captured, approved.money) == (False, request.money)
    assert bench.row.held(request) == Held()
    capture = capture_of(request, approved)
    taken = connector.capture(capture)
    assert isinstance(taken, Approved)
    assert taken.money == request.money
    assert isinstance(connector.capture(capture), Approved)
    assert isinstance(connector.enquire(capture.attempt_id, about=capture), Approved)
    assert bench.row.held(request) == Held(captured=50_000)


def test_more_than_is_held_is_not_captured(bench, connector):
    request, approved = bench.kept_back(connector)
    capture = replace(capture_of(request, approved), money=Money(60_000, "INR"))
    assert isinstance(connector.capture(capture), Declined)
    assert bench.row.held(request) == Held()


def test_a_void_takes_nothing(bench, connector):
    """A gateway without voids says no; either way nothing is taken."""
    request, approved = bench.kept_back(connector)
    void = VoidRequest(new_id("attempt"), approved.gateway_reference)
    outcome = connector.void(void)
    assert isinstance(outcome, Approved | Declined)
    assert type(connector.enquire(void.attempt_id, about=void)) is type(outcome)
    assert bench.row.held(request) == Held()


@pytest.mark.parametrize("amount", [None, 12_300])
def test_a_refund_with_one_id_is_made_once(bench, connector, amount):
    request, approved = bench.taken(connector)
    refund = refund_of(request, approved, amount)
    outcomes = [connector.refund(refund) for _ in range(3)]
    assert [type(outcome) for outcome in outcomes] == [Approved] * 3
    assert {outcome.money for outcome in outcomes} == {refund.money}
    assert isinstance(connector.enquire(refund.refund_id, about=refund), Approved)
    assert bench.row.held(request) == Held(50_000, amount or 50_000)


def test_more_than_was_taken_is_not_given_back(bench, connector):
    request, approved = bench.taken(connector)
    assert isinstance(connector.refund(refund_of(request, approved, 40_000)), Approved)
    declined = connector.refund(refund_of(request, approved, 20_000))
    assert isinstance(declined, Declined)
    assert declined.reason == "amount_exceeds_captured"
    assert bench.row.held(request) == Held(50_000, 40_000)


def test_the_same_refund_id_with_another_amount_is_not_believed(bench, connector):
    request, approved = bench.taken(connector)
    refund = refund_of(request, approved, 10_000)
    connector.refund(refund)
    other = replace(refund, money=Money(20_000, "INR"))
    assert isinstance(connector.refund(other), Unknown)
    assert bench.row.held(request) == Held(50_000, 10_000)


def test_a_refund_that_takes_time_is_told_when_it_is_done(bench, connector):
    request, approved = bench.taken(connector)
    refund = refund_of(request, approved, bench.row.pending_refund)
    assert isinstance(connector.refund(refund), Processing)
    done = False
    while not done:
        told = bench.letters(connector, refund.refund_id)[-1]
        callback = connector.read_callback(told.headers, told.body, bench.now())
        done = isinstance(callback.outcome, Approved)
    assert callback.outcome.money == refund.money
    assert isinstance(connector.enquire(refund.refund_id, about=refund), Approved)


def test_revoked_credentials_are_a_definite_no_and_no_answer_to_an_enquiry(bench, connector):
    revoked = bench.connector(secret=new_id("request"))
    request = bench.row.waiting(bench.receiver.url)
    declined = revoked.authorize(request)
    assert isinstance(declined, Declined)
    assert declined.reason == "gateway_rejected_credentials"
    paid, approved = bench.taken(connector)
    assert isinstance(revoked.enquire(paid.attempt_id), Unknown)
    refund = refund_of(paid, approved)
    assert revoked.refund(refund).reason == "gateway_rejected_credentials"
    assert isinstance(revoked.enquire(refund.refund_id, about=refund), Unknown)
    assert bench.row.held(paid) == Held(50_000)
