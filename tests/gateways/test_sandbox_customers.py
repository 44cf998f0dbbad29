"""The customer's side, the webhook inbox, and who may ask what."""

import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from rizzpay.gateways.port import (
    ActionRequired,
    Approved,
    BankTransfer,
    Declined,
    NetBanking,
    UpiIntent,
    UpiQr,
    Wallet,
)
from rizzpay.sandbox import magic
from tests.gateways.acquirer import KEYS, card, order

BROWSER = {"Accept": "text/html,application/xhtml+xml"}


def approve(acquirer, outcome, act="approve", **headers):
    return acquirer.http(
        "POST", f"/customer/{outcome.gateway_reference}/{act}", headers=headers or None
    )


@pytest.mark.parametrize(
    "method", [UpiIntent(), UpiQr(), NetBanking("HDFC"), Wallet("paytm"), BankTransfer()]
)
def test_a_customer_approves(gateway, acquirer, method):
    request = order(method)
    status, _, text = approve(acquirer, gateway.authorize(request))
    assert status == 200
    assert json.loads(text)["status"] == "approved"
    outcome = gateway.enquire(request.attempt_id)
    assert isinstance(outcome, Approved)
    assert outcome.captured
    assert acquirer.moved(request.payment_id)["captured"] == 50_000


def test_a_customer_declines(gateway, acquirer):
    request = order(Wallet("phonepe"))
    approve(acquirer, gateway.authorize(request), "decline")
    assert gateway.enquire(request.attempt_id).reason == "customer_cancelled"
    assert acquirer.ledger(request.payment_id) == []


def test_a_customer_acts_once(gateway, acquirer):
    request = order(UpiIntent())
    asked = gateway.authorize(request)
    assert approve(acquirer, asked)[0] == 200
    assert approve(acquirer, asked)[0] == 409
    assert approve(acquirer, asked, "decline")[0] == 409
    assert acquirer.moved(request.payment_id)["captured"] == 50_000


def test_a_customer_may_come_too_late(gateway, acquirer):
    past = datetime.now(UTC) - timedelta(seconds=2)
    request = order(UpiIntent(), expires_at=past)
    asked = gateway.authorize(request)
    assert isinstance(asked, ActionRequired)
    assert approve(acquirer, asked)[0] == 409
    assert gateway.enquire(request.attempt_id).reason == "payment_expired"
    assert acquirer.ledger(request.payment_id) == []


@pytest.mark.parametrize(
    ("amount", "reason"), [(10_002, "declined"), (10_011, "insufficient_funds")]
)
def test_the_bank_may_decline_what_the_customer_approves(gateway, acquirer, amount, reason):
    request = order(NetBanking("SBI"), amount)
    approve(acquirer, gateway.authorize(request))
    assert gateway.enquire(request.attempt_id).reason == reason


def test_a_browser_is_sent_back_to_the_merchant(gateway, acquirer):
    request = order(NetBanking("HDFC"), return_url="https://shop.example/done?cart=7")
    status, headers, _ = approve(acquirer, gateway.authorize(request), **BROWSER)
    assert status == 303
    told = f"payment_id={request.payment_id}&status=approved"
    assert headers["Location"] == f"https://shop.example/done?cart=7&{told}"


def test_a_browser_without_a_way_back_sees_the_result(gateway, acquirer):
    status, _, text = approve(acquirer, gateway.authorize(order(Wallet("paytm"))), **BROWSER)
    assert status == 200
    assert "<strong>approved</strong>" in text


def test_the_hosted_page_shows_what_is_paid_and_runs_nothing(gateway, acquirer):
    asked = gateway.authorize(order(NetBanking("HDFC"), description="<script>alert(1)</script>"))
    page = f"/customer/{asked.gateway_reference}"
    assert asked.next_action["url"] == acquirer.url + page
    status, headers, text = acquirer.http("GET", page)
    assert status == 200
    assert "₹500.00" in text
    assert "HDFC" in text
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert text.count("<form") == text.count('method="post"') == 2
    assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_an_unknown_page_is_not_found(acquirer):
    assert acquirer.http("GET", "/customer/ch_nothing")[0] == 404
    assert acquirer.http("GET", "/nothing")[0] == 404


