"""Stripe's answers, as values: every status, every refusal, and whatever else may come."""

import json
import secrets
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rizzpay.core import clock
from rizzpay.core.money import Money
from rizzpay.core.secret import Secret
from rizzpay.gateways.declines import REASONS
from rizzpay.gateways.port import (
    ActionRequired,
    Approved,
    AuthorizeRequest,
    CaptureMethod,
    CaptureRequest,
    Card,
    Declined,
    NotSent,
    Processing,
    RefundRequest,
    Unknown,
    VoidRequest,
)
from rizzpay.gateways.stripe import answers
from rizzpay.gateways.stripe.requests import Requests
from rizzpay.gateways.stripe.wire import REASON_OF_DECLINE, REASON_OF_REFUND_REFUSAL
from rizzpay.infra.http_client import HttpResponse

SECRET = "sk_test_" + secrets.token_urlsafe(18)
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
ATTEMPT = "att_01KAF3V1Q0ZSB2Q6M7R1H3D9YW"
CAPTURE = CaptureRequest("cap_01KAF3V1Q0ZSB2Q6M7R1H3D9YV", "pi_1", Money(4_000, "INR"), final=True)
REFUND = RefundRequest("rfnd_01KAF3V1Q0ZSB2Q6M7R1H3D9YX", "pi_1", Money(500, "INR"))
REQUESTS = Requests("https://api.example", Secret(SECRET), "https://shop.example/thanks")
INTENT = {
    "id": "pi_1", "object": "payment_intent", "amount": 10_000, "amount_received": 10_000,
    "currency": "inr", "status": "succeeded", "capture_method": "automatic",
    "metadata": {"rizzpay_attempt": ATTEMPT}, "last_payment_error": None,
}  # fmt: skip
SESSION = {
    "id": "cs_test_1", "object": "checkout.session", "amount_total": 10_000, "currency": "inr",
    "status": "open", "payment_status": "unpaid", "client_reference_id": ATTEMPT,
    "payment_intent": None, "url": "https://checkout.example/c/pay/cs_test_1",
}  # fmt: skip
GIVEN_BACK = {
    "id": "re_1", "object": "refund", "amount": 500, "currency": "inr", "payment_intent": "pi_1",
    "metadata": {"rizzpay_refund": REFUND.refund_id}, "status": "succeeded",
}  # fmt: skip


def request(**changes):
    values = {
        "attempt_id": ATTEMPT,
        "payment_id": "pay_01KAF3V1Q0ZSB2Q6M7R1H3D9YZ",
        "money": Money(10_000, "INR"),
        "method": Card(None),
        "capture_method": CaptureMethod.AUTOMATIC,
        "description": "Two books & a pen",
        "return_url": None,
        "callback_url": "https://bank.example/webhooks/stripe",
        "expires_at": NOW + timedelta(minutes=15),
        **changes,
    }
    return AuthorizeRequest(**values)


def answer(body, status=200):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(status, {}, content)


def error(status=400, **error):
    return answer({"error": {"type": "invalid_request_error", **error}}, status)


def fields(built):
    return dict(parse_qsl(built.body.decode()))


def enquired(**changes):
    return answers.read_session(answer({**SESSION, **changes}), ATTEMPT)


# ------------------------------------------------------------------------------------ requests


def test_a_session_asks_for_a_card_and_carries_our_attempt_twice():
    built = REQUESTS.build_authorize(request(capture_method=CaptureMethod.MANUAL), NOW)
    sent = fields(built)
    assert (built.method, built.url) == ("POST", "https://api.example/v1/checkout/sessions")
    assert built.headers["Idempotency-Key"] == ATTEMPT
    assert built.headers["Authorization"] == f"Bearer {SECRET}"
    assert sent["client_reference_id"] == ATTEMPT
    assert sent["payment_intent_data[metadata][rizzpay_attempt]"] == ATTEMPT
    assert sent["payment_intent_data[capture_method]"] == "manual"
    assert sent["payment_method_types[0]"] == "card"
    assert sent["line_items[0][price_data][unit_amount]"] == "10000"
    assert sent["line_items[0][price_data][currency]"] == "inr"
    assert sent["adaptive_pricing[enabled]"] == "false"
    assert sent["success_url"] == sent["cancel_url"] == "https://shop.example/thanks"


@pytest.mark.parametrize(("minutes", "sent"), [(1, 31), (15, 31), (45, 45)])
def test_a_page_is_open_for_half_an_hour_or_as_long_as_we_wait(minutes, sent):
    built = REQUESTS.build_authorize(request(expires_at=NOW + timedelta(minutes=minutes)), NOW)
    assert int(fields(built)["expires_at"]) == clock.unix_s(NOW + timedelta(minutes=sent))


def test_every_post_has_its_own_idempotency_key():
    void = VoidRequest(ATTEMPT, "pi_1")
    for built, key in (
        (REQUESTS.build_capture(CAPTURE), CAPTURE.attempt_id),
        (REQUESTS.build_cancel(void), ATTEMPT),
        (REQUESTS.build_expire(void), ATTEMPT),
        (REQUESTS.build_refund(REFUND), REFUND.refund_id),
    ):
        assert (built.method, built.headers["Idempotency-Key"]) == ("POST", key)


