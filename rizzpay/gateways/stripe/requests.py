"""The requests that we send to Stripe: forms, each POST with an idempotency key. Pure.

Sources: api/authentication, api/versioning, api/idempotent_requests, api/expanding_objects,
api/checkout/sessions/create and …/expire, api/payment_intents/capture and …/cancel,
api/refunds/create and …/list.
"""

from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

from rizzpay.core import clock
from rizzpay.core.secret import Secret
from rizzpay.gateways.port import (
    AuthorizeRequest,
    CaptureMethod,
    CaptureRequest,
    RefundRequest,
    VoidRequest,
)
from rizzpay.gateways.stripe.wire import ATTEMPT, CAPTURE, REFUND
from rizzpay.infra.http_client import HttpRequest

# Whatever the account's own version is. Webhooks have the version of their endpoint; the fields
# that we read there are in all versions since 2022-11-15.
VERSION = "2026-10-28.endive"
SESSION_MIN = timedelta(minutes=31)  # Stripe takes 30 and more, on its own clock
NAME_MAX = 250  # of a product
REFUNDS_MAX = 100  # of one page; nobody gives one payment back in more parts


class Requests:
    """Builds requests to one account; shows nothing of its secret key."""

    def __init__(self, base_url: str, secret: Secret[str], return_url: str) -> None:
        """`return_url` is for payments that name none: a hosted page has to have one."""
        self._base_url = base_url
        self._authorization = Secret(f"Bearer {secret.reveal()}")
        self._return_url = return_url

    def build_authorize(self, request: AuthorizeRequest, now: datetime) -> HttpRequest:
        """Return the request for a session on which a card is asked for.

        Adaptive pricing is off: what the customer pays is what we asked for.
        """
        manual = request.capture_method is CaptureMethod.MANUAL
        back = request.return_url or self._return_url
        price = "line_items[0][price_data]"
        fields = {
            "mode": "payment",
            "client_reference_id": request.attempt_id,
            "payment_method_types[0]": "card",
            "line_items[0][quantity]": "1",
            f"{price}[currency]": request.money.currency.lower(),
            f"{price}[unit_amount]": str(request.money.minor),
            f"{price}[product_data][name]": request.description[:NAME_MAX],
            "payment_intent_data[capture_method]": "manual" if manual else "automatic",
            f"payment_intent_data[metadata][{ATTEMPT}]": request.attempt_id,
            "adaptive_pricing[enabled]": "false",
            "expires_at": str(clock.unix_s(max(request.expires_at, now + SESSION_MIN))),
            "success_url": back,
            "cancel_url": back,
        }
        return self._post("/v1/checkout/sessions", fields, request.attempt_id)

    def build_session(self, session_id: str) -> HttpRequest:
        """Return the request for a session with its intent."""
        return self._get(f"/v1/checkout/sessions/{_part(session_id)}?expand%5B%5D=payment_intent")

    def build_intent(self, intent_id: str) -> HttpRequest:
        """Return the request for an intent."""
        return self._get(f"/v1/payment_intents/{_part(intent_id)}")

    def build_capture(self, request: CaptureRequest) -> HttpRequest:
        """Return the request that takes held money; what it leaves is released."""
        path = f"/v1/payment_intents/{_part(request.gateway_reference)}/capture"
        fields = {
            "amount_to_capture": str(request.money.minor),
            f"metadata[{CAPTURE}]": request.attempt_id,
        }
        return self._post(path, fields, request.attempt_id)

    def build_cancel(self, request: VoidRequest) -> HttpRequest:
        """Return the request that releases held money."""
        path = f"/v1/payment_intents/{_part(request.gateway_reference)}/cancel"
        return self._post(path, {}, request.attempt_id)

    def build_expire(self, request: VoidRequest) -> HttpRequest:
        """Return the request that closes the page of a session."""
        path = f"/v1/checkout/sessions/{_part(request.gateway_reference)}/expire"
        return self._post(path, {}, request.attempt_id)

    def build_refund(self, request: RefundRequest) -> HttpRequest:
        """Return the request for a refund; with the same key it is made once."""
        fields = {
            "payment_intent": request.gateway_reference,
            "amount": str(request.money.minor),
            f"metadata[{REFUND}]": request.refund_id,
        }
        return self._post("/v1/refunds", fields, request.refund_id)

    def build_refunds(self, intent_id: str) -> HttpRequest:
        """Return the request for all refunds of an intent."""
        intent = quote(intent_id, safe="")
        return self._get(f"/v1/refunds?payment_intent={intent}&limit={REFUNDS_MAX}")

    def _post(self, path: str, fields: dict[str, str], key: str) -> HttpRequest:
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Idempotency-Key": key,
        }
        return self._request("POST", path, headers, urlencode(fields).encode())

    def _get(self, path: str) -> HttpRequest:
        return self._request("GET", path, {}, b"")

    def _request(self, method: str, path: str, headers: dict[str, str], body: bytes) -> HttpRequest:
        always = {"Authorization": self._authorization.reveal(), "Stripe-Version": VERSION}
        return HttpRequest(method, self._base_url + path, {**always, **headers}, body)


def _part(reference: str) -> str:
    return quote(reference, safe="")
