"""Captures, voids and refunds, with the acquirer's own limits on them."""

import time

import pytest

from rizzpay.core.money import Money
from rizzpay.gateways.port import (
    Absent,
    Approved,
    CaptureRequest,
    Declined,
    Processing,
    RefundRequest,
    Unknown,
    UpiIntent,
    VoidRequest,
)
from tests.gateways.acquirer import Acquirer, card, held, new_id, order


def capture(reference, minor, *, final=False, currency="INR"):
    return CaptureRequest(new_id("capture"), reference, Money(minor, currency), final)


def void(reference):
    return VoidRequest(new_id("capture"), reference)


def refund(reference, minor, currency="INR"):
    return RefundRequest(new_id("refund"), reference, Money(minor, currency))


@pytest.fixture
def hold(gateway):
    """An authorized payment of 50,000: its payment id and the acquirer's reference."""
    request = held()
    return request.payment_id, gateway.authorize(request).gateway_reference


@pytest.fixture
def charge(gateway):
    """A captured payment of 50,000."""
    request = card("tok_approve")
    return request.payment_id, gateway.authorize(request).gateway_reference


# --------------------------------------------------------------------------------- captures


def test_captures_take_parts_and_the_final_one_releases_the_rest(gateway, acquirer, hold):
    payment_id, reference = hold
    outcome = gateway.capture(capture(reference, 20_000))
    assert outcome == Approved(reference, Money(20_000, "INR"), captured=True)
    assert isinstance(gateway.capture(capture(reference, 10_000, final=True)), Approved)
    sums = {"authorized": 50_000, "captured": 30_000, "voided": 20_000}
    assert acquirer.moved(payment_id) == sums
    assert gateway.capture(capture(reference, 1)).reason == "operation_not_possible"


def test_a_capture_beyond_the_hold_is_declined(gateway, acquirer, hold):
    payment_id, reference = hold
    assert gateway.capture(capture(reference, 50_001)).reason == "amount_exceeds_authorized"
    gateway.capture(capture(reference, 30_000))
    assert gateway.capture(capture(reference, 20_001)).reason == "amount_exceeds_authorized"
    assert isinstance(gateway.capture(capture(reference, 20_000)), Approved)
    assert acquirer.moved(payment_id)["captured"] == 50_000


def test_a_capture_in_another_currency_is_declined(gateway, hold):
    outcome = gateway.capture(capture(hold[1], 100, currency="USD"))
    assert outcome.reason == "operation_not_possible"


def test_a_charge_that_was_captured_cannot_be_captured(gateway, charge):
    assert isinstance(gateway.capture(capture(charge[1], 100)), Declined)


def test_a_capture_of_nothing_known_is_declined(gateway):
    outcome = gateway.capture(capture("ch_00000000000000000000000000", 100))
    assert outcome.reason == "gateway_reference_unknown"


def test_the_same_capture_is_done_once(gateway, acquirer, hold):
    payment_id, reference = hold
    request = capture(reference, 20_000)
    first = gateway.capture(request)
    assert gateway.capture(request) == first
    assert gateway.enquire(request.attempt_id) == first
    assert acquirer.moved(payment_id)["captured"] == 20_000


def test_a_token_may_decline_captures(gateway, acquirer):
    request = held("tok_capture_declined")
    reference = gateway.authorize(request).gateway_reference
    assert gateway.capture(capture(reference, 50_000)).reason == "capture_declined"
    assert acquirer.moved(request.payment_id) == {"authorized": 50_000}


def test_a_capture_may_time_out_and_be_done(gateway, acquirer):
    request = held("tok_capture_timeout_success")
    reference = gateway.authorize(request).gateway_reference
    asked = capture(reference, 50_000)
    assert isinstance(gateway.capture(asked), Unknown)
    assert isinstance(gateway.enquire(asked.attempt_id), Approved)
    assert acquirer.moved(request.payment_id)["captured"] == 50_000


def test_a_capture_may_time_out_and_not_be_done(gateway, acquirer):
    request = held("tok_capture_timeout_nothing")
    reference = gateway.authorize(request).gateway_reference
    asked = capture(reference, 50_000)
    assert isinstance(gateway.capture(asked), Unknown)
    assert gateway.enquire(asked.attempt_id) == Absent()
    assert acquirer.moved(request.payment_id) == {"authorized": 50_000}


# ------------------------------------------------------------------------------------ voids


