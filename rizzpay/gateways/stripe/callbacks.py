"""Stripe's webhooks: verified by the bytes that came and by their time, and read. Pure.

    payment_intent.amount_capturable_updated, payment_intent.succeeded, payment_intent.processing,
    payment_intent.canceled                         named by the intent's metadata
    checkout.session.completed, if it is paid       named by the session's client_reference_id
    checkout.session.async_payment_failed, checkout.session.expired    the same
    refund.created, refund.updated, refund.failed   named by the refund's metadata

Every other kind is genuine, is kept and counted, and says nothing to us. So does a try that failed
(payment_intent.payment_failed): while the page is open the customer may try again.

The signature is an HMAC of time and body, `t=…,v1=…`, with one `v1` for each secret while the
secret is being changed. The number of an event is in the body, so it is signed.

Sources: webhooks/signature, webhooks (`Stripe-Signature`), api/events/types; the header's form as
github.com/stripe/stripe-python, stripe/_webhook.py, verifies it.
"""

import re
from datetime import datetime
from typing import TypeVar

import msgspec

from rizzpay.core import clock
from rizzpay.gateways.declines import declined
from rizzpay.gateways.port import Approved, BadCallback, Callback, Outcome, Unknown
from rizzpay.gateways.signing import CallbackSecrets
from rizzpay.gateways.stripe.answers import money_of, read_intent, read_refund_entity
from rizzpay.gateways.stripe.wire import (
    ATTEMPT,
    REFUND,
    Event,
    Intent,
    Kind,
    Refund,
    Session,
    named,
)

SIGNATURE = "stripe-signature"
TOLERANCE_S = 300  # the default of Stripe's own libraries
HEADER = re.compile(r"^t=([0-9]{1,12})((?:,v[0-9]=[0-9a-f]{64}){1,8})$", re.ASCII)
SIGNED = re.compile(r",v1=([0-9a-f]{64})")
NOBODYS = ""  # the attempt of an event that is about nothing of ours
INTENT_KINDS = frozenset(
    f"payment_intent.{what}"
    for what in ("amount_capturable_updated", "succeeded", "processing", "canceled")
)
SESSION_KINDS = frozenset(
    f"checkout.session.{what}" for what in ("completed", "async_payment_failed", "expired")
)
REFUND_KINDS = frozenset({"refund.created", "refund.updated", "refund.failed"})
KIND = msgspec.json.Decoder(Kind)
EVENT = msgspec.json.Decoder(Event)

Said = tuple[str, Outcome]
Entity = TypeVar("Entity")


def read_callback(
    headers: dict[str, str], body: bytes, now: datetime, secrets: CallbackSecrets
) -> Callback:
    """Verify signature and age of the raw body, then read; raises BadCallback."""
    lower = {name.lower(): value for name, value in headers.items()}
    _verify(lower.get(SIGNATURE, ""), body, now, secrets)
    try:
        kind = KIND.decode(body)
        attempt_id, outcome = _about(kind.type, body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadCallback("the body is malformed") from None
    if attempt_id != NOBODYS and isinstance(outcome, Unknown):
        raise BadCallback(outcome.detail)
    return Callback(kind.id, attempt_id, outcome)


def _verify(header: str, body: bytes, now: datetime, secrets: CallbackSecrets) -> None:
    form = HEADER.match(header)
    if form is None:
        raise BadCallback("the signature header is missing or malformed")
    timestamp = form[1]
    message = timestamp.encode() + b"." + body
    if not any(secrets.signed(message, given) for given in SIGNED.findall(form[2])):
        raise BadCallback("the signature is wrong; it is of the body as it came, byte for byte")
    if abs(clock.unix_s(now) - int(timestamp)) > TOLERANCE_S:
        raise BadCallback("the signature is too old or too new")


def _about(kind: str, body: bytes) -> Said:
    if kind in INTENT_KINDS:
        intent = _object(body, Intent)
        return named(intent.metadata, ATTEMPT), read_intent(intent)
    if kind in SESSION_KINDS:
        session = _object(body, Session)
        return _of_session(kind, session)
    if kind in REFUND_KINDS:
        refund = _object(body, Refund)
        return named(refund.metadata, REFUND), read_refund_entity(refund)
    return NOBODYS, Unknown(f"an event {kind} says nothing to us")


def _of_session(kind: str, session: Session) -> Said:
    ours = session.client_reference_id or NOBODYS
    intent = session.payment_intent
    intent_id = intent.id if isinstance(intent, Intent) else intent
    if kind == "checkout.session.expired":
        return ours, declined("payment_expired", "expired", intent_id)
    if kind == "checkout.session.async_payment_failed":
        return ours, declined("declined", "async_payment_failed", intent_id)
    money = money_of(session.amount_total, session.currency)
    if session.payment_status != "paid" or intent_id is None or money is None:
        return NOBODYS, Unknown("the session is complete and not paid; its intent will tell")
    return ours, Approved(intent_id, money, captured=True)


def _object(body: bytes, kind: type[Entity]) -> Entity:
    return msgspec.json.decode(EVENT.decode(body).data.object, type=kind)
