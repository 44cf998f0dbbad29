"""The requests that we send to Cashfree. Pure.

Sources: api-reference/payments (authentication, versioning, idempotency), orders/create,
orders/get, payments/get-payments-for-order, refunds/create, refunds/get of cashfree.com/docs,
version 2023-08-01.

An order needs a customer with a phone number; "you can pass dummy details" (orders/create). We pass
such: whose payment it is stays with the merchant.
"""

import uuid
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import msgspec

from rizzpay.core.secret import Secret
from rizzpay.gateways.port import (
    AuthorizeRequest,
    BankTransfer,
    Card,
    Method,
    NetBanking,
    RefundRequest,
    UpiCollect,
    UpiIntent,
    UpiQr,
    Wallet,
)
from rizzpay.infra.http_client import HttpRequest

VERSION = "2023-08-01"
ORDER_MIN = timedelta(minutes=16)  # Cashfree takes 15 and more, on its own clock
NOTE_MAX = 200
NOBODYS_PHONE = "9999999999"
KEYS = uuid.UUID("6f3f0d0e-5f5b-5c1a-9d38-0a8f7f4a1c77")  # our ids as idempotency keys


def pages_of(method: Method) -> str | None:
    """Return `payment_methods` of the order: what its page offers; None for none of them."""
    match method:
        case Card(token=None):
            return "cc,dc"
        case UpiIntent() | UpiQr():
            return "upi"
        case NetBanking():
            return "nb"
        case Wallet():
            return "app"
        case Card() | UpiCollect() | BankTransfer():
            return None


class Requests:
    """Builds requests to one account; shows nothing of its secret."""

    def __init__(self, base_url: str, client_id: str, secret: Secret[str]) -> None:
        """`base_url` is https://api.cashfree.com, or a server that speaks as it does."""
        self._base_url = base_url
        self._client_id = client_id
        self._secret = secret

    def build_authorize(self, request: AuthorizeRequest, pages: str, now: datetime) -> HttpRequest:
        """Return the request for an order, whose id is our attempt's."""
        meta = {"notify_url": request.callback_url, "payment_methods": pages}
        if request.return_url is not None:
            meta["return_url"] = request.return_url
        body = {
            "order_id": request.attempt_id,
            "order_amount": _number(request.money.decimal()),
            "order_currency": request.money.currency,
            "order_expiry_time": max(request.expires_at, now + ORDER_MIN).isoformat("T", "seconds"),
            "order_note": request.description[:NOTE_MAX],
            "customer_details": {
                "customer_id": request.payment_id,
                "customer_phone": NOBODYS_PHONE,
            },
            "order_meta": meta,
        }
        return self._post("/pg/orders", body, request.attempt_id)

    def build_order(self, order_id: str) -> HttpRequest:
        """Return the request for an order."""
        return self._get(f"/pg/orders/{_part(order_id)}")

    def build_payments(self, order_id: str) -> HttpRequest:
        """Return the request for everything that was tried to pay an order."""
        return self._get(f"/pg/orders/{_part(order_id)}/payments")

    def build_refund(self, request: RefundRequest) -> HttpRequest:
        """Return the request for a refund; its id is ours, and is there once."""
        body = {
            "refund_id": request.refund_id,
            "refund_amount": _number(request.money.decimal()),
            "refund_speed": "STANDARD",
        }
        path = f"/pg/orders/{_part(request.gateway_reference)}/refunds"
        return self._post(path, body, request.refund_id)

    def build_refund_enquiry(self, request: RefundRequest) -> HttpRequest:
        """Return the request for a refund that may be there."""
        order, refund = _part(request.gateway_reference), _part(request.refund_id)
        return self._get(f"/pg/orders/{order}/refunds/{refund}")

    def _post(self, path: str, body: dict[str, Any], key: str) -> HttpRequest:
        headers = {
            "Content-Type": "application/json",
            "x-idempotency-key": str(uuid.uuid5(KEYS, key)),
        }
        return self._request("POST", path, headers, msgspec.json.encode(body))

    def _get(self, path: str) -> HttpRequest:
        return self._request("GET", path, {}, b"")

    def _request(self, method: str, path: str, headers: dict[str, str], body: bytes) -> HttpRequest:
        always = {
            "x-api-version": VERSION,
            "x-client-id": self._client_id,
            "x-client-secret": self._secret.reveal(),
        }
        return HttpRequest(method, self._base_url + path, {**always, **headers}, body)


def _number(decimal: str) -> msgspec.Raw:
    """Return a JSON number with its decimals, which no float has touched."""
    return msgspec.Raw(decimal.encode())


def _part(reference: str) -> str:
    return quote(reference, safe="")