# ------------------------------------------------------------------------------ the mock UPI app


def scan(acquirer, link):
    status, _, text = acquirer.http("POST", "/customer/scan", json.dumps({"upi": link}).encode())
    return status, json.loads(text)


@pytest.mark.parametrize("method", [UpiIntent(), UpiQr()])
def test_a_upi_app_pays_the_link(gateway, acquirer, method):
    request = order(method)
    link = gateway.authorize(request).next_action["url"]
    status, result = scan(acquirer, link)
    assert (status, result["status"]) == (200, "approved")
    assert isinstance(gateway.enquire(request.attempt_id), Approved)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("am=500.00", "am=1.00"),
        ("cu=INR", "cu=USD"),
        ("pa=rizzpay", "pa=thief"),
        ("upi://pay", "upi://mandate"),
        ("upi:", "http:"),
        ("&am=500.00", ""),
    ],
)
def test_a_changed_link_is_not_paid(gateway, acquirer, old, new):
    request = order(UpiQr())
    link = gateway.authorize(request).next_action["url"]
    assert old in link
    assert scan(acquirer, link.replace(old, new))[0] == 422
    assert isinstance(gateway.enquire(request.attempt_id), ActionRequired)


@pytest.mark.parametrize("link", ["", "nonsense", "upi://pay?", "upi://pay?tr=CHX&am=1"])
def test_a_strange_link_is_refused(acquirer, link):
    assert scan(acquirer, link)[0] in {404, 422}


# -------------------------------------------------------------------------------------- inbox


def test_the_inbox_keeps_what_comes(acquirer):
    body = b'{"type":"payment.captured"} \xff'
    sent = {"webhook-id": "evt_1", "Content-Type": "application/json"}
    assert acquirer.http("POST", "/inbox/shop-1", body, sent)[0] == 200
    assert acquirer.http("POST", "/inbox/shop-2", b"other")[0] == 200
    _, _, text = acquirer.http("GET", "/inbox/shop-1")
    (only,) = json.loads(text)["data"]
    assert only["headers"]["webhook-id"] == "evt_1"
    assert base64.b64decode(only["body_base64"]) == body
    assert acquirer.http("DELETE", "/inbox/shop-1")[0] == 204
    assert json.loads(acquirer.http("GET", "/inbox/shop-1")[2])["data"] == []
    assert len(json.loads(acquirer.http("GET", "/inbox/shop-2")[2])["data"]) == 1


def test_the_inbox_answers_as_it_is_told(acquirer):
    started = time.monotonic()
    assert acquirer.http("POST", "/inbox/bad?status=503&delay_ms=200", b"x")[0] == 503
    assert time.monotonic() - started >= 0.2
    (only,) = json.loads(acquirer.http("GET", "/inbox/bad")[2])["data"]
    assert only["answered"] == 503


def test_the_inbox_is_read_in_pages(acquirer):
    for index in range(5):
        acquirer.http("POST", "/inbox/pages", str(index).encode())
    page = json.loads(acquirer.http("GET", "/inbox/pages?limit=2")[2])
    assert page["has_more"]
    after = page["data"][-1]["seq"]
    rest = json.loads(acquirer.http("GET", f"/inbox/pages?after={after}")[2])
    assert [one["body"] for one in page["data"] + rest["data"]] == list("01234")
    assert not rest["has_more"]


def test_the_inbox_has_bounds(acquirer):
    assert acquirer.http("POST", "/inbox/large", b"x" * 300_000)[0] == 413
    assert acquirer.http("POST", f"/inbox/{'n' * 65}", b"x")[0] == 422
    assert acquirer.http("POST", "/inbox/x?status=99", b"x")[0] == 400


# -------------------------------------------------------------------------------- who may ask


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/v1/charges"),
        ("POST", "/v1/charges/ch_1/capture"),
        ("POST", "/v1/charges/ch_1/void"),
        ("POST", "/v1/refunds"),
        ("POST", "/v1/enquiries"),
        ("GET", "/v1/attempts/att_1"),
        ("GET", "/v1/ledger"),
        ("GET", "/v1/ledger/summary"),
    ],
)
def test_the_protocol_answers_only_signed_requests(acquirer, method, target):
    assert acquirer.http(method, target, b"{}" if method == "POST" else b"")[0] == 401
    assert acquirer.call(method, target, secret="wrong")[0] == 401
    assert acquirer.call(method, target, at=time.time() - 400)[0] == 401
    assert acquirer.call(method, target, at=time.time() + 400)[0] == 401
    assert acquirer.call(method, target, {} if method == "POST" else None)[0] in {200, 404, 422}


