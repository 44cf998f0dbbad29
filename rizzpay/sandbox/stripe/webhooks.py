"""Webhooks: `Stripe-Signature: t=…,v1=…` over the time, a point and the body.

Source: webhooks/signature of docs.stripe.com. The number of an event is in its body.
"""

import hashlib
import hmac
from typing import Any

import msgspec

from rizzpay.core.secret import Secret
from rizzpay.sandbox.conformance import Courier, now_s
from rizzpay.sandbox.stripe.books import new_id

VERSION = "2026-10-28.endive"


class Webhooks:
    """Tells the account's one endpoint what happened."""

    def __init__(self, url: str, secret: Secret[str]) -> None:
        """`url` may be empty: then nobody is told."""
        self._courier = Courier(url)
        self._secret = secret.reveal().encode()

    def tell(self, kind: str, entity: dict[str, Any]) -> None:
        """Send an event; what it shows is what is true now."""
        created = now_s()
        event = {
            "id": new_id("evt"),
            "object": "event",
            "api_version": VERSION,
            "created": created,
            "data": {"object": entity},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": new_id("req"), "idempotency_key": None},
            "type": kind,
        }
        body = msgspec.json.encode(event)
        message = f"{created}.".encode() + body
        signature = hmac.new(self._secret, message, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": f"t={created},v1={signature}",
        }
        self._courier.bring(str(event["id"]), headers, body)
