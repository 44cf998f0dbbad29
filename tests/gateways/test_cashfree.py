"""Cashfree's answers and webhooks, as values: every status, every refusal, and all the rest."""

import base64
import hashlib
import hmac
import json
import secrets
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rizzpay.core.money import Money
from rizzpay.core.secret import Secret
from rizzpay.gateways.cashfree import answers
from rizzpay.gateways.cashfree.callbacks import read_callback
from rizzpay.gateways.cashfree.requests import Requests, pages_of
from rizzpay.gateways.cashfree.wire import REASON_OF_ERROR, REASON_OF_REFUND_REFUSAL, Order
from rizzpay.gateways.declines import REASONS
from rizzpay.gateways.port import (
    ActionRequired,
    Approved,
    AuthorizeRequest,
    BadCallback,
    BankTransfer,
    CaptureMethod,
    Card,
    Declined,
    NetBanking,
    NotSent,
    Processing,
    RefundRequest,
    Unknown,
    UpiCollect,
    UpiIntent,
    UpiQr,
    Wallet,
)
from rizzpay.gateways.signing import CallbackSecrets
from rizzpay.infra.http_client import HttpResponse

SECRET = secrets.token_urlsafe(18)
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
PAGE = "https://api.example/pg/view/sessions/checkout"
ATTEMPT = "att_01KAF3V1Q0ZSB2Q6M7R1H3D9YW"
REFUND = RefundRequest("rfnd_01KAF3V1Q0ZSB2Q6M7R1H3D9YX", ATTEMPT, Money(550, "INR"))
REQUESTS = Requests("https://api.example", "client", Secret(SECRET))
ORDER = {
    "order_id": ATTEMPT, "order_amount": 100.5, "order_currency": "INR", "order_status": "ACTIVE",
    "payment_session_id": "session_1", "entity": "order",
}  # fmt: skip
PAYMENT = {
    "cf_payment_id": "12376123", "order_id": ATTEMPT, "payment_amount": 100.50,
    "payment_currency": "INR", "payment_status": "SUCCESS", "is_captured": True,
    "bank_reference": "123456789012", "error_details": None,
}  # fmt: skip
GIVEN_BACK = {
    "cf_refund_id": 11325632, "order_id": ATTEMPT, "refund_id": REFUND.refund_id,
    "refund_amount": 5.5, "refund_currency": "INR", "refund_status": "SUCCESS",
    "refund_arn": "205907014017",
}  # fmt: skip


def request(**changes):
    values = {
        "attempt_id": ATTEMPT,
        "payment_id": "pay_01KAF3V1Q0ZSB2Q6M7R1H3D9YZ",
        "money": Money(10_050, "INR"),
        "method": UpiIntent(),
        "capture_method": CaptureMethod.AUTOMATIC,
        "description": "Two books & a pen",
        "return_url": None,
        "callback_url": "https://bank.example/webhooks/cashfree",
        "expires_at": NOW + timedelta(minutes=15),
        **changes,
    }
    return AuthorizeRequest(**values)


def answer(body, status=200):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(status, {}, content)


def error(status=400, code="request_failed", kind="invalid_request_error"):
    return answer({"message": "no", "code": code, "type": kind}, status)


def order(**changes):
    return answers.read_order(answer({**ORDER, **changes}), ATTEMPT)


def enquired(*payments, **changes):
    return answers.read_payments(answer(list(payments)), order(**changes), PAGE)


# ------------------------------------------------------------------------------------ requests


def test_an_order_has_our_attempts_id_and_an_exact_amount():
    built = REQUESTS.build_authorize(request(), "upi", NOW)
    assert (built.method, built.url) == ("POST", "https://api.example/pg/orders")
    assert b'"order_amount":100.50,' in built.body
    body = json.loads(built.body)
    assert (body["order_id"], body["order_currency"]) == (ATTEMPT, "INR")
    assert body["order_meta"]["payment_methods"] == "upi"
    assert body["order_meta"]["notify_url"] == "https://bank.example/webhooks/cashfree"
    assert body["order_expiry_time"] == "2026-11-01T12:16:00+00:00"
    assert built.headers["x-client-secret"] == SECRET
    assert built.headers["x-api-version"] == "2023-08-01"


def test_the_same_request_has_the_same_key_and_another_one_has_not():
    one, same = REQUESTS.build_refund(REFUND), REQUESTS.build_refund(REFUND)
    other = REQUESTS.build_authorize(request(), "upi", NOW)
    keys = [built.headers["x-idempotency-key"] for built in (one, same, other)]
    assert keys[0] == keys[1] != keys[2]
    assert b'"refund_amount":5.50' in one.body


def test_a_reference_cannot_leave_its_place_and_no_secret_is_shown():
    assert REQUESTS.build_order("../x?y=1").url.endswith("/pg/orders/..%2Fx%3Fy%3D1")
    assert SECRET not in repr(vars(REQUESTS))