def test_a_signature_covers_the_query(acquirer):
    status, _, _ = acquirer.http(
        "GET", "/v1/ledger?after=1", headers=signed(acquirer, "/v1/ledger?after=2")
    )
    assert status == 401


def signed(acquirer, target):
    timestamp = str(int(time.time()))
    message = f"{timestamp}\nGET\n{target}\n".encode()
    key = KEYS.secret.reveal().encode()
    return {
        "X-Sandbox-Key": KEYS.key_id,
        "X-Sandbox-Timestamp": timestamp,
        "X-Sandbox-Signature": hmac.new(key, message, hashlib.sha256).hexdigest(),
    }


CHARGE = {
    "attempt_id": "att_check",
    "payment_id": "pay_check",
    "amount": 100,
    "currency": "INR",
    "method": {"type": "card", "token": "tok_approve"},
    "capture_method": "automatic",
    "callback_url": "http://127.0.0.1/x",
    "expires_at": 4_000_000_000,
}


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 1.0},
        {"amount": True},
        {"amount": "100"},
        {"amount": 0},
        {"amount": -1},
        {"amount": 2**53},
        {"currency": "XYZ"},
        {"currency": "inr"},
        {"method": {"type": "cheque"}},
        {"method": {"type": "card"}},
        {"method": {"type": "upi", "flow": "collect"}},
        {"method": {"type": "upi", "flow": "intent", "vpa": "a@b"}},
        {"method": {"type": "upi", "flow": "intent"}, "currency": "USD"},
        {"capture_method": "later"},
        {"attempt_id": ""},
        {"attempt_id": "a" * 65},
        {"return_url": "javascript:alert(1)"},
        {"unknown": 1},
    ],
)
def test_a_charge_that_is_not_as_agreed_is_refused_and_forgotten(acquirer, change):
    status, answer = acquirer.call("POST", "/v1/charges", {**CHARGE, **change})
    assert (status, answer["error"]) == (422, "invalid")
    assert acquirer.call("GET", "/v1/attempts/att_check")[0] == 404


def test_a_body_that_is_no_json_is_refused(acquirer):
    assert acquirer.call("POST", "/v1/charges", CHARGE | {"amount": 10**400})[0] == 422
    assert acquirer.http("POST", "/v1/charges", b"x" * 70_000)[0] == 413


def test_the_front_page_names_every_magic_value(acquirer):
    status, _, text = acquirer.http("GET", "/")
    assert status == 200
    for value in (*magic.TOKENS, *magic.VPAS):
        assert f"<code>{value}</code>" in text
    assert json.loads(acquirer.http("GET", "/health")[2]) == {"status": "ok"}


def test_the_summary_adds_the_ledger_up(own_acquirer):
    gateway = own_acquirer.gateway()
    assert isinstance(gateway.authorize(card("tok_approve", 700)), Approved)
    assert isinstance(gateway.authorize(card("tok_approve", 300)), Approved)
    assert isinstance(gateway.authorize(card("tok_decline_generic", 300)), Declined)
    assert isinstance(gateway.authorize(order(Wallet("paytm"))), ActionRequired)
    _, summary = own_acquirer.call("GET", "/v1/ledger/summary")
    assert summary["ledger"] == [
        {"kind": "authorized", "currency": "INR", "count": 2, "amount": 1000},
        {"kind": "captured", "currency": "INR", "count": 2, "amount": 1000},
    ]
    counts = {(row["kind"], row["status"]): row["count"] for row in summary["attempts"]}
    assert counts == {
        ("charge", "approved"): 2,
        ("charge", "declined"): 1,
        ("charge", "action_required"): 1,
    }


def test_tokens_are_not_shown_to_the_customer(gateway, acquirer):
    asked = gateway.authorize(card("tok_action"))
    _, _, text = acquirer.http("GET", f"/customer/{asked.gateway_reference}")
    assert "tok_action" not in text
