"""Stripe's webhooks, as values: which of our requests each kind is about, and what it says."""

import hashlib
import hmac
import json
import secrets
from datetime import UTC, datetime

import pytest

from rizzpay.core import clock
from rizzpay.core.money import Money
from rizzpay.core.secret import Secret
from rizzpay.gateways.port import Approved, BadCallback, Declined, Processing, Unknown
from rizzpay.gateways.signing import CallbackSecrets
from rizzpay.gateways.stripe.callbacks import read_callback
from tests.gateways.test_stripe_answers import ATTEMPT, GIVEN_BACK, INTENT, REFUND, SESSION

SECRET = "whsec_" + secrets.token_urlsafe(18)
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
AT = clock.unix_s(NOW)


def v1(body, at=AT, secret=SECRET):
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def event(kind, entity):
    told = {"id": "evt_1", "object": "event", "type": kind, "data": {"object": entity}}
    return json.dumps(told).encode()


def read(body, header=None):
    headers = {"Stripe-Signature": header or f"t={AT},v1={v1(body)}"}
    return read_callback(headers, body, NOW, CallbackSecrets(Secret(SECRET)))


@pytest.mark.parametrize(
    ("kind", "entity", "wanted"),
    [
        ("payment_intent.succeeded", INTENT, Approved),
        ("payment_intent.amount_capturable_updated", {**INTENT, "status": "requires_capture"},
         Approved),
        ("payment_intent.processing", {**INTENT, "status": "processing"}, Processing),
        ("payment_intent.canceled", {**INTENT, "status": "canceled"}, Declined),
        ("checkout.session.completed",
         {**SESSION, "status": "complete", "payment_status": "paid", "payment_intent": "pi_1"},
         Approved),
        ("checkout.session.expired", {**SESSION, "status": "expired"}, Declined),
        ("checkout.session.async_payment_failed", {**SESSION, "status": "complete"}, Declined),
    ],
)  # fmt: skip
def test_an_event_is_about_the_attempt_that_it_names(kind, entity, wanted):
    told = read(event(kind, entity))
    assert (told.provider_event_id, told.attempt_id) == ("evt_1", ATTEMPT)
    assert isinstance(told.outcome, wanted)
    if wanted is Approved:
        assert told.outcome.money == Money(10_000, "INR")
        assert told.outcome.gateway_reference == "pi_1"


@pytest.mark.parametrize("kind", ["refund.created", "refund.updated", "refund.failed"])
def test_a_refund_is_named_by_its_metadata(kind):
    told = read(event(kind, GIVEN_BACK))
    assert told.attempt_id == REFUND.refund_id
    assert told.outcome.money == REFUND.money


@pytest.mark.parametrize(
    ("kind", "entity"),
    [
        ("charge.updated", {}),
        ("payment_intent.payment_failed", {**INTENT, "status": "requires_payment_method"}),
        ("payment_intent.succeeded", {**INTENT, "metadata": {}}),
        ("checkout.session.completed", {**SESSION, "status": "complete"}),
        ("checkout.session.expired", {**SESSION, "client_reference_id": None}),
        ("refund.created", {**GIVEN_BACK, "metadata": None}),
    ],
)
def test_what_is_nobodys_is_kept(kind, entity):
    assert read(event(kind, entity)).attempt_id == ""


@pytest.mark.parametrize(
    "entity",
    [{}, {**INTENT, "status": "odd"}, {**INTENT, "currency": "xyz"}, {**INTENT, "amount": "1"}, []],
)
def test_what_is_ours_and_cannot_be_read_is_refused(entity):
    with pytest.raises(BadCallback):
        read(event("payment_intent.succeeded", entity))


def test_one_of_several_signatures_is_enough():
    body = event("charge.updated", {})
    others = f"v1={v1(body, secret='another')}"
    assert isinstance(read(body, f"t={AT},{others},v1={v1(body)},v0={'0' * 64}").outcome, Unknown)
    with pytest.raises(BadCallback, match="wrong"):
        read(body, f"t={AT},{others}")
    with pytest.raises(BadCallback, match="wrong"):
        read(body, f"t={AT},{others},v0={v1(body)}")


@pytest.mark.parametrize(
    "header",
    [
        "t=", "v1=" + "0" * 64, f"t={AT}", f"t={AT},v1=", f"t=-{AT},v1={'0' * 64}",
        f"t={'1' * 13},v1={'0' * 64}", f"t=١٢٣,v1={'0' * 64}", f"t={AT},v1={'0' * 63}",
        "t=1" + f",v1={'0' * 64}" * 9, "é",
    ],
)  # fmt: skip
def test_a_header_in_another_form_is_refused(header):
    with pytest.raises(BadCallback, match="malformed"):
        read(event("charge.updated", {}), header)


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_signature_is_good_for_five_minutes(seconds):
    body = event("charge.updated", {})
    read(body, f"t={AT + 300},v1={v1(body, AT + 300)}")
    with pytest.raises(BadCallback, match="too old or too new"):
        read(body, f"t={AT + seconds},v1={v1(body, AT + seconds)}")