def test_a_void_releases_what_is_held(gateway, acquirer, hold):
    payment_id, reference = hold
    gateway.capture(capture(reference, 10_000))
    outcome = gateway.void(void(reference))
    assert outcome == Approved(reference, Money(40_000, "INR"), captured=False)
    assert acquirer.moved(payment_id)["voided"] == 40_000
    assert gateway.void(void(reference)).reason == "operation_not_possible"
    assert isinstance(gateway.capture(capture(reference, 1)), Declined)


def test_a_void_calls_off_what_waits_for_its_customer(gateway, acquirer):
    request = order(UpiIntent())
    reference = gateway.authorize(request).gateway_reference
    assert isinstance(gateway.void(void(reference)), Approved)
    assert gateway.enquire(request.attempt_id).reason == "customer_cancelled"
    status, _, _ = acquirer.http("POST", f"/customer/{reference}/approve")
    assert status == 409
    assert acquirer.ledger(request.payment_id) == []


def test_a_captured_charge_cannot_be_voided(gateway, charge):
    assert isinstance(gateway.void(void(charge[1])), Declined)


@pytest.mark.parametrize(
    ("token", "first", "then", "released"),
    [
        ("tok_void_declined", Declined, Declined, 0),
        ("tok_void_timeout_success", Unknown, Approved, 50_000),
        ("tok_void_timeout_nothing", Unknown, Absent, 0),
    ],
)
def test_a_token_decides_how_voids_go(gateway, acquirer, token, first, then, released):
    request = held(token)
    asked = void(gateway.authorize(request).gateway_reference)
    assert isinstance(gateway.void(asked), first)
    assert isinstance(gateway.enquire(asked.attempt_id), then)
    assert acquirer.moved(request.payment_id).get("voided", 0) == released


# ---------------------------------------------------------------------------------- refunds


def test_refunds_give_back_parts(gateway, acquirer, charge):
    payment_id, reference = charge
    outcome = gateway.refund(refund(reference, 20_000))
    assert isinstance(outcome, Approved)
    assert outcome.money == Money(20_000, "INR")
    assert not outcome.captured
    assert outcome.gateway_reference.startswith("rf_")
    assert len(outcome.rrn) == 12
    assert acquirer.moved(payment_id)["refunded"] == 20_000


def test_refunds_never_exceed_what_was_captured(gateway, acquirer, charge):
    payment_id, reference = charge
    assert gateway.refund(refund(reference, 50_001)).reason == "amount_exceeds_captured"
    gateway.refund(refund(reference, 30_000))
    assert gateway.refund(refund(reference, 20_001)).reason == "amount_exceeds_captured"
    assert acquirer.moved(payment_id)["refunded"] == 30_000


def test_held_money_cannot_be_refunded(gateway, hold):
    assert gateway.refund(refund(hold[1], 100)).reason == "amount_exceeds_captured"


def test_a_refund_in_another_currency_is_declined(gateway, charge):
    outcome = gateway.refund(refund(charge[1], 100, "USD"))
    assert outcome.reason == "operation_not_possible"


def test_the_same_refund_is_paid_once(gateway, acquirer, charge):
    payment_id, reference = charge
    request = refund(reference, 20_000)
    first = gateway.refund(request)
    assert gateway.refund(request) == first
    assert acquirer.moved(payment_id)["refunded"] == 20_000


@pytest.mark.parametrize(
    ("minor", "first", "then"),
    [
        (10_002, Declined, Declined),
        (10_003, Unknown, Approved),
        (10_007, Unknown, Absent),
        (10_008, Approved, Approved),
        (10_005, Approved, Approved),
    ],
)
def test_a_refund_goes_by_its_amount(gateway, acquirer, charge, minor, first, then):
    payment_id, reference = charge
    request = refund(reference, minor)
    assert isinstance(gateway.refund(request), first)
    assert isinstance(gateway.enquire(request.refund_id), then)
    assert acquirer.moved(payment_id).get("refunded", 0) == (minor if then is Approved else 0)


def test_a_refund_in_processing_keeps_its_money_reserved(tmp_path):
    own_acquirer = Acquirer(tmp_path / "own", {"--approve-after-ms": "1000"})
    gateway = own_acquirer.gateway()
    payment = card("tok_approve")
    reference = gateway.authorize(payment).gateway_reference
    request = refund(reference, 40_010)
    assert isinstance(gateway.refund(request), Processing)
    assert gateway.refund(refund(reference, 10_000)).reason == "amount_exceeds_captured"
    while isinstance(outcome := gateway.enquire(request.refund_id), Processing):
        time.sleep(0.05)
    assert isinstance(outcome, Approved)
    assert outcome.rrn is not None
    assert own_acquirer.moved(payment.payment_id)["refunded"] == 40_010
    own_acquirer.stop()
