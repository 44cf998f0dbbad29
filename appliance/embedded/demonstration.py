"""A payment through the front door, as a merchant's own program would do it.

Only HTTPS with the certificate authority's file, and a key: nothing of the service is imported.
A webhook endpoint, an authorization, a capture, a refund of a part, the books, and the webhooks,
whose signatures are verified here by the text of Standard Webhooks 1.0.
"""

import base64
import hashlib
import hmac
import http.client
import json
import secrets
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

from rizzpay.core import clock
from rizzpay.core.errors import Misconfigured

AMOUNT, REFUNDED = 50_000, 12_000  # paise
TIMEOUT_S = 15.0
WANTED = {"payment.captured", "refund.processed"}

Object = dict[str, Any]
Say = Callable[[str, str], None]


class Failed(Misconfigured):
    """A step of the demonstration did not go as it should."""


@dataclass(frozen=True, slots=True)
class Shop:
    """A merchant's program: where the service is, whom it trusts, and its key."""

    base_url: str
    ca_file: Path
    key_id: str
    key_secret: str

    def call(self, method: str, path: str, body: Object | None = None) -> Object:
        """Send one request; raises Failed unless the answer is a success."""
        token = base64.b64encode(f"{self.key_id}:{self.key_secret}".encode()).decode()
        headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
        if method == "POST":
            headers["Idempotency-Key"] = secrets.token_hex(16)
        connection = http.client.HTTPSConnection(
            urlsplit(self.base_url).netloc,
            context=ssl.create_default_context(cafile=self.ca_file),
            timeout=TIMEOUT_S,
        )
        try:
            connection.request(method, path, json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Failed(f"demonstration: {method} {path}: {type(error).__name__}") from None
        finally:
            connection.close()
        if answer.status >= http.client.BAD_REQUEST:
            raise Failed(f"demonstration: {method} {path}: {answer.status} {text.decode()}")
        found: Object = json.loads(text) if text else {}
        return found


def show(shop: Shop, inbox: str, say: Say) -> None:
    """Take the payment and say each step; `inbox` is a URL of the sandbox. Raises Failed."""
    endpoint = shop.call("POST", "/v1/webhook_endpoints", {"url": inbox})
    say("webhook", f"{endpoint['id']} goes to {inbox}")
    try:
        payment = _pay(shop, say)
        refund = _refund(shop, payment["id"], say)
        _show_books(shop, say)
        _show_webhooks(inbox, endpoint["secret"], {payment["id"], refund["id"]}, say)
    finally:
        shop.call("DELETE", f"/v1/webhook_endpoints/{endpoint['id']}")


def _pay(shop: Shop, say: Say) -> Object:
    body = {
        "amount": AMOUNT,
        "currency": "INR",
        "method": {"type": "card", "token": "tok_approve"},
        "capture_method": "manual",
        "reference": "demonstration",
        "customer": {"name": "Asha Rao", "email": "asha@example.com"},
    }
    made = shop.call("POST", "/v1/payments", body)
    say("payment", f"{made['id']} {_rupees(made['amount'])} by card: {made['status']}")
    path = f"/v1/payments/{made['id']}"
    _settled(shop, path, "authorized")
    shop.call("POST", f"{path}/capture", {"amount": AMOUNT})
    captured = _settled(shop, path, "captured")
    say("capture", f"{_rupees(captured['amount_captured'])}: {captured['status']}")
    return captured


def _refund(shop: Shop, payment_id: str, say: Say) -> Object:
    body = {"payment_id": payment_id, "amount": REFUNDED, "reason": "demonstration"}
    made = shop.call("POST", "/v1/refunds", body)
    refund = _settled(shop, f"/v1/refunds/{made['id']}", "processed")
    say("refund", f"{refund['id']} {_rupees(refund['amount'])} of it: {refund['status']}")
    return refund


def _settled(shop: Shop, path: str, wanted: str) -> Object:
    """Read an object until it has the status."""
    deadline_s = clock.monotonic_s() + TIMEOUT_S
    while True:
        found = shop.call("GET", path)
        if found["status"] == wanted:
            return found
        if clock.monotonic_s() > deadline_s:
            raise Failed(f"demonstration: {path} is {found['status']} and should be {wanted}")
        time.sleep(0.05)


def _show_books(shop: Shop, say: Say) -> None:
    for balance in shop.call("GET", "/v1/balance")["balances"]:
        pending, held = _rupees(balance["pending"]), _rupees(balance["held"])
        say("ledger", f"{balance['currency']}: pending {pending}, held for refunds {held}")
        for account in balance["accounts"]:
            debits, credits_ = account["debits_posted"], account["credits_posted"]
            sides = f"debits {_rupees(debits):>14}   credits {_rupees(credits_):>14}"
            say("", f"{account['name']:<26} {sides}")


def _show_webhooks(inbox: str, secret: str, object_ids: set[str], say: Say) -> None:
    """Wait for the webhooks about our objects, verify each and say it."""
    deadline_s = clock.monotonic_s() + TIMEOUT_S
    seen: dict[int, str] = {}
    while not set(seen.values()) >= WANTED:
        for webhook in _received(inbox):
            body = base64.b64decode(webhook["body_base64"])
            event = json.loads(body)
            if webhook["seq"] in seen or event["data"]["object"]["id"] not in object_ids:
                continue
            if not genuine(webhook["headers"], body, secret):
                raise Failed(f"demonstration: the signature of {event['type']} is wrong")
            seen[webhook["seq"]] = event["type"]
            say("webhook", f"{event['type']}: delivered, signature verified")
        if clock.monotonic_s() > deadline_s:
            missing = ", ".join(sorted(WANTED - set(seen.values())))
            raise Failed(f"demonstration: no webhook {missing} after {TIMEOUT_S:g} s")
        time.sleep(0.05)


def _received(inbox: str) -> list[Object]:
    with urlopen(inbox, timeout=TIMEOUT_S) as answer:  # noqa: S310 - our own sandbox, by http
        found: list[Object] = json.load(answer)["data"]
    return found


def genuine(headers: dict[str, str], body: bytes, secret: str) -> bool:
    """Tell whether a webhook carries a right signature, as Standard Webhooks 1.0 describes it."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    right = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    shown = headers["webhook-signature"].split()
    return any(hmac.compare_digest(f"v1,{right}", one) for one in shown)


def _rupees(paise: int) -> str:
    sign, paise = ("-", -paise) if paise < 0 else ("", paise)
    return f"{sign}₹{paise // 100:,}.{paise % 100:02d}"
