"""Webhooks: signed, sent at least once, in the background.

Source: webhooks/validate-test and webhooks/best-practices of razorpay.com/docs: the signature is
the hexadecimal HMAC-SHA-256 of the body under the webhook's secret, in X-Razorpay-Signature; the
number of the event, in X-Razorpay-Event-Id, is the same when it comes again. Razorpay tries for a
day; this server tries for some seconds, because it is for tests.
"""

import hashlib
import hmac
from typing import Any

import gevent
import msgspec
from gevent.threadpool import ThreadPool

from rizzpay.core.secret import Secret
from rizzpay.sandbox.letters import Letter, Post
from rizzpay.sandbox.razorpay.books import Order, Payment, Refund, new_id

BACKOFF_S = (0.1, 0.3, 1.0, 3.0)
SENDERS = 4


class Webhooks:
    """Tells the account's one webhook what happened."""

    def __init__(self, url: str, secret: Secret[str]) -> None:
        """`url` may be empty: then nobody is told."""
        self._url = url
        self._secret = secret.reveal().encode()
        self._post = Post(None)
        self._senders = ThreadPool(SENDERS)

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
        if not self._url:
            return
        event = {
            "entity": "event",
            "account_id": "acc_conformance000",
            "event": kind,
            "contains": list(entities),
            "payload": {name: {"entity": entity} for name, entity in entities.items()},
            "created_at": now_s,
        }
        gevent.spawn(self._send, new_id("evt").removeprefix("evt_"), msgspec.json.encode(event))

    def _send(self, event_id: str, body: bytes) -> None:
        headers = {
            "Content-Type": "application/json",
            "X-Razorpay-Event-Id": event_id,
            "X-Razorpay-Signature": hmac.new(self._secret, body, hashlib.sha256).hexdigest(),
        }
        for tries, wait_s in enumerate((0.0, *BACKOFF_S)):
            gevent.sleep(wait_s)
            letter = Letter(0, event_id, self._url, body, tries + 1)
            if self._senders.apply(self._post.send, (letter, headers)):
                return