def test_a_reference_cannot_leave_its_place():
    assert REQUESTS.build_intent("../x?y=1").url.endswith("/v1/payment_intents/..%2Fx%3Fy%3D1")
    assert "payment_intent=a%26limit%3D1&" in REQUESTS.build_refunds("a&limit=1").url


def test_no_secret_is_in_the_text_of_the_requests():
    assert SECRET not in repr(vars(REQUESTS))


# ------------------------------------------------------------------------------------- sessions


def test_a_session_is_a_page_to_go_to():
    outcome = answers.read_authorize(answer(SESSION), request())
    assert outcome == ActionRequired("cs_test_1", {"type": "redirect", "url": SESSION["url"]})


@pytest.mark.parametrize(
    "changes",
    [
        {"client_reference_id": "att_other"}, {"client_reference_id": None},
        {"amount_total": 10_001}, {"currency": "usd"}, {"currency": "xyz"}, {"status": "complete"},
        {"url": None}, {"url": "javascript:alert(1)"}, {"object": "payment_intent"},
        {"id": "cs_../x"}, {"amount_total": -1}, {"amount_total": "10000"}, {"amount_total": 1.5},
    ],
)  # fmt: skip
def test_a_session_that_is_not_what_we_asked_for_is_unknown(changes):
    assert isinstance(answers.read_authorize(answer({**SESSION, **changes}), request()), Unknown)


@pytest.mark.parametrize(
    ("response", "wanted"),
    [
        (error(code="amount_too_small"), Declined),
        (error(402, code="x"), Declined),
        (error(type="idempotency_error"), Unknown),
        (error(401), Declined),
        (error(403), Declined),
        (error(409, code="idempotency_key_in_use"), Unknown),
        (error(429, code="rate_limit"), NotSent),
        (error(500, type="api_error"), Unknown),
        (answer(b"<html>", 400), Unknown),
        (answer(b"", 200), Unknown),
    ],
)
def test_a_refused_session_was_handed_to_nobody(response, wanted):
    assert isinstance(answers.read_authorize(response, request()), wanted)


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        ("succeeded", Approved("pi_1", Money(10_000, "INR"), captured=True)),
        ("requires_capture", Approved("pi_1", Money(10_000, "INR"), captured=False)),
        ("processing", Processing("pi_1")),
    ],
)
@pytest.mark.parametrize("session", ["open", "complete", "expired"])
def test_the_intent_says_what_became_of_the_money_whatever_the_page_says(status, wanted, session):
    assert enquired(status=session, payment_intent={**INTENT, "status": status}) == wanted


@pytest.mark.parametrize(
    "status", ["requires_payment_method", "requires_confirmation", "requires_action"]
)
def test_an_open_page_waits_even_after_a_decline(status):
    failed = {"code": "card_declined", "decline_code": "stolen_card"}
    intent = {**INTENT, "status": status, "last_payment_error": failed}
    page = {"type": "redirect", "url": SESSION["url"]}
    assert enquired(payment_intent=intent) == ActionRequired("cs_test_1", page)
    assert enquired(payment_intent=None) == ActionRequired("cs_test_1", page)


@pytest.mark.parametrize("session", ["expired", "complete"])
@pytest.mark.parametrize("status", ["canceled", "requires_payment_method"])
def test_a_closed_page_tells_the_last_decline(session, status):
    for code, reason in REASON_OF_DECLINE.items():
        failed = {"code": "card_declined", "decline_code": code}
        intent = {**INTENT, "status": status, "last_payment_error": failed}
        outcome = enquired(status=session, payment_intent=intent)
        assert (outcome.reason, outcome.gateway_code) == (reason, code)
    assert enquired(status=session, payment_intent=None).reason == "payment_expired"


def test_a_code_that_is_not_listed_is_a_decline():
    failed = {"code": "card_declined", "decline_code": "made_up" * 20}
    intent = {**INTENT, "status": "canceled", "last_payment_error": failed}
    outcome = enquired(status="expired", payment_intent=intent)
    assert (outcome.reason, len(outcome.gateway_code)) == ("declined", 64)


@pytest.mark.parametrize(
    "changes",
    [
        {"client_reference_id": "att_other"}, {"payment_intent": "pi_1"}, {"status": "odd"},
        {"payment_intent": {**INTENT, "status": "odd"}},
        {"payment_intent": {**INTENT, "currency": "xyz"}},
        {"payment_intent": {**INTENT, "amount_received": -1}},
        {"payment_intent": {**INTENT, "amount_received": None}},
    ],
)  # fmt: skip
def test_a_session_that_is_not_clear_is_unknown(changes):
    assert isinstance(enquired(**changes), Unknown)


