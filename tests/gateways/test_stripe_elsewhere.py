"""Stripe as others read it: its own SDK at our server, and our connector at another mock.

The SDK (stripe, by Stripe) verifies the signatures of our conformance server and speaks to it, so
that server and connector are not merely two halves of one mistake. localstripe, by others, has
intents and refunds. It has no Checkout, so payments are begun there by its API; it does not tell
`amount_received`, and refuses the metadata of a capture.
"""

import json
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
import stripe

from rizzpay.config import GatewaySettings
from rizzpay.core.money import Money
from rizzpay.gateways import catalog
from rizzpay.gateways.port import (
    Approved,
    CaptureRequest,
    Declined,
    RefundRequest,
    Unknown,
    VoidRequest,
)
from rizzpay.infra.http_client import HttpClient
from tests.gateways.acquirer import new_id
from tests.gateways.conftest import Receiver
from tests.gateways.contract.row import secret_file
from tests.gateways.contract.rows.stripe import Row

START_S = 20


@pytest.fixture(scope="module")
def receiver():
    with Receiver() as made:
        yield made


@pytest.fixture(scope="module")
def row(tmp_path_factory, receiver):
    made = Row(tmp_path_factory.mktemp("stripe"), receiver.url)
    yield made
    assert made.stop() == 0


@pytest.fixture(scope="module")
def http():
    client = HttpClient()
    yield client
    client.close()


def connector(http, url, secret_file, callback_secret_file):
    settings = GatewaySettings(
        kind="stripe",
        base_url=url,
        livemode=False,
        key_id="",
        secret_file=secret_file,
        callback_secret_file=callback_secret_file,
        return_url="https://shop.example/thanks",
    )
    config = type("Settings", (), {"gateways": {"it": settings}})
    return catalog.build(config, http).get("it").connector


# ----------------------------------------------------------------------- Stripe's SDK at our server


@pytest.fixture
def sdk(row):
    return stripe.StripeClient(
        row.secret, base_addresses={"api": row.url}, max_network_retries=0,
        http_client=stripe.RequestsClient(),
    )  # fmt: skip


@pytest.fixture
def ours(row, http):
    return connector(http, row.url, row.secret_file, row.callback_secret_file)


def test_the_sdk_verifies_the_webhooks_of_our_server(row, ours, receiver):
    request = row.waiting("")
    before = len(receiver.letters)
    row.pay(ours.authorize(request))
    headers, body = receiver.wait(before + 1)[-1]
    signature = headers["stripe-signature"]
    event = stripe.Webhook.construct_event(body, signature, row.callback_secret)
    assert event.id == ours.read_callback(headers, body, datetime.now(UTC)).provider_event_id
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body + b" ", signature, row.callback_secret)


def test_the_connector_believes_what_the_sdk_signs(ours, row):
    event = {"id": "evt_1", "object": "event", "type": "charge.updated", "data": {"object": {}}}
    body = json.dumps(event)
    header = stripe.WebhookSignature.generate_signature_header(body, row.callback_secret)
    told = ours.read_callback({"Stripe-Signature": header}, body.encode(), datetime.now(UTC))
    assert (told.provider_event_id, told.attempt_id) == ("evt_1", "")


def test_the_sdk_reads_what_the_connector_made(row, ours, sdk):
    request = row.waiting("")
    asked = ours.authorize(request)
    session = sdk.v1.checkout.sessions.retrieve(asked.gateway_reference)
    assert (session.client_reference_id, session.status) == (request.attempt_id, "open")
    row.pay(asked)
    approved = ours.enquire(request.attempt_id, reference=asked.gateway_reference)
    intent = sdk.v1.payment_intents.retrieve(approved.gateway_reference)
    assert (intent.status, intent.amount_received, intent.currency) == ("succeeded", 50_000, "inr")
    refund = RefundRequest(new_id("refund"), intent.id, Money(20_000, "INR"))
    assert isinstance(ours.refund(refund), Approved)
    listed = sdk.v1.refunds.list({"payment_intent": intent.id}).data
    assert [(one.amount, one.status) for one in listed] == [(20_000, "succeeded")]


def test_the_sdk_makes_a_session_and_is_refused_as_by_stripe(row, sdk):
    options = {"idempotency_key": new_id("attempt")}
    price = {"currency": "inr", "unit_amount": 50_000, "product_data": {"name": "Book"}}
    params = {
        "mode": "payment",
        "line_items": [{"price_data": price, "quantity": 1}],
        "success_url": "https://shop.example/thanks",
    }
    made = sdk.v1.checkout.sessions.create(params, options)
    assert sdk.v1.checkout.sessions.create(params, options).id == made.id
    with pytest.raises(stripe.IdempotencyError):
        sdk.v1.checkout.sessions.create({**params, "client_reference_id": "x"}, options)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        sdk.v1.payment_intents.capture(made.payment_intent)
    assert refused.value.code == "payment_intent_unexpected_state"
    with pytest.raises(stripe.AuthenticationError):
        wrong = stripe.StripeClient("sk_test_wrong", base_addresses={"api": row.url})
        wrong.v1.refunds.list()


# ------------------------------------------------------------------------------------- localstripe


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """The address of a running localstripe."""
    directory = tmp_path_factory.mktemp("localstripe")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "localstripe", "--port", str(port), "--from-scratch"]
    process = subprocess.Popen(
        command, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    end = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            assert time.monotonic() < end, "localstripe does not listen"
            time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(timeout=10)


@pytest.fixture
def key(tmp_path):
    return str(secret_file(tmp_path / "key", "sk_test_12345"))


@pytest.fixture
def there(local, http, key):
    return connector(http, local, key, key)


@pytest.fixture
def begin(local, key):
    """Make an intent that is confirmed with a card that is always good."""
    api = stripe.StripeClient("sk_test_12345", base_addresses={"api": local})

    def make(capture_method):
        method = api.v1.payment_methods.create({
            "type": "card",
            "card": {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"},
        })  # fmt: skip
        attempt_id = new_id("attempt")
        intent = api.v1.payment_intents.create({
            "amount": 50_000, "currency": "inr", "payment_method": method.id, "confirm": True,
            "capture_method": capture_method, "metadata": {"rizzpay_attempt": attempt_id},
        })  # fmt: skip
        return attempt_id, intent.id

    return make


def test_a_refund_at_localstripe(there, begin):
    attempt_id, intent_id = begin("automatic")
    assert isinstance(there.enquire(attempt_id, reference=intent_id), Unknown)
    refund = RefundRequest(new_id("refund"), intent_id, Money(20_000, "INR"))
    given = there.refund(refund)
    assert (given.money, given.captured) == (refund.money, False)
    assert there.enquire(refund.refund_id, about=refund) == given


def test_a_hold_is_released_at_localstripe(there, begin):
    attempt_id, intent_id = begin("manual")
    held = there.enquire(attempt_id, reference=intent_id)
    assert held == Approved(intent_id, Money(50_000, "INR"), captured=False)
    capture = CaptureRequest(new_id("capture"), intent_id, Money(50_000, "INR"), final=True)
    assert isinstance(there.capture(capture), Declined)
    void = VoidRequest(new_id("attempt"), intent_id)
    assert isinstance(there.void(void), Approved)
    assert isinstance(there.enquire(attempt_id, reference=intent_id), Declined)