@pytest.mark.parametrize(
    ("method", "pages"),
    [
        (Card(None), "cc,dc"), (Card(Secret("tok_1")), None), (UpiIntent(), "upi"),
        (UpiQr(), "upi"), (UpiCollect(Secret("a@b"), "mcc_6012"), None), (NetBanking("HDFC"), "nb"),
        (Wallet("paytm"), "app"), (BankTransfer(), None),
    ],
)  # fmt: skip
def test_a_method_has_a_page_or_none(method, pages):
    assert pages_of(method) == pages


# --------------------------------------------------------------------------------------- orders


def test_a_new_order_is_a_form():
    outcome = answers.read_authorize(answer(ORDER), request(), PAGE)
    form = {"type": "form_post", "url": PAGE, "payment_session_id": "session_1"}
    assert outcome == ActionRequired(ATTEMPT, form)


@pytest.mark.parametrize(
    "changes",
    [
        {"order_id": "att_other"}, {"order_amount": 100.51}, {"order_amount": 100.501},
        {"order_amount": "NaN"}, {"order_amount": None}, {"order_currency": "USD"},
        {"order_currency": "XYZ"}, {"order_status": "PAID"}, {"payment_session_id": None},
        {"payment_session_id": "a b"},
    ],
)  # fmt: skip
def test_an_order_that_is_not_what_we_asked_for_is_unknown(changes):
    told = answers.read_authorize(answer({**ORDER, **changes}), request(), PAGE)
    assert isinstance(told, Unknown)


@pytest.mark.parametrize(
    ("response", "wanted"),
    [
        (error(code="order_amount_invalid"), Declined), (error(409), Declined),
        (error(kind="idempotency_error"), Unknown), (error(401, kind="authentication_error"),
         Declined), (error(429, kind="rate_limit_error"), NotSent),
        (error(500, kind="api_error"), Unknown), (answer(b"<html>", 400), Unknown),
    ],
)  # fmt: skip
def test_a_refused_order_was_handed_to_nobody(response, wanted):
    assert isinstance(answers.read_authorize(response, request(), PAGE), wanted)


def test_only_an_order_that_is_not_there_is_absent():
    assert isinstance(order(), Order)
    assert answers.read_order(error(404, "order_not_found"), ATTEMPT) is None
    for response in (
        error(404),
        error(400, "order_not_found"),
        answer({**ORDER, "order_id": "x12"}),
    ):
        assert isinstance(answers.read_order(response, ATTEMPT), Unknown)


def test_a_payment_with_money_is_the_outcome_whatever_else_was_tried():
    failed = {**PAYMENT, "payment_status": "FAILED", "is_captured": False}
    taken = Approved(ATTEMPT, Money(10_050, "INR"), captured=True, rrn="123456789012")
    for status in ("PAID", "ACTIVE", "EXPIRED"):
        assert enquired(PAYMENT, failed, order_status=status) == taken
    short = {**PAYMENT, "bank_reference": "12345"}
    assert enquired(short, order_status="PAID").rrn is None


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"is_captured": False}, Unknown), ({"is_captured": None}, Unknown),
        ({"payment_amount": 100.501}, Unknown), ({"payment_currency": "XYZ"}, Unknown),
        ({"payment_status": "PENDING"}, Processing), ({"payment_status": "ODD"}, Unknown),
        ({"order_id": "att_other"}, Unknown),
    ],
)  # fmt: skip
def test_a_payment_that_is_not_clear_is_not_approved(changes, wanted):
    assert isinstance(enquired({**PAYMENT, **changes}), wanted)


def test_two_payments_with_money_are_for_a_person():
    assert isinstance(enquired(PAYMENT, PAYMENT, order_status="PAID"), Unknown)


@pytest.mark.parametrize("status", sorted(answers.UNPAID))
@pytest.mark.parametrize(
    ("order_status", "wanted"),
    [
        ("ACTIVE", ActionRequired), ("EXPIRED", Declined), ("TERMINATED", Declined),
        ("TERMINATION_REQUESTED", Processing), ("PAID", Unknown), ("ODD", Unknown),
    ],
)  # fmt: skip
def test_without_money_the_order_says_whether_it_is_over(status, order_status, wanted):
    tried = {**PAYMENT, "payment_status": status, "is_captured": False}
    assert isinstance(enquired(tried, order_status=order_status), wanted)
    assert isinstance(enquired(order_status=order_status), wanted)


def test_a_closed_order_tells_the_last_decline():
    for reason, ours in {**REASON_OF_ERROR, "odd": "declined"}.items():
        failed = {**PAYMENT, "payment_status": "FAILED", "error_details": {"error_reason": reason}}
        outcome = enquired(failed, order_status="EXPIRED")
        assert (outcome.reason, outcome.gateway_code) == (ours, reason)
    assert enquired(order_status="EXPIRED").reason == "payment_expired"


