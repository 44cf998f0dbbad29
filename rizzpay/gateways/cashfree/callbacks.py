"""Cashfree's webhooks: verified by time and bytes as they came, and read. Pure.

    PAYMENT_SUCCESS_WEBHOOK     named by the order's id, which is our attempt's
    REFUND_STATUS_WEBHOOK       named by the refund's id, which is ours

Every other kind is genuine, is kept and counted, and says nothing to us. So does a try that failed
(PAYMENT_FAILED_WEBHOOK, PAYMENT_USER_DROPPED_WEBHOOK): while the order is active the customer may
try again. A payment that is only held (`PRE_AUTH` in its message) is left to the enquiry.

The signature is a base64 HMAC of the time, in milliseconds, and the body. No page says whether a
webhook that is sent again has a new time, so its age is not judged: what comes again is known by a
digest of its body, because its number (x-idempotency-key) is not signed.

Sources: api-reference/payments/latest/payments/webhooks, …/refunds/webhooks, and the signature as
github.com/cashfree/cashfree-pg-sdk-python (PGVerifyWebhookSignature) verifies it.
"""

import hashlib
import re

import msgspec

from rizzpay.gateways.amounts import money_of
from rizzpay.gateways.cashfree.answers import paid, read_refund_entity
from rizzpay.gateways.cashfree.wire import Kind, PaymentEvent, RefundEvent
from rizzpay.gateways.port import BadCallback, Callback, Outcome, Unknown
from rizzpay.gateways.signing import CallbackSecrets

SIGNATURE, TIMESTAMP = "x-webhook-signature", "x-webhook-timestamp"
DIGITS = re.compile(r"^[0-9]{10,16}$", re.ASCII)
NOBODYS = ""  # the attempt of an event that is about nothing of ours
HELD = "PRE_AUTH"
NUMBER_DIGITS = 40
KIND = msgspec.json.Decoder(Kind)
PAYMENT = msgspec.json.Decoder(PaymentEvent)
REFUND = msgspec.json.Decoder(RefundEvent)

Said = tuple[str, Outcome]


def read_callback(headers: dict[str, str], body: bytes, secrets: CallbackSecrets) -> Callback:
    """Verify the signature of time and raw body, then read; raises BadCallback."""
    lower = {name.lower(): value for name, value in headers.items()}
    timestamp, given = lower.get(TIMESTAMP, ""), lower.get(SIGNATURE, "")
    if not DIGITS.match(timestamp) or not given:
        raise BadCallback("a header is missing or malformed")
    if not secrets.signed_base64(timestamp.encode() + body, given):
        raise BadCallback("the signature is wrong; it is of the body as it came, byte for byte")
    try:
        kind = KIND.decode(body).type
        attempt_id, outcome = _about(kind, body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadCallback("the body is malformed") from None
    if attempt_id != NOBODYS and isinstance(outcome, Unknown):
        raise BadCallback(outcome.detail)
    number = hashlib.sha256(body).hexdigest()[:NUMBER_DIGITS]
    return Callback(number, attempt_id, outcome)


def _about(kind: str, body: bytes) -> Said:
    if kind == "PAYMENT_SUCCESS_WEBHOOK":
        return _of_payment(PAYMENT.decode(body))
    if kind == "REFUND_STATUS_WEBHOOK":
        refund = REFUND.decode(body).data.refund
        return refund.refund_id or NOBODYS, read_refund_entity(refund)
    return NOBODYS, Unknown(f"an event {kind} says nothing to us")


def _of_payment(event: PaymentEvent) -> Said:
    payment, order_id = event.data.payment, event.data.order.order_id
    if (payment.payment_message or "").startswith(HELD):
        return NOBODYS, Unknown("the payment is held; an enquiry will tell")
    if payment.payment_status != "SUCCESS":
        return order_id, Unknown(f"a success has status {payment.payment_status[:40]!r}")
    money = money_of(payment.payment_amount, payment.payment_currency)
    return order_id, paid(order_id, money, payment.bank_reference)
