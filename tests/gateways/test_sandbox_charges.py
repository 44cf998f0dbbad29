"""Every magic value, through the connector and a real socket."""

import time
from dataclasses import replace

import pytest

from rizzpay.core.money import Money
from rizzpay.core.secret import Secret
from rizzpay.gateways.declines import REASONS
from rizzpay.gateways.port import (
    Absent,
    ActionRequired,
    Approved,
    BankTransfer,
    Declined,
    NetBanking,
    NotSent,
    Processing,
    Unknown,
    UpiCollect,
    UpiIntent,
    UpiQr,
    Wallet,
)
from rizzpay.gateways.sandbox.connector import Keys
from rizzpay.sandbox import magic
from tests.gateways.acquirer import card, held, order

DECLINES = {
    "tok_decline_generic": "declined",
    "tok_decline_do_not_honour": "do_not_honour",
    "tok_decline_insufficient_funds": "insufficient_funds",
    "tok_decline_limit_exceeded": "limit_exceeded",
    "tok_decline_expired_card": "expired_card",
    "tok_decline_invalid_card": "invalid_card",
    "tok_decline_restricted_card": "card_not_permitted",
    "tok_decline_lost_stolen": "card_lost_or_stolen",
    "tok_decline_suspected_fraud": "suspected_fraud",
    "tok_decline_invalid_otp": "invalid_otp",
    "tok_decline_issuer_unavailable": "issuer_unavailable",
}


def collect(vpa, amount=50_000, **changes):
    return order(UpiCollect(Secret(vpa), "mcc_6012"), amount, **changes)


def settled(gateway, attempt_id, kinds=Approved | Declined, seconds=5):
    """Ask until the acquirer has decided."""
    ends = time.monotonic() + seconds
    while not isinstance(outcome := gateway.enquire(attempt_id), kinds):
        assert time.monotonic() < ends, outcome
        time.sleep(0.02)
    return outcome


def test_a_card_is_charged_at_once(gateway, acquirer):
    request = card("tok_approve")
    outcome = gateway.authorize(request)
    assert isinstance(outcome, Approved)
    assert outcome.money == request.money
    assert outcome.captured
    assert len(outcome.rrn) == 12
    assert outcome.rrn.isdigit()
    assert acquirer.moved(request.payment_id) == {"authorized": 50_000, "captured": 50_000}


def test_a_manual_capture_only_holds_the_money(gateway, acquirer):
    request = held()
    outcome = gateway.authorize(request)
    assert isinstance(outcome, Approved)
    assert not outcome.captured
    assert acquirer.moved(request.payment_id) == {"authorized": 50_000}


@pytest.mark.parametrize(("token", "reason"), list(DECLINES.items()))
def test_each_decline_has_its_reason_and_moves_nothing(gateway, acquirer, token, reason):
    request = card(token)
    outcome = gateway.authorize(request)
    assert isinstance(outcome, Declined)
    assert outcome.reason == reason
    assert outcome.recommended_action == REASONS[reason]
    assert outcome.gateway_reference.startswith("ch_")
    assert acquirer.ledger(request.payment_id) == []


def test_every_declining_token_is_tested_here():
    assert set(DECLINES) == {token for token in magic.TOKENS if token.startswith("tok_decline_")}


def test_a_card_that_is_no_token_is_invalid(gateway):
    assert gateway.authorize(card("something")).reason == "invalid_card"


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (10_000, Approved),
        (10_001, Approved),
        (10_002, Declined),
        (10_003, Unknown),
        (10_004, Approved),
        (10_005, Declined),
        (10_006, Approved),
        (10_007, Unknown),
        (10_008, Approved),
        (10_009, ActionRequired),
        (10_010, Approved),
        (10_011, Declined),
        (10_099, Approved),
    ],
)
def test_an_ordinary_token_goes_by_the_amount(gateway, amount, expected):
    assert isinstance(gateway.authorize(card("tok_of_my_shop", amount)), expected)


def test_a_magic_token_rules_over_a_magic_amount(gateway):
    assert isinstance(gateway.authorize(card("tok_approve", 10_002)), Approved)


