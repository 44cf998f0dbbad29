"""The routes of the conformance server."""

import base64
import hmac
from typing import Any

import falcon
import gevent

from rizzpay.sandbox.conformance import BODY_MAX_BYTES, PENDING_S, Settings, now_s
from rizzpay.sandbox.door import answer, read_body
from rizzpay.sandbox.razorpay.books import PENDING, Books, Payment, Refund, collection
from rizzpay.sandbox.razorpay.checkout import Act, Embedded
from rizzpay.sandbox.razorpay.webhooks import Webhooks
from rizzpay.sandbox.razorpay.wire import (
    NO_SUCH_URL,
    UNAUTHORIZED,
    WRONG_KEY,
    CaptureIn,
    OrderIn,
    RefundIn,
    Wrong,
    parse,
)
from rizzpay.sandbox.running import App

PAGE_MAX = 100


class Account:
    """One account: its books, its key and its webhook."""

    def __init__(self, settings: Settings) -> None:
        """Begin with empty books."""
        self.books = Books()
        self.webhooks = Webhooks(settings.webhook_url, settings.webhook_secret)
        self.key_id = settings.key_id
        token = base64.b64encode(f"{settings.key_id}:{settings.secret.reveal()}".encode())
        self._authorization = b"Basic " + token

    def read(self, req: falcon.Request) -> bytes:
        """Return the body of a request with the account's key; raises Wrong."""
        given = (req.get_header("Authorization") or "").encode(errors="replace")
        if not hmac.compare_digest(self._authorization, given):
            raise Wrong(WRONG_KEY, status=UNAUTHORIZED)
        return read_body(req, BODY_MAX_BYTES)


class Orders:
    """POST and GET /v1/orders."""

    def __init__(self, account: Account) -> None:
        """Take the account."""
        self._account = account

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Make an order."""
        asked = parse(self._account.read(req), OrderIn)
        answer(resp, self._account.books.make_order(asked, now_s()).entity())

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List orders, newest first, those of one receipt if one is named."""
        self._account.read(req)
        receipt = req.get_param("receipt")
        count = req.get_param_as_int("count", min_value=1, max_value=PAGE_MAX, default=10)
        skip = req.get_param_as_int("skip", min_value=0, default=0)
        expanded = "payments" in (req.get_param_as_list("expand[]") or [])
        found = [
            order
            for order in reversed(self._account.books.orders.values())
            if receipt is None or order.receipt == receipt
        ]
        page = found[skip : skip + count]
        answer(resp, collection([order.entity(expanded=expanded) for order in page]))


class OneOrder:
    """GET /v1/orders/{id} and …/payments."""

    def __init__(self, account: Account) -> None:
        """Take the account."""
        self._account = account

    def on_get(self, req: falcon.Request, resp: falcon.Response, order_id: str) -> None:
        """Show an order."""
        self._account.read(req)
        answer(resp, self._account.books.order(order_id).entity())

    def on_get_payments(self, req: falcon.Request, resp: falcon.Response, order_id: str) -> None:
        """List the payments of an order."""
        self._account.read(req)
        payments = self._account.books.order(order_id).payments
        answer(resp, collection([payment.entity() for payment in payments]))


class OnePayment:
    """GET /v1/payments/{id}, POST …/capture, POST …/refund, GET …/refunds."""

    def __init__(self, account: Account) -> None:
        """Take the account."""
        self._account = account

    def on_get(self, req: falcon.Request, resp: falcon.Response, payment_id: str) -> None:
        """Show a payment."""
        self._account.read(req)
        answer(resp, self._account.books.payment(payment_id).entity())

    def on_post_capture(self, req: falcon.Request, resp: falcon.Response, payment_id: str) -> None:
        """Take held money, all of it."""
        asked = parse(self._account.read(req), CaptureIn)
        books = self._account.books
        payment = books.payment(payment_id)
        books.capture(payment, asked.amount, asked.currency)
        self._account.webhooks.paid(books.order(payment.order_id), payment, now_s())
        answer(resp, payment.entity())

    def on_get_refunds(self, req: falcon.Request, resp: falcon.Response, payment_id: str) -> None:
        """List the refunds of a payment."""
        self._account.read(req)
        payment = self._account.books.payment(payment_id)
        answer(resp, collection([refund.entity() for refund in payment.refunds]))

    def on_post_refund(self, req: falcon.Request, resp: falcon.Response, payment_id: str) -> None:
        """Give money back; once for each idempotency key."""
        body = self._account.read(req)
        payment = self._account.books.payment(payment_id)
        key = req.get_header("X-Refund-Idempotency") or ""
        known = len(payment.refunds)
        refund = self._account.books.refund(payment, parse(body, RefundIn), key, body, now_s())
        if len(payment.refunds) > known:
            self._tell(refund, payment)
        answer(resp, refund.entity())

    def _tell(self, refund: Refund, payment: Payment) -> None:
        self._account.webhooks.of_refund("refund.created", refund, payment, now_s())
        if refund.status == "pending":
            gevent.spawn_later(PENDING_S, self._settle, refund, payment)
        else:
            self._account.webhooks.of_refund("refund.processed", refund, payment, now_s())

    def _settle(self, refund: Refund, payment: Payment) -> None:
        self._account.books.settle(refund, PENDING[refund.amount % 100])
        kind = f"refund.{refund.status}"
        self._account.webhooks.of_refund(kind, refund, payment, now_s())


def create_app(settings: Settings) -> App:
    """Return the WSGI application."""
    account = Account(settings)
    app: App = falcon.App()
    app.req_options.strip_url_path_trailing_slash = True
    app.add_error_handler(Wrong, _refuse)
    app.add_error_handler(falcon.HTTPError, _refuse_http)
    orders, payment = OneOrder(account), OnePayment(account)
    app.add_route("/v1/orders", Orders(account))
    app.add_route("/v1/orders/{order_id}", orders)
    app.add_route("/v1/orders/{order_id}/payments", orders, suffix="payments")
    app.add_route("/v1/payments/{payment_id}", payment)
    app.add_route("/v1/payments/{payment_id}/capture", payment, suffix="capture")
    app.add_route("/v1/payments/{payment_id}/refund", payment, suffix="refund")
    app.add_route("/v1/payments/{payment_id}/refunds", payment, suffix="refunds")
    parts = (account.books, account.webhooks)
    app.add_route("/v1/checkout/embedded", Embedded(parts, account.key_id))
    app.add_route("/bank/{payment_id}/{act}", Act(parts))
    return app


def _refuse(req: falcon.Request, resp: falcon.Response, error: Wrong, params: Any) -> None:
    del req, params
    answer(resp, error.body(), error.status)


def _refuse_http(
    req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, params: Any
) -> None:
    """Write what falcon refuses by itself as the documents have it: no such URL, as a 400."""
    del req, params
    answer(resp, Wrong(NO_SUCH_URL if error.status_code in {404, 405} else str(error)).body(), 400)