def test_an_intent_is_of_the_attempt_that_it_names():
    read = answers.read_intent_answer
    assert isinstance(read(answer(INTENT), ATTEMPT), Approved)
    for metadata in ({}, {"rizzpay_attempt": "att_other"}, {"rizzpay_attempt": 5}):
        assert isinstance(read(answer({**INTENT, "metadata": metadata}), ATTEMPT), Unknown)
    assert isinstance(read(error(404), ATTEMPT), Unknown)


# --------------------------------------------------------------------- captures, voids, refunds


@pytest.mark.parametrize(
    ("status", "by", "wanted"),
    [
        ("succeeded", CAPTURE.attempt_id, Approved),
        ("succeeded", "cap_another", Declined),
        ("succeeded", None, Unknown),
        ("processing", None, Processing),
        ("requires_capture", None, Declined),
        ("canceled", None, Declined),
        ("requires_action", None, Unknown),
        ("odd", CAPTURE.attempt_id, Unknown),
    ],
)
def test_a_capture_is_done_if_the_intent_names_it(status, by, wanted):
    metadata = {"rizzpay_attempt": ATTEMPT} | ({"rizzpay_capture": by} if by else {})
    told = {**INTENT, "status": status, "metadata": metadata, "amount_received": 4_000}
    outcome = answers.read_capture(answer(told), CAPTURE)
    assert isinstance(outcome, wanted)
    if isinstance(outcome, Approved):
        assert outcome.money == CAPTURE.money


def test_a_capture_of_another_intent_is_unknown():
    assert isinstance(answers.read_capture(answer({**INTENT, "id": "pi_2"}), CAPTURE), Unknown)


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        ("canceled", Approved), ("succeeded", Declined), ("requires_capture", Declined),
        ("processing", Unknown), ("odd", Unknown),
    ],
)  # fmt: skip
def test_a_hold_is_released_when_the_intent_is_canceled(status, wanted):
    look = answers.read_look(answer({**INTENT, "status": status}), "pi_1")
    assert isinstance(answers.read_released(look), wanted)


@pytest.mark.parametrize(
    ("status", "wanted"), [("expired", Approved), ("complete", Declined), ("open", Declined)]
)
def test_a_page_is_closed_when_it_says_so(status, wanted):
    response = answer({**SESSION, "status": status})
    assert isinstance(answers.read_closed(response, "cs_test_1"), wanted)
    assert isinstance(answers.read_closed(response, "cs_other"), Unknown)


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        ("succeeded", Approved), ("pending", Processing), ("requires_action", Processing),
        ("failed", Declined), ("canceled", Declined), ("odd", Unknown),
    ],
)  # fmt: skip
def test_a_refund_is_what_its_status_says(status, wanted):
    told = {**GIVEN_BACK, "status": status}
    assert isinstance(answers.read_refund(answer(told), REFUND), wanted)
    listed = answer({"object": "list", "data": [told]})
    assert isinstance(answers.read_refunds(listed, REFUND), wanted)


@pytest.mark.parametrize(
    "changes",
    [{"metadata": {}}, {"metadata": None}, {"payment_intent": "pi_2"}, {"currency": "xyz"}],
)
def test_a_refund_that_is_not_ours_is_unknown(changes):
    assert isinstance(answers.read_refund(answer({**GIVEN_BACK, **changes}), REFUND), Unknown)


@pytest.mark.parametrize(("word", "reason"), sorted(REASON_OF_REFUND_REFUSAL.items()))
def test_a_refund_is_refused_for_a_reason(word, reason):
    told = error(param="amount") if word == "amount" else error(404, code=word)
    assert answers.read_refund(told, REFUND).reason == reason


def test_a_refund_whose_key_was_used_for_another_is_unknown():
    assert isinstance(answers.read_refund(error(type="idempotency_error"), REFUND), Unknown)
    assert answers.read_refund(error(code="odd"), REFUND).reason == "gateway_rejected_request"


def test_refunds_that_are_not_there_and_refunds_that_are_there_twice():
    empty = answer({"object": "list", "data": []})
    assert answers.read_refunds(empty, REFUND) is None
    twice = answer({"object": "list", "data": [GIVEN_BACK, GIVEN_BACK]})
    assert isinstance(answers.read_refunds(twice, REFUND), Unknown)


def test_every_reason_is_one_of_ours():
    assert set(REASON_OF_DECLINE.values()) <= set(REASONS)
    assert set(REASON_OF_REFUND_REFUSAL.values()) <= set(REASONS)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(st.integers(100, 599), st.binary(max_size=40) | JSON.map(lambda it: json.dumps(it).encode()))
def test_no_body_makes_money(status, body):
    response = HttpResponse(status, {}, body)
    assert not isinstance(answers.read_authorize(response, request()), Approved | ActionRequired)
    assert isinstance(answers.read_session(response, ATTEMPT), Unknown)
    assert isinstance(answers.read_intent_answer(response, ATTEMPT), Unknown)
    assert not isinstance(answers.read_capture(response, CAPTURE), Approved)
    assert not isinstance(answers.read_refund(response, REFUND), Approved | Processing)
