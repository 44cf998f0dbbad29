"""Callbacks: signed, repeated, retried, and believed only when they are genuine and fresh."""

import hashlib
import hmac
import json
import ssl
import subprocess
import time
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from rizzpay.core.money import Money
from rizzpay.core.secret import Secret
from rizzpay.gateways.port import (
    Approved,
    BadCallback,
    Declined,
    RefundRequest,
    UpiCollect,
    UpiIntent,
)
from rizzpay.gateways.sandbox.connector import Keys
from tests.gateways.acquirer import KEYS, Acquirer, card, new_id, order
from tests.gateways.conftest import Receiver
from tests.gateways.raw_server import RawServer, answer, read_request


def collect(vpa, receiver, amount=50_000):
    method = UpiCollect(Secret(vpa), "mcc_6012")
    return order(method, amount, callback_url=receiver.url)


def read(gateway, letter, now=None):
    headers, body = letter
    return gateway.read_callback(headers, body, now or datetime.now(UTC))


def test_an_approval_is_told(gateway, receiver):
    request = collect("success@rizzpay", receiver)
    gateway.authorize(request)
    told = read(gateway, receiver.wait(1)[0])
    assert told.attempt_id == request.attempt_id
    assert isinstance(told.outcome, Approved)
    assert told.outcome == gateway.enquire(request.attempt_id)
    receiver.none_more(1)


def test_a_decline_is_told(gateway, receiver):
    request = collect("failure@rizzpay", receiver)
    gateway.authorize(request)
    told = read(gateway, receiver.wait(1)[0])
    assert isinstance(told.outcome, Declined)


def test_an_answer_at_once_needs_no_callback(gateway, receiver):
    gateway.authorize(card("tok_approve", callback_url=receiver.url))
    receiver.none_more(0)


@pytest.mark.parametrize("method", ["card", "collect"])
def test_a_duplicate_has_the_same_id_and_body(gateway, receiver, method):
    made = {
        "card": card("tok_duplicate_callback", callback_url=receiver.url),
        "collect": collect("duplicate@rizzpay", receiver),
    }[method]
    gateway.authorize(made)
    first, second = receiver.wait(2)
    assert read(gateway, first) == read(gateway, second)
    assert first[1] == second[1]
    receiver.none_more(2)


def test_a_late_authorization_is_told_after_its_decline(gateway, receiver):
    gateway.authorize(collect("late-success@rizzpay", receiver))
    declined, approved = (read(gateway, letter).outcome for letter in receiver.wait(2))
    assert isinstance(declined, Declined)
    assert isinstance(approved, Approved)


def test_money_that_comes_after_calling_off_is_told(gateway, acquirer, receiver):
    request = order(UpiIntent(), 10_005, callback_url=receiver.url)
    reference = gateway.authorize(request).gateway_reference
    acquirer.http("POST", f"/customer/{reference}/decline")
    declined, approved = (read(gateway, letter).outcome for letter in receiver.wait(2))
    assert isinstance(declined, Declined)
    assert isinstance(approved, Approved)


def test_a_refund_in_processing_is_told_when_it_is_done(gateway, receiver):
    request = card("tok_approve", callback_url=receiver.url)
    paid = gateway.authorize(request)
    refund = RefundRequest(new_id("refund"), paid.gateway_reference, Money(110, "INR"))
    gateway.refund(refund)
    told = read(gateway, receiver.wait(1)[0])
    assert told.attempt_id == refund.refund_id
    assert isinstance(told.outcome, Approved)
    assert told.outcome.money.minor == 110


def test_a_refused_callback_comes_again(gateway, receiver):
    receiver.statuses = ["500 Oops", "302 Found"]
    gateway.authorize(collect("success@rizzpay", receiver))
    letters = receiver.wait(3, seconds=8)
    assert len({read(gateway, letter).provider_event_id for letter in letters}) == 1
    receiver.none_more(3)


def test_a_callback_survives_a_crash_of_the_acquirer(own_acquirer, receiver):
    gateway = own_acquirer.gateway()
    receiver.statuses = ["503 Later"]
    request = collect("success@rizzpay", receiver)
    gateway.authorize(request)
    receiver.wait(1)
    own_acquirer.kill()
    own_acquirer.start()
    told = read(gateway, receiver.wait(2)[1])
    assert told.attempt_id == request.attempt_id


