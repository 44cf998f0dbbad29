"""Razorpay's webhooks, as values: whose they are, and what nobody can pretend."""

import hashlib
import hmac
import json
import secrets

import pytest

from rizzpay.core.secret import Secret
from rizzpay.gateways.port import Approved, BadCallback, CaptureMethod, Declined, Processing
from rizzpay.gateways.razorpay.callbacks import APPLIED_KINDS, read_callback
from rizzpay.gateways.razorpay.checkout import Checkout
from rizzpay.gateways.signing import CallbackSecrets
from tests.gateways.test_razorpay_answers import ATTEMPT, GIVEN_BACK, ORDER, PAYMENT, REFUND

SECRET = secrets.token_urlsafe(18)
SIGNER = CallbackSecrets(Secret(SECRET))
CHECKOUT = Checkout("https://api.example", "rzp_test_1", "Shop", SIGNER)
AUTOMATIC, MANUAL = CaptureMethod.AUTOMATIC, CaptureMethod.MANUAL


def event(kind, **entities):
    payload = {name: {"entity": entity} for name, entity in entities.items()}
    return {"entity": "event", "event": kind, "contains": list(entities), "payload": payload}


def read(body, *, number="evt-1", checkout=CHECKOUT, **headers):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {
        "X-Razorpay-Event-Id": number,
        "X-Razorpay-Signature": hmac.new(SECRET.encode(), content, hashlib.sha256).hexdigest(),
        **headers,
    }
    return read_callback(sent, content, SIGNER, checkout)


def noted(capture=AUTOMATIC, **changes):
    sealed = CHECKOUT.sealed(ATTEMPT, changes.get("order_id", "order_1"), capture)
    return {**PAYMENT, "notes": {"rizzpay": sealed}, **changes}


@pytest.mark.parametrize(
    ("kind", "payment", "outcome"),
    [
        ("payment.captured", noted(), Approved),
        ("payment.authorized", noted(status="authorized", captured=False), Processing),
        ("payment.authorized", noted(MANUAL, status="authorized", captured=False), Approved),
        ("payment.failed", noted(status="failed", captured=False), Declined),
    ],
)
def test_a_payment_is_known_by_its_sealed_note(kind, payment, outcome):
    told = read(event(kind, payment=payment))
    assert (told.attempt_id, type(told.outcome)) == (ATTEMPT, outcome)


def test_an_order_and_a_refund_are_known_by_their_receipts():
    assert read(event("order.paid", order=ORDER, payment=PAYMENT)).attempt_id == ATTEMPT
    told = read(event("refund.processed", refund=GIVEN_BACK, payment=PAYMENT))
    assert (told.attempt_id, type(told.outcome)) == (REFUND.refund_id, Approved)
    assert told.outcome.rrn == "1" * 23


def test_a_customer_cannot_pay_one_order_in_the_name_of_another():
    """The note passes the customer's browser: of another order, or changed, it is nobody's."""
    mine = noted()["notes"]["rizzpay"]
    attempt_id, capture, seal = mine.split(".")
    other = f"{attempt_id[:-1]}X"
    for text in (
        CHECKOUT.sealed(ATTEMPT, "order_2", AUTOMATIC),
        f"{other}.{capture}.{seal}",
        f"{attempt_id}.manual.{seal}",
        f"{attempt_id}.{capture}.",
        f"{attempt_id}.{capture}",
        f"{attempt_id}.{capture}.{seal}é",
        ATTEMPT,
        "",
    ):
        payment = {**PAYMENT, "notes": {"rizzpay": text}}
        assert read(event("payment.captured", payment=payment)).attempt_id == "", text


@pytest.mark.parametrize("notes", [[], {}, {"rizzpay": 5}, {"rizzpay": None}, {"other": "x"}])
def test_a_payment_without_our_note_is_kept_and_nobodys(notes):
    told = read(event("payment.captured", payment={**PAYMENT, "notes": notes}))
    assert told.attempt_id == ""


def test_a_refund_of_the_dashboard_is_kept_and_nobodys():
    told = read(event("refund.processed", refund={**GIVEN_BACK, "receipt": None}))
    assert told.attempt_id == ""


@pytest.mark.parametrize(
    "kind", ["payment.downtime.started", "settlement.processed", "payment.dispute.created", "x"]
)
def test_a_kind_that_we_do_not_apply_is_kept_and_nobodys(kind):
    assert read(event(kind, whatever={"id": "x"})).attempt_id == ""


@pytest.mark.parametrize("kind", sorted(APPLIED_KINDS))
@pytest.mark.parametrize("payload", [{}, {"payment": {}}, [], None, {"payment": {"entity": 5}}])
def test_a_kind_that_we_apply_has_to_be_whole(kind, payload):
    with pytest.raises(BadCallback):
        read({"entity": "event", "event": kind, "payload": payload})


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b'{"entity":"event"}', b"null"])
def test_what_is_no_event_is_refused_though_it_is_signed(body):
    with pytest.raises(BadCallback, match="malformed"):
        read(body)


def test_a_status_that_is_in_no_table_is_refused():
    with pytest.raises(BadCallback, match="unlisted"):
        read(event("payment.captured", payment=noted(status="settled")))


def test_an_order_does_not_take_the_payment_of_another():
    with pytest.raises(BadCallback, match="belong together"):
        read(event("order.paid", order=ORDER, payment={**PAYMENT, "order_id": "order_2"}))


def test_a_number_is_of_its_body():
    """The number is not signed: nobody can use up the number of an event that is to come."""
    first = read(event("payment.captured", payment=noted()))
    again = read(event("payment.captured", payment=noted()))
    other = read(event("payment.failed", payment=noted(status="failed", captured=False)))
    assert first.provider_event_id == again.provider_event_id
    assert first.provider_event_id != other.provider_event_id


@pytest.mark.parametrize("number", ["", "x" * 101, "a b", "é", "a\nb"])
def test_a_number_has_to_be_there_and_short(number):
    with pytest.raises(BadCallback, match="header"):
        read(event("payment.captured", payment=noted()), number=number)


def test_headers_have_any_spelling():
    body = json.dumps(event("order.paid", order=ORDER, payment=PAYMENT)).encode()
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {"x-razorpay-event-id": "evt-1", "X-RAZORPAY-SIGNATURE": signature}
    assert read_callback(headers, body, SIGNER, CHECKOUT).attempt_id == ATTEMPT
