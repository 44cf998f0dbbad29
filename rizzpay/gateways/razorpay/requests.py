"""The requests that we send to Razorpay. Pure.

Sources: api/authentication (basic, key id and secret), api/orders/create,
payments/payment-gateway/rainy-day/capture-settings/api, api/orders/fetch-all,
api/payments/capture, api/payments/fetch-with-id, api/refunds/normal-refunds-idempotent,
api/refunds/fetch-multiple-refund-payment.
"""

import base64
from typing import Any
from urllib.parse import quote

import msgspec

from rizzpay.core.secret import Secret
from rizzpay.gateways.port import AuthorizeRequest, CaptureMethod, CaptureRequest, RefundRequest
from rizzpay.gateways.razorpay import checkout
from rizzpay.infra.http_client import HttpRequest

# Until when a payment is captured by Razorpay, or can be captured by us; then it is given back.
# The longest that Razorpay allows, so that a late authorization is captured as well.
CAPTURE_PERIOD_MIN = 7200
REFUNDS_MAX = 100  # of one page; nobody gives one payment back in more parts


class Requests:
    """Builds requests to one account; shows nothing of its secret."""

    def __init__(self, base_url: str, key_id: str, secret: Secret[str]) -> None:
        """`base_url` is https://api.razorpay.com, or a server that speaks as it does."""
        token = base64.b64encode(f"{key_id}:{secret.reveal()}".encode()).decode()
        self._base_url = base_url
        self._authorization = Secret(f"Basic {token}")

    def build_authorize(self, request: AuthorizeRequest, page: str) -> HttpRequest:
        """Return the request for an order, whose receipt is our attempt."""
        automatic = request.capture_method is CaptureMethod.AUTOMATIC
        options = {"manual_expiry_period": CAPTURE_PERIOD_MIN, "refund_speed": "normal"}
        if automatic:
            options["automatic_expiry_period"] = CAPTURE_PERIOD_MIN
        body = {
            "amount": request.money.minor,
            "currency": request.money.currency,
            "receipt": request.attempt_id,
            "notes": checkout.order_notes(request, page),
            "payment": {"capture": request.capture_method.value, "capture_options": options},
        }
        return self._post("/v1/orders", body)

    def build_enquiry(self, attempt_id: str) -> HttpRequest:
        """Return the request for the order of an attempt, with everything that paid it."""
        receipt = quote(attempt_id, safe="")
        return self._get(f"/v1/orders?receipt={receipt}&count=10&expand%5B%5D=payments")

    def build_capture(self, request: CaptureRequest) -> HttpRequest:
        """Return the request that takes held money."""
        body = {"amount": request.money.minor, "currency": request.money.currency}
        return self._post(f"/v1/payments/{_part(request.gateway_reference)}/capture", body)

    def build_look(self, payment_id: str) -> HttpRequest:
        """Return the request for a payment."""
        return self._get(f"/v1/payments/{_part(payment_id)}")

    def build_refund(self, request: RefundRequest) -> HttpRequest:
        """Return the request for a refund; with the same key it is made once."""
        body = {
            "amount": request.money.minor,
            "speed": "normal",
            "receipt": request.refund_id,
        }
        path = f"/v1/payments/{_part(request.gateway_reference)}/refund"
        return self._post(path, body, {"X-Refund-Idempotency": request.refund_id})

    def build_refunds(self, payment_id: str) -> HttpRequest:
        """Return the request for all refunds of a payment."""
        return self._get(f"/v1/payments/{_part(payment_id)}/refunds?count={REFUNDS_MAX}")

    def _post(
        self, path: str, body: dict[str, Any], more: dict[str, str] | None = None
    ) -> HttpRequest:
        headers = {"Content-Type": "application/json", **(more or {})}
        return self._request("POST", path, headers, msgspec.json.encode(body))

    def _get(self, path: str) -> HttpRequest:
        return self._request("GET", path, {}, b"")

    def _request(self, method: str, path: str, headers: dict[str, str], body: bytes) -> HttpRequest:
        authorized = {"Authorization": self._authorization.reveal(), **headers}
        return HttpRequest(method, self._base_url + path, authorized, body)


def _part(reference: str) -> str:
    return quote(reference, safe="")
