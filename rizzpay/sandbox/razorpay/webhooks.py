"""Webhooks: signed, sent at least once, in the background.

Source: webhooks/validate-test and webhooks/best-practices of razorpay.com/docs: the signature is
the hexadecimal HMAC-SHA-256 of the body under the webhook's secret, in X-Razorpay-Signature; the
number of the event, in X-Razorpay-Event-Id, is the same when it comes again.
"""

import hashlib
import hmac
from typing import Any

import msgspec

from rizzpay.core.secret import Secret
from rizzpay.sandbox.conformance import Courier
from rizzpay.sandbox.razorpay.books import Order, Payment, Refund, new_id


class Webhooks:
    """Tells the account's one webhook what happened."""

    def __init__(self, url: str, secret: Secret[str]) -> None:
        """`url` may be empty: then nobody is told."""
        self._courier = Courier(url)
        self._secret = secret.reveal().encode()

    def paid(self, order: Order, payment: Payment, now_s: int) -> None:
        """Tell that money was captured: of the payment, and of the order."""
        told = {"payment": payment.entity()}
        self.tell("payment.captured", told, now_s)
        self.tell("order.paid", {**told, "order": order.entity()}, now_s)

    def of_payment(self, kind: str, payment: Payment, now_s: int) -> None:
        """Tell something of a payment."""
        self.tell(kind, {"payment": payment.entity()}, now_s)

    def of_refund(self, kind: str, refund: Refund, payment: Payment, now_s: int) -> None:
        """Tell something of a refund."""
        self.tell(kind, {"refund": refund.entity(), "payment": payment.entity()}, now_s)

    def tell(self, kind: str, entities: dict[str, dict[str, Any]], now_s: int) -> None:
        """Send an event; what it shows is what is true now."""
        event = {
            "entity": "event",
            "account_id": "acc_conformance000",
            "event": kind,
            "contains": list(entities),
            "payload": {name: {"entity": entity} for name, entity in entities.items()},
            "created_at": now_s,
        }
        body, event_id = msgspec.json.encode(event), new_id("evt").removeprefix("evt_")
        headers = {
            "Content-Type": "application/json",
            "X-Razorpay-Event-Id": event_id,
            "X-Razorpay-Signature": hmac.new(self._secret, body, hashlib.sha256).hexdigest(),
        }
        self._courier.bring(event_id, headers, body)
