"""Razorpay's webhooks: verified by the bytes that came, and read. Pure.

    payment.authorized, payment.captured, payment.failed    named by the sealed note (checkout.py)
    order.paid                                              named by the order's receipt
    refund.created, refund.processed, refund.failed         named by the refund's receipt

Every other kind is genuine, is kept and counted, and says nothing to us: refusing it would make
Razorpay switch our webhook off after a day. So is a payment that was not made through our form.

The signature is an HMAC of the body alone: there is no time in it, and no number. What comes again
is known by its number together with its body; what is replayed under another number is applied
again, to objects that have moved on, and changes nothing.

Sources: webhooks/validate-test, webhooks/best-practices, webhooks/payments, webhooks/orders,
webhooks/refunds; github.com/razorpay/razorpay-python, utility/utility.py for the signature.
"""

import hashlib
import re

import msgspec

from rizzpay.gateways.port import BadCallback, Callback, CaptureMethod, Outcome, Unknown
from rizzpay.gateways.razorpay.answers import read_payment, read_refund_entity
from rizzpay.gateways.razorpay.checkout import NOTE, Checkout
from rizzpay.gateways.razorpay.wire import Event, Kind, Order, Payload, Payment, Refund, note
from rizzpay.gateways.signing import CallbackSecrets

SIGNATURE, EVENT_ID = "x-razorpay-signature", "x-razorpay-event-id"
NUMBER = re.compile(r"^[!-~]{1,100}$")
DIGEST_DIGITS = 16
NOBODYS = ""  # the attempt of an event that is about nothing of ours
PAYMENT_KINDS = frozenset({"payment.authorized", "payment.captured", "payment.failed"})
REFUND_KINDS = frozenset({"refund.created", "refund.processed", "refund.failed"})
APPLIED_KINDS = PAYMENT_KINDS | REFUND_KINDS | {"order.paid"}
KIND = msgspec.json.Decoder(Kind)
EVENT = msgspec.json.Decoder(Event)

About = tuple[str, Outcome]


def read_callback(
    headers: dict[str, str], body: bytes, secrets: CallbackSecrets, checkout: Checkout
) -> Callback:
    """Verify the signature of the raw body, then read; raises BadCallback."""
    lower = {name.lower(): value for name, value in headers.items()}
    event_id, given = lower.get(EVENT_ID, ""), lower.get(SIGNATURE, "")
    if not NUMBER.match(event_id) or not given:
        raise BadCallback("a header is missing")
    if not secrets.signed(body, given):
        raise BadCallback("the signature is wrong; it is of the body as it came, byte for byte")
    number = f"{event_id}.{hashlib.sha256(body).hexdigest()[:DIGEST_DIGITS]}"
    attempt_id, outcome = _about(body, checkout)
    return Callback(number, attempt_id, outcome)


def _about(body: bytes, checkout: Checkout) -> About:
    try:
        kind = KIND.decode(body).event
        if kind not in APPLIED_KINDS:
            return NOBODYS, Unknown(f"an event {kind} says nothing to us")
        payload = EVENT.decode(body).payload
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadCallback("the body is malformed") from None
    about = _of_kind(kind, payload, checkout)
    if about[0] != NOBODYS and isinstance(about[1], Unknown):
        raise BadCallback(about[1].detail)
    return about


def _of_kind(kind: str, payload: Payload, checkout: Checkout) -> About:
    if kind in REFUND_KINDS and payload.refund is not None:
        return _of_refund(payload.refund.entity)
    if payload.payment is None:
        raise BadCallback("the body is malformed")
    payment = payload.payment.entity
    if kind in PAYMENT_KINDS:
        return _of_payment(payment, checkout)
    if payload.order is None:
        raise BadCallback("the body is malformed")
    return _of_order(payload.order.entity, payment)


def _of_refund(refund: Refund) -> About:
    """A refund that we did not ask for (Razorpay's own, or one of its dashboard) is nobody's."""
    return refund.receipt or NOBODYS, read_refund_entity(refund)


def _of_payment(payment: Payment, checkout: Checkout) -> About:
    opened = checkout.opened(note(payment.notes, NOTE), payment.order_id or "")
    if opened is None:
        return NOBODYS, Unknown("the payment does not say whose it is; an enquiry will")
    attempt_id, capture = opened
    return attempt_id, read_payment(payment, capture)


def _of_order(order: Order, payment: Payment) -> About:
    if payment.order_id != order.id:
        raise BadCallback("order and payment do not belong together")
    return order.receipt or NOBODYS, read_payment(payment, CaptureMethod.AUTOMATIC)