# -------------------------------------------------------------------------------------- refunds


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        ("SUCCESS", Approved), ("PENDING", Processing), ("ONHOLD", Processing),
        ("CANCELLED", Declined), ("FAILED", Declined), ("ODD", Unknown),
    ],
)  # fmt: skip
def test_a_refund_is_what_its_status_says(status, wanted):
    outcome = answers.read_refund(answer({**GIVEN_BACK, "refund_status": status}), REFUND)
    assert isinstance(outcome, wanted)
    if isinstance(outcome, Approved):
        assert (outcome.gateway_reference, outcome.money) == ("11325632", REFUND.money)


@pytest.mark.parametrize(
    "changes",
    [{"refund_id": None}, {"refund_id": "other"}, {"order_id": "att_other"},
     {"refund_currency": "XYZ"}],
)  # fmt: skip
def test_a_refund_that_is_not_ours_is_unknown(changes):
    assert isinstance(answers.read_refund(answer({**GIVEN_BACK, **changes}), REFUND), Unknown)


def test_a_refund_is_refused_for_a_reason():
    for code, reason in {**REASON_OF_REFUND_REFUSAL, "odd": "gateway_rejected_request"}.items():
        assert answers.read_refund(error(code=code), REFUND).reason == reason
    assert isinstance(answers.read_refund(error(kind="idempotency_error"), REFUND), Unknown)


def test_only_a_refund_that_is_not_there_is_absent():
    assert answers.is_absent(error(404, "refund_get_not_found"))
    assert not answers.is_absent(error(404))
    assert not answers.is_absent(error(404, "order_not_found"))


def test_every_reason_is_one_of_ours():
    assert {*REASON_OF_ERROR.values(), *REASON_OF_REFUND_REFUSAL.values()} <= set(REASONS)


@given(st.integers(100, 599), st.binary(max_size=60) | st.sampled_from([b"{}", b"[]", b"[{}]"]))
def test_no_body_makes_money(status, body):
    response = HttpResponse(status, {}, body)
    assert not isinstance(answers.read_authorize(response, request(), PAGE), ActionRequired)
    assert not isinstance(answers.read_order(response, ATTEMPT), Order)
    assert not isinstance(answers.read_payments(response, order(), PAGE), Approved)
    assert not isinstance(answers.read_refund(response, REFUND), Approved | Processing)


# ------------------------------------------------------------------------------------- webhooks


def read(event, timestamp="1793534400000", signed=None):
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    digest = hmac.new(SECRET.encode(), timestamp.encode() + body, hashlib.sha256).digest()
    given = signed or base64.b64encode(digest).decode()
    headers = {"x-webhook-timestamp": timestamp, "X-Webhook-Signature": given}
    return read_callback(headers, body, CallbackSecrets(Secret(SECRET)))


def success(**changes):
    payment = {**PAYMENT, "payment_message": "00::Transaction success", **changes}
    data = {"order": {"order_id": ATTEMPT}, "payment": payment}
    return {"data": data, "type": "PAYMENT_SUCCESS_WEBHOOK"}


def test_a_success_names_the_attempt_and_a_refund_ours():
    told = read(success())
    assert told.attempt_id == ATTEMPT
    assert told.outcome == enquired(PAYMENT, order_status="PAID")
    refund = read({"data": {"refund": GIVEN_BACK}, "type": "REFUND_STATUS_WEBHOOK"})
    assert (refund.attempt_id, refund.outcome.money) == (REFUND.refund_id, REFUND.money)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "PAYMENT_FAILED_WEBHOOK"}, {"type": "PAYMENT_USER_DROPPED_WEBHOOK"},
        {"type": "AUTO_REFUND_STATUS_WEBHOOK"}, success(payment_message="PRE_AUTH|done"),
        {"data": {"refund": {**GIVEN_BACK, "refund_id": None}}, "type": "REFUND_STATUS_WEBHOOK"},
    ],
)  # fmt: skip
def test_what_is_nobodys_is_kept(event):
    assert read(event).attempt_id == ""


@pytest.mark.parametrize(
    "event",
    [
        b"", b"{}", {"type": "x"}, {"type": "PAYMENT_SUCCESS_WEBHOOK"},
        success(payment_status="FAILED"), success(payment_amount=1.001),
        success(payment_currency="XYZ"), {"type": "REFUND_STATUS_WEBHOOK", "data": {}},
    ],
)  # fmt: skip
def test_what_is_ours_and_cannot_be_read_is_refused(event):
    with pytest.raises(BadCallback):
        read(event)


@pytest.mark.parametrize("timestamp", ["", "1", "1" * 17, "-1793534400", "١٢٣٤٥٦٧٨٩٠"])
def test_a_time_in_another_form_is_refused(timestamp):
    with pytest.raises(BadCallback, match="header"):
        read(success(), timestamp)