@pytest.mark.parametrize(
    "request_made", [card("tok_timeout_success"), card("tok_any", 10_003)], ids=["token", "amount"]
)
def test_a_time_out_may_have_charged(gateway, acquirer, request_made):
    assert isinstance(gateway.authorize(request_made), Unknown)
    outcome = gateway.enquire(request_made.attempt_id)
    assert isinstance(outcome, Approved)
    assert outcome.captured
    assert acquirer.moved(request_made.payment_id)["captured"] == request_made.money.minor
    again = gateway.authorize(request_made)
    assert again == outcome
    assert acquirer.moved(request_made.payment_id)["captured"] == request_made.money.minor


@pytest.mark.parametrize(
    "request_made", [card("tok_timeout_nothing"), card("tok_any", 10_007)], ids=["token", "amount"]
)
def test_a_time_out_may_have_done_nothing(gateway, acquirer, request_made):
    assert isinstance(gateway.authorize(request_made), Unknown)
    assert gateway.enquire(request_made.attempt_id) == Absent()
    assert acquirer.ledger(request_made.payment_id) == []


def test_a_server_error_may_have_charged(gateway, acquirer):
    request = card("tok_error_success")
    assert isinstance(gateway.authorize(request), Unknown)
    assert isinstance(gateway.enquire(request.attempt_id), Approved)
    assert acquirer.moved(request.payment_id)["captured"] == 50_000


def test_a_gateway_that_takes_no_more_was_not_asked(gateway, acquirer):
    request = card("tok_rate_limited")
    assert isinstance(gateway.authorize(request), NotSent)
    assert acquirer.ledger(request.payment_id) == []
    assert gateway.enquire(request.attempt_id) == Absent()


def test_a_slow_answer_within_the_time_is_an_answer(acquirer):
    started = time.monotonic()
    assert isinstance(acquirer.gateway(answer_timeout_s=3).authorize(card("tok_slow")), Approved)
    assert time.monotonic() - started >= 0.3


def test_a_wrong_amount_is_reported_as_the_gateway_says_it(gateway, acquirer):
    request = card("tok_wrong_amount")
    outcome = gateway.authorize(request)
    assert outcome.money == Money(50_100, "INR")
    assert acquirer.moved(request.payment_id)["captured"] == 50_100


def test_a_late_authorization_is_declined_first(gateway, acquirer):
    request = card("tok_late_authorization")
    assert gateway.authorize(request).reason == "issuer_timeout"
    assert acquirer.ledger(request.payment_id) == []
    settled(gateway, request.attempt_id, Approved)
    assert acquirer.moved(request.payment_id)["captured"] == 50_000


def test_processing_ends_by_itself(gateway):
    request = card("tok_processing")
    assert isinstance(gateway.authorize(request), Processing)
    assert isinstance(settled(gateway, request.attempt_id), Approved)


def test_a_card_may_need_its_customer(gateway, acquirer):
    request = card("tok_action")
    outcome = gateway.authorize(request)
    assert isinstance(outcome, ActionRequired)
    assert outcome.next_action["type"] == "redirect"
    assert outcome.next_action["url"].startswith(f"{acquirer.url}/customer/ch_")
    assert gateway.enquire(request.attempt_id) == outcome


@pytest.mark.parametrize("amount", [50_000, 1, 99_999_999_999])
def test_an_intent_is_a_link_to_pay_exactly_this(gateway, amount):
    outcome = gateway.authorize(order(UpiIntent(), amount))
    assert outcome.next_action["type"] == "upi_intent"
    link = outcome.next_action["url"]
    assert link.startswith("upi://pay?ver=01&mode=04&")
    assert "&pa=rizzpay.sandbox@rizzpay&pn=RizzPay%20Sandbox&" in link
    assert f"&am={amount // 100}.{amount % 100:02}&cu=INR" in link


def test_a_qr_is_a_dynamic_link(gateway):
    outcome = gateway.authorize(order(UpiQr()))
    assert outcome.next_action["type"] == "upi_qr"
    assert "&mode=22&" in outcome.next_action["url"]


@pytest.mark.parametrize("method", [NetBanking("HDFC"), Wallet("paytm")])
def test_a_bank_or_wallet_is_a_redirect(gateway, method):
    assert gateway.authorize(order(method)).next_action["type"] == "redirect"


def test_a_bank_transfer_has_an_account_of_its_own(gateway):
    first = gateway.authorize(order(BankTransfer())).next_action
    second = gateway.authorize(order(BankTransfer())).next_action
    assert set(first) == {"type", "account_number", "ifsc", "beneficiary", "reference"}
    assert first["account_number"] != second["account_number"]