def test_callbacks_over_tls_are_checked(tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    came = []

    def behave(connection, number):
        with context.wrap_socket(connection, server_side=True) as wrapped:
            while request := read_request(wrapped):
                came.append(request)
                wrapped.sendall(answer(b""))

    with RawServer(behave) as server:
        url = f"https://127.0.0.1:{server.port}/webhooks/sandbox"
        for options, count in (({}, 0), ({"--callback-ca-file": str(tmp_path / "ca.pem")}, 2)):
            acquirer = Acquirer(tmp_path / f"own{count}", options)
            for _ in range(2):
                request = card("tok_processing", callback_url=url)
                acquirer.gateway().authorize(request)
            ends = time.monotonic() + 3
            while len(came) < count and time.monotonic() < ends:
                time.sleep(0.02)
            acquirer.stop()
            assert len(came) == count


def test_an_operator_opens_other_addresses(tmp_path):
    acquirer = Acquirer(tmp_path / "own", {"--callback-url-prefix": "https://pay.example.com"})
    gateway = acquirer.gateway()
    urls = {
        "https://pay.example.com/webhooks": True,
        "https://pay.example.com": True,
        "https://pay.example.com.evil.example/": False,
        "https://pay.example.com@evil.example/": False,
        "http://pay.example.com/": False,
        "http://127.0.0.1/": False,
    }
    for url, allowed in urls.items():
        outcome = gateway.authorize(card("tok_approve", callback_url=url))
        assert isinstance(outcome, Approved) is allowed, url
    acquirer.stop()


# ------------------------------------------------------------------------------ what is believed


@pytest.fixture(scope="module")
def letter(acquirer):
    """One genuine callback."""
    with Receiver() as receiver:
        acquirer.gateway().authorize(card("tok_processing", callback_url=receiver.url))
        return receiver.wait(1)[0]


def test_header_names_are_read_in_any_case(gateway, letter):
    headers, body = letter
    assert read(gateway, ({name.title(): text for name, text in headers.items()}, body))


def signed_at(letter):
    return datetime.fromtimestamp(int(letter[0]["x-sandbox-timestamp"]), UTC)


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_a_clock_may_be_a_little_off(gateway, letter, seconds):
    assert read(gateway, letter, signed_at(letter) + timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [-(10**6), -301, 301, 10**9])
def test_an_old_or_early_callback_is_refused(gateway, letter, seconds):
    with pytest.raises(BadCallback, match="old"):
        read(gateway, letter, signed_at(letter) + timedelta(seconds=seconds))


def test_every_changed_byte_of_the_body_is_noticed(gateway, letter):
    headers, body = letter
    for index in range(len(body)):
        changed = body[:index] + bytes([body[index] ^ 1]) + body[index + 1 :]
        with pytest.raises(BadCallback, match="signature"):
            read(gateway, (headers, changed))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x-sandbox-id", "evt_other"),
        ("x-sandbox-id", ""),
        ("x-sandbox-timestamp", "0"),
        ("x-sandbox-timestamp", "-5"),
        ("x-sandbox-timestamp", "1e9"),
        ("x-sandbox-timestamp", "٣"),
        ("x-sandbox-timestamp", "9" * 5000),
        ("x-sandbox-signature", ""),
        ("x-sandbox-signature", "0" * 64),
        ("x-sandbox-signature", "ü" * 64),
    ],
)
def test_a_changed_header_is_noticed(gateway, letter, name, text):
    headers, body = letter
    with pytest.raises(BadCallback):
        read(gateway, ({**headers, name: text}, body))


@pytest.mark.parametrize("name", ["x-sandbox-id", "x-sandbox-timestamp", "x-sandbox-signature"])
def test_a_missing_header_is_refused(gateway, letter, name):
    headers, body = letter
    with pytest.raises(BadCallback):
        read(gateway, ({key: text for key, text in headers.items() if key != name}, body))


def test_another_secret_is_refused(acquirer, letter):
    other = Keys("test-key", KEYS.secret, Secret("another"))
    with pytest.raises(BadCallback, match="signature"):
        read(acquirer.gateway(keys=other), letter)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b"{}",
        b'{"result":{}}',
        b"\xff\xfe",
        json.dumps({"result": {"attempt_id": "att_1", "kind": "charge", "status": "new",
                               "reference": "ch_1", "amount": 1, "currency": "INR"}}).encode(),
        json.dumps({"result": {"attempt_id": "att_1", "kind": "charge", "status": "approved",
                               "reference": "ch_1", "amount": True, "currency": "INR"}}).encode(),
    ],
)  # fmt: skip
def test_a_genuine_signature_does_not_make_nonsense_readable(gateway, body):
    timestamp = str(int(time.time()))
    message = f"evt_1.{timestamp}.".encode() + body
    key = KEYS.callback_secret.reveal().encode()
    headers = {
        "x-sandbox-id": "evt_1",
        "x-sandbox-timestamp": timestamp,
        "x-sandbox-signature": hmac.new(key, message, hashlib.sha256).hexdigest(),
    }
    with pytest.raises(BadCallback):
        read(gateway, (headers, body))


def test_the_acquirer_ends_while_callbacks_wait(own_acquirer):
    nobody = "http://127.0.0.1:9/x"
    own_acquirer.gateway().authorize(card("tok_processing", callback_url=nobody))
    time.sleep(0.2)
    _, summary = own_acquirer.call("GET", "/v1/ledger/summary")
    assert summary["callbacks"] == {"waiting": 1, "given_up": 0}
    try:
        assert own_acquirer.stop() == 0
    except subprocess.TimeoutExpired:
        pytest.fail("it does not stop")
