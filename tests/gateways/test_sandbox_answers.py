"""Whatever an acquirer answers, the connector says Approved only when it is beyond doubt."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rizzpay.config import GatewaySettings
from rizzpay.core.money import AMOUNT_MAX, Money
from rizzpay.gateways.declines import REASONS
from rizzpay.gateways.port import (
    Absent,
    ActionRequired,
    Approved,
    Declined,
    NotSent,
    Processing,
    Unknown,
)
from rizzpay.gateways.sandbox.connector import (
    STATUS,
    SandboxGateway,
    read_answer,
    read_enquiry,
)
from rizzpay.gateways.sandbox.wire import REASON_OF_CODE, REASON_OF_REFUSAL
from rizzpay.infra.http_client import HttpClient, HttpResponse
from rizzpay.sandbox import magic
from tests.gateways.acquirer import KEYS, card
from tests.gateways.raw_server import RawServer, always, answer

GOOD = {
    "attempt_id": "att_1",
    "kind": "charge",
    "status": "approved",
    "reference": "ch_1",
    "amount": 100,
    "currency": "INR",
    "captured": True,
    "rrn": "123456789012",
}
MISSING = object()


def read(body, status=200, attempt_id="att_1", kind="charge"):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_answer(HttpResponse(status, {}, content), attempt_id, kind)


def changed(**changes):
    return {name: value for name, value in (GOOD | changes).items() if value is not MISSING}


def test_a_good_answer_is_approved():
    assert read(GOOD) == Approved("ch_1", Money(100, "INR"), captured=True, rrn="123456789012")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b'"approved"',
        b"<html>approved</html>",
        b"\xff\xfe\x00",
        b'{"status":"approved"}',
        json.dumps([GOOD]).encode(),
        json.dumps(GOOD).encode() + b"{}",
        json.dumps(GOOD).encode() + b"x",
        json.dumps(GOOD).encode("utf-16"),
        b"[" * 100_000,
    ],
)
def test_a_malformed_answer_is_unknown(body):
    assert isinstance(read(body), Unknown)


def test_every_truncated_answer_is_unknown():
    content = json.dumps(GOOD).encode()
    for end in range(len(content)):
        assert isinstance(read(content[:end]), Unknown), end


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("attempt_id", "att_2"),
        ("attempt_id", None),
        ("attempt_id", MISSING),
        ("kind", "refund"),
        ("kind", MISSING),
        ("status", "APPROVED"),
        ("status", "approved "),
        ("status", "captured"),
        ("status", "success"),
        ("status", ""),
        ("status", None),
        ("status", True),
        ("status", 1),
        ("status", ["approved"]),
        ("status", MISSING),
        ("amount", 100.0),
        ("amount", 100.5),
        ("amount", "100"),
        ("amount", True),
        ("amount", None),
        ("amount", -1),
        ("amount", AMOUNT_MAX + 1),
        ("amount", 10**400),
        ("amount", {"value": 100}),
        ("amount", MISSING),
        ("currency", "XXX"),
        ("currency", "inr"),
        ("currency", ""),
        ("currency", None),
        ("currency", MISSING),
        ("reference", ""),
        ("reference", "x" * 65),
        ("reference", None),
        ("reference", MISSING),
        ("captured", 1),
        ("captured", "true"),
        ("captured", None),
        ("rrn", "12345678901"),
        ("rrn", 123456789012),
        ("rrn", "12345678901x"),
    ],
)
def test_a_wrong_field_makes_it_unknown(field, value):
    assert isinstance(read(changed(**{field: value})), Unknown)


@given(st.text(max_size=30).filter(lambda status: status not in STATUS))
def test_an_unlisted_status_is_unknown(status):
    assert isinstance(read(changed(status=status)), Unknown)


@given(st.binary(max_size=200), st.integers(100, 599))
def test_any_bytes_are_an_outcome_and_never_an_approval(content, status):
    response = HttpResponse(status, {}, content)
    assert isinstance(read_answer(response, "att_1", "charge"), Unknown)
    assert isinstance(read_enquiry(response, "att_1"), Unknown)


@given(
    st.dictionaries(
        st.sampled_from([*GOOD, "decline_code", "action"]),
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats()
        | st.sampled_from(["approved", "declined", "action_required", "INR", "charge"]),
    )
)  # fmt: skip
def test_any_fields_never_raise(changes):
    outcome = read(GOOD | changes)
    if isinstance(outcome, Approved):
        assert type((GOOD | changes)["amount"]) is int
        assert (GOOD | changes)["status"] == "approved"


@pytest.mark.parametrize(
    "status", [100, 201, 202, 204, 301, 302, 404, 408, 409, 500, 502, 503, 504]
)
def test_a_good_body_under_another_status_is_unknown(status):
    assert isinstance(read(GOOD, status), Unknown)


@pytest.mark.parametrize(("refusal", "reason"), list(REASON_OF_REFUSAL.items()))
def test_a_refusal_of_the_protocol_is_a_definite_no(refusal, reason):
    status, error = refusal
    outcome = read({"error": error, "detail": "x"}, status)
    assert isinstance(outcome, Declined)
    assert (outcome.reason, outcome.gateway_code) == (reason, error)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 429])
def test_a_refusal_of_somebody_in_between_is_unknown(status):
    assert isinstance(read(b"<html>no</html>", status), Unknown)
    assert isinstance(read({"error": "something_else"}, status), Unknown)


def test_too_many_requests_were_not_sent():
    assert isinstance(read({"error": "too_many_requests"}, 429), NotSent)


def test_an_id_of_another_request_is_unknown():
    assert isinstance(read({"error": "attempt_conflict"}, 409), Unknown)


def test_only_a_closing_enquiry_is_absent():
    def enquiry(status, body):
        return read_enquiry(HttpResponse(status, {}, json.dumps(body).encode()), "att_1")

    assert enquiry(404, {"error": "absent", "closed": True}) == Absent()
    for status, body in [
        (404, {"error": "absent"}),
        (404, {"error": "absent", "closed": False}),
        (404, {"error": "absent", "closed": 1}),
        (404, {"error": "not_found", "closed": True}),
        (404, {}),
        (410, {"error": "absent", "closed": True}),
        (401, {"error": "unauthorized"}),
        (409, {"error": "attempt_closed"}),
        (422, {"error": "invalid"}),
        (429, {"error": "too_many_requests"}),
    ]:
        assert isinstance(enquiry(status, body), Unknown), (status, body)
    assert isinstance(enquiry(200, GOOD), Approved)


# ----------------------------------------------------------------------------------- the tables


def test_every_reason_that_a_connector_may_give_is_in_the_vocabulary():
    assert {*REASON_OF_CODE.values(), *REASON_OF_REFUSAL.values()} <= set(REASONS)


def test_every_advice_is_one_of_five():
    assert set(REASONS.values()) <= {
        "do_not_retry",
        "retry_later",
        "retry_other_method",
        "fix_request",
        "contact_support",
    }


def test_every_reason_is_a_word():
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", reason) for reason in REASONS)


def test_every_decline_of_the_sandbox_is_mapped():
    scripts = [
        *magic.TOKENS.values(),
        *magic.VPAS.values(),
        *magic.CHARGE_AMOUNTS.values(),
        *magic.REFUND_AMOUNTS.values(),
        *magic.OPERATIONS.values(),
    ]
    assert {script.decline for script in scripts if script.decline} <= set(REASON_OF_CODE)


def test_a_decline_code_that_nobody_knows_is_still_a_decline():
    for code in ("new_reason", "", None):
        outcome = read(changed(status="declined", decline_code=code))
        assert isinstance(outcome, Declined)
        assert outcome.reason == "declined"


def test_processing_keeps_the_reference():
    assert read(changed(status="processing")) == Processing("ch_1")


# ---------------------------------------------------------------------------- customer's actions


@pytest.mark.parametrize(
    "action",
    [
        None,
        MISSING,
        {},
        {"type": "dance"},
        {"type": "redirect"},
        {"type": "redirect", "url": "javascript:alert(1)"},
        {"type": "redirect", "url": "ftp://x"},
        {"type": "upi", "flow": "intent"},
        {"type": "upi", "flow": "sms", "payee_vpa": "a1@b1", "payee_name": "x",
         "payee_mcc": "1234", "reference": "ABCD"},
        {"type": "upi", "flow": "qr", "payee_vpa": "no vpa", "payee_name": "x",
         "payee_mcc": "1234", "reference": "ABCD"},
        {"type": "upi", "flow": "qr", "payee_vpa": "a1@b1", "payee_name": "x\u202ey",
         "payee_mcc": "1234", "reference": "ABCD"},
        {"type": "upi", "flow": "qr", "payee_vpa": "a1@b1", "payee_name": "x",
         "payee_mcc": "1234", "reference": "A-B&am=1"},
    ],
)  # fmt: skip
def test_an_action_that_nobody_can_do_is_unknown(action):
    assert isinstance(read(changed(status="action_required", action=action)), Unknown)


def test_a_redirect_is_passed_on():
    action = {"type": "redirect", "url": "https://bank.example/pay?x=1"}
    assert read(changed(status="action_required", action=action)) == ActionRequired("ch_1", action)


# ---------------------------------------------------------------------------------- over a socket


@pytest.fixture
def gateway():
    http = HttpClient()

    def make(url):
        settings = GatewaySettings(
            kind="sandbox", base_url=url, livemode=False, key_id="k", secret_file="",
            callback_secret_file="", connect_timeout_s=0.5, answer_timeout_s=0.5,
        )  # fmt: skip
        return SandboxGateway("sandbox", settings, http, KEYS)

    yield make
    http.close()


@pytest.mark.parametrize(
    "response",
    [
        answer(b"{"),
        answer(json.dumps(GOOD).encode(), "500 Oops"),
        answer(json.dumps(GOOD).encode()),  # about another attempt
        answer(b"x" * 2_000_000),
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + json.dumps(GOOD).encode(),
        b"garbage\r\n\r\n",
    ],
    ids=["cut JSON", "500", "another attempt", "too large", "cut body", "garbage"],
)
def test_a_strange_server_is_unknown(gateway, response):
    request = card("tok_approve")
    with RawServer(always(response)) as server:
        assert isinstance(gateway(server.url).authorize(request), Unknown)
        assert isinstance(gateway(server.url).enquire(request.attempt_id), Unknown)