@pytest.mark.parametrize(
    ("vpa", "expected", "reason"),
    [
        ("success@rizzpay", Approved, None),
        ("SUCCESS@razorpay", Approved, None),
        ("anybody@okbank", Approved, None),
        ("failure@rizzpay", Declined, "declined"),
        ("failure@razorpay", Declined, "declined"),
        ("insufficient@rizzpay", Declined, "insufficient_funds"),
        ("cancel@rizzpay", Declined, "customer_cancelled"),
        ("wrong-amount@rizzpay", Approved, None),
        ("duplicate@rizzpay", Approved, None),
    ],
)
def test_a_collect_request_waits_and_then_is_decided(gateway, vpa, expected, reason):
    request = collect(vpa)
    outcome = gateway.authorize(request)
    assert outcome.next_action == {"type": "await_approval"}
    decided = settled(gateway, request.attempt_id)
    assert isinstance(decided, expected)
    assert getattr(decided, "reason", None) == reason


def test_a_collect_request_may_stay_open(gateway):
    request = collect("pending@rizzpay")
    gateway.authorize(request)
    time.sleep(0.2)
    assert isinstance(gateway.enquire(request.attempt_id), ActionRequired)


def test_a_collect_request_may_time_out(gateway):
    request = collect("timeout@rizzpay")
    assert isinstance(gateway.authorize(request), Unknown)
    assert isinstance(gateway.enquire(request.attempt_id), Approved)


def test_a_collect_request_may_be_approved_late(gateway):
    request = collect("late-success@rizzpay")
    gateway.authorize(request)
    assert isinstance(settled(gateway, request.attempt_id), Declined)
    assert isinstance(settled(gateway, request.attempt_id, Approved), Approved)


def test_every_magic_vpa_is_tested_here():
    tested = {
        "success", "failure", "insufficient", "cancel", "wrong-amount", "duplicate", "pending",
        "timeout", "late-success", "slow",
    }  # fmt: skip
    assert {vpa.partition("@")[0] for vpa in magic.VPAS} == tested


def test_a_slow_collect_request_is_answered_late(acquirer):
    started = time.monotonic()
    acquirer.gateway(answer_timeout_s=3).authorize(collect("slow@rizzpay"))
    assert time.monotonic() - started >= 0.3


def test_rrns_are_unique(gateway):
    rrns = [gateway.authorize(card("tok_approve")).rrn for _ in range(30)]
    assert len(set(rrns)) == 30


# --------------------------------------------------------------------- refused, certainly not done


def test_wrong_credentials_are_a_definite_no(acquirer):
    keys = Keys("test-key", Secret("wrong"), Secret("wrong"))
    request = card("tok_approve")
    outcome = acquirer.gateway(keys=keys).authorize(request)
    assert outcome.reason == "gateway_rejected_credentials"
    assert outcome.recommended_action == "contact_support"
    assert acquirer.ledger(request.payment_id) == []


def test_wrong_credentials_make_an_enquiry_worthless(acquirer):
    request = card("tok_approve")
    acquirer.gateway().authorize(request)
    keys = Keys("test-key", Secret("wrong"), Secret("wrong"))
    assert isinstance(acquirer.gateway(keys=keys).enquire(request.attempt_id), Unknown)


def test_a_gateway_that_is_down_was_not_asked(own_acquirer):
    gateway = own_acquirer.gateway()
    own_acquirer.kill()
    assert isinstance(gateway.authorize(card("tok_approve")), NotSent)


def test_an_enquiry_to_a_gateway_that_is_down_tells_nothing(own_acquirer):
    gateway = own_acquirer.gateway()
    own_acquirer.kill()
    assert isinstance(gateway.enquire(card("tok_approve").attempt_id), Unknown)


def test_a_callback_address_outside_is_refused(gateway):
    for url in (
        "https://example.com/x",
        "http://127.0.0.1@example.com/",
        "http://10.0.0.1/",
        "http://localhost.example.com/",
    ):
        outcome = gateway.authorize(card("tok_approve", callback_url=url))
        assert outcome.reason == "gateway_rejected_request"


def test_the_same_id_with_another_body_is_not_believed(gateway, acquirer):
    request = card("tok_approve")
    gateway.authorize(request)
    other = replace(request, money=Money(70_000, "INR"))
    assert isinstance(gateway.authorize(other), Unknown)
    assert acquirer.moved(request.payment_id)["captured"] == 50_000
