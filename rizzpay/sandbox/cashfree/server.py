"""The routes of the conformance server: the API, and the page of an order with a mock bank.

POST /pg/view/sessions/checkout takes the form with a payment_session_id, as Cashfree's own script
sends it, and shows a bank's page. Its buttons post to /bank/{session}/{act}:

    success              the bank says yes
    failure?reason=…     the bank says no; the customer may try again
    drop                 the customer goes away
    expire               the order's time is over

Authentication is by x-client-id and x-client-secret with x-api-version; every POST may have an
x-idempotency-key. Webhooks go to the account's address alone; the signature is the base64
HMAC-SHA-256 of x-webhook-timestamp and the body. Sources: see wire.py and books.py, and
api-reference/payments/latest/payments/webhooks, …/refunds/webhooks.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from html import escape
from typing import Any

import falcon
import gevent
import msgspec

from rizzpay.core import clock
from rizzpay.sandbox.cashfree.books import Books, Order, Payment, Refund, digits
from rizzpay.sandbox.cashfree.wire import (
    AUTHENTICATION,
    IDEMPOTENCY,
    OrderIn,
    RefundIn,
    Wrong,
    parse,
)
from rizzpay.sandbox.conformance import BODY_MAX_BYTES, PENDING, PENDING_S, Courier, Settings
from rizzpay.sandbox.door import answer, read_body
from rizzpay.sandbox.pages import SECURITY_HEADERS
from rizzpay.sandbox.running import App

VERSIONS = frozenset({"2023-08-01", "2025-01-01"})
Entity = dict[str, Any]


class Webhooks:
    """Tells the account what happened."""

    def __init__(self, settings: Settings) -> None:
        """Take the address and the secret of the account."""
        self._courier = Courier(settings.webhook_url)
        self._secret = settings.webhook_secret.reveal().encode()

    def tell(self, kind: str, data: Entity) -> None:
        """Send an event; what it shows is what is true now."""
        now = clock.now()
        event = {"data": data, "event_time": now.isoformat(timespec="seconds"), "type": kind}
        body, timestamp = msgspec.json.encode(event), str(clock.unix_s(now) * 1000)
        digest = hmac.new(self._secret, timestamp.encode() + body, hashlib.sha256).digest()
        headers = {
            "Content-Type": "application/json",
            "x-webhook-version": "2023-08-01",
            "x-webhook-timestamp": timestamp,
            "x-webhook-signature": base64.b64encode(digest).decode(),
            "x-idempotency-key": digits(12),
        }
        self._courier.bring(kind, headers, body)

    def of_payment(self, kind: str, payment: Payment) -> None:
        """Tell what became of a try."""
        order, shown = payment.order.entity(), payment.entity()
        told = (
            "cf_payment_id", "payment_status", "payment_amount", "payment_currency",
            "payment_message", "bank_reference", "auth_id", "payment_method", "payment_group",
        )  # fmt: skip
        data = {
            "order": {name: order[name] for name in ("order_id", "order_amount", "order_currency")},
            "payment": {name: shown[name] for name in told},
            "customer_details": order["customer_details"],
        }
        if payment.status == "FAILED":
            data["error_details"] = payment.error()
        self.tell(kind, data)


class Account:
    """One account: its books, its keys and its webhook."""

    def __init__(self, settings: Settings) -> None:
        """Begin with empty books."""
        self.books = Books()
        self.webhooks = Webhooks(settings)
        self._keys = f"{settings.key_id}:{settings.secret.reveal()}".encode()
        self._kept: dict[str, tuple[tuple[str, bytes], int, bytes]] = {}

    def read(self, req: falcon.Request) -> bytes:
        """Return the body of a request with the account's keys; raises Wrong."""
        given = f"{req.get_header('x-client-id')}:{req.get_header('x-client-secret')}"
        if not hmac.compare_digest(self._keys, given.encode(errors="replace")):
            raise Wrong("request_failed", "authentication Failed", status=401, kind=AUTHENTICATION)
        if req.get_header("x-api-version") not in VERSIONS:
            raise Wrong("version_invalid", "version is missing or invalid")
        return read_body(req, BODY_MAX_BYTES)

    def once(
        self, req: falcon.Request, resp: falcon.Response, do: Callable[[bytes], Entity]
    ) -> None:
        """Answer a POST, the second time under a key as the first time; raises Wrong."""
        body = self.read(req)
        key = req.get_header("x-idempotency-key") or ""
        asked = (req.path, hashlib.sha256(body).digest())
        if key in self._kept:
            before, status, said = self._kept[key]
            if before != asked:
                raise Wrong("request_failed", "the key was used before", kind=IDEMPOTENCY)
        else:
            try:
                status, entity = 200, do(body)
            except Wrong as wrong:
                status, entity = wrong.status, wrong.body()
            said = msgspec.json.encode(entity)
            if key:
                self._kept[key] = (asked, status, said)
        resp.status = status
        resp.content_type = "application/json"
        resp.data = said


class Orders:
    """POST /pg/orders, GET …/{id}, GET …/{id}/payments."""

    def __init__(self, account: Account) -> None:
        """Take the account."""
        self._account = account

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Make an order."""

        def make(body: bytes) -> Entity:
            return self._account.books.make(parse(body, OrderIn), clock.now()).entity()

        self._account.once(req, resp, make)

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, order_id: str) -> None:
        """Show an order."""
        self._account.read(req)
        answer(resp, self._account.books.order(order_id).entity())

    def on_get_payments(self, req: falcon.Request, resp: falcon.Response, order_id: str) -> None:
        """List what was tried, newest first."""
        self._account.read(req)
        payments = self._account.books.order(order_id).payments
        answer(resp, [payment.entity() for payment in reversed(payments)])


class Refunds:
    """POST and GET /pg/orders/{id}/refunds, GET …/refunds/{refund}."""

    def __init__(self, account: Account) -> None:
        """Take the account."""
        self._account = account

    def on_post(self, req: falcon.Request, resp: falcon.Response, order_id: str) -> None:
        """Give money back."""

        def give(body: bytes) -> Entity:
            refund = self._account.books.order(order_id).refund(parse(body, RefundIn))
            if refund.status == "PENDING":
                gevent.spawn_later(PENDING_S, self._end, refund)
            else:
                self._tell(refund)
            return refund.entity()

        self._account.once(req, resp, give)

    def on_get(self, req: falcon.Request, resp: falcon.Response, order_id: str) -> None:
        """List the refunds of an order."""
        self._account.read(req)
        refunds = self._account.books.order(order_id).refunds.values()
        answer(resp, [refund.entity() for refund in refunds])

    def on_get_one(
        self, req: falcon.Request, resp: falcon.Response, order_id: str, refund_id: str
    ) -> None:
        """Show a refund."""
        self._account.read(req)
        refund = self._account.books.order(order_id).refunds.get(refund_id)
        if refund is None:
            raise Wrong("refund_get_not_found", "refund is not there", status=404)
        answer(resp, refund.entity())

    def _end(self, refund: Refund) -> None:
        refund.end(done=PENDING[refund.amount % 100])
        self._tell(refund)

    def _tell(self, refund: Refund) -> None:
        self._account.webhooks.tell("REFUND_STATUS_WEBHOOK", {"refund": refund.entity()})


class Page:
    """POST /pg/view/sessions/checkout, POST /bank/{session}/{act}."""

    def __init__(self, account: Account) -> None:
        """Take the account."""
        self._books, self._webhooks = account.books, account.webhooks

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show the bank's page."""
        form = {str(name): str(value) for name, value in req.get_media().items()}
        order = self._books.session(form.get("payment_session_id", ""))
        if order.status != "ACTIVE":
            raise Wrong("order_inactive", "order is no longer active")
        resp.set_headers(SECURITY_HEADERS)
        resp.content_type = "text/html; charset=utf-8"
        resp.text = _page(order)

    def on_post_act(
        self, req: falcon.Request, resp: falcon.Response, session_id: str, act: str
    ) -> None:
        """Do what the button says, and tell of it."""
        order = self._books.session(session_id)
        match act:
            case "success":
                payment = order.begin()
                payment.status, payment.bank_reference = "SUCCESS", digits(12)
                self._webhooks.of_payment("PAYMENT_SUCCESS_WEBHOOK", payment)
            case "failure":
                payment = order.begin()
                payment.status = "FAILED"
                payment.error_reason = (req.get_param("reason") or "auth_declined")[:64]
                self._webhooks.of_payment("PAYMENT_FAILED_WEBHOOK", payment)
            case "drop":
                payment = order.begin()
                payment.status = "USER_DROPPED"
                self._webhooks.of_payment("PAYMENT_USER_DROPPED_WEBHOOK", payment)
            case "expire":
                order.closed = "EXPIRED"
            case _:
                raise falcon.HTTPNotFound
        answer(resp, order.entity())


def _page(order: Order) -> str:
    amount = f"{order.currency} {order.amount // 100}.{order.amount % 100:02d}"
    buttons = "".join(
        f'<form method="post" action="/bank/{escape(order.session_id)}/{act}">'
        f"<button>{act.title()}</button></form>"
        for act in ("success", "failure", "drop")
    )
    return f"<!doctype html><html lang=en><title>Bank</title><p>{amount}</p>{buttons}</html>"


def create_app(settings: Settings) -> App:
    """Return the WSGI application."""
    account = Account(settings)
    app: App = falcon.App()
    app.add_error_handler(Wrong, _refuse)
    app.add_error_handler(falcon.HTTPError, _refuse_http)
    orders, refunds, page = Orders(account), Refunds(account), Page(account)
    app.add_route("/pg/orders", orders)
    app.add_route("/pg/orders/{order_id}", orders, suffix="one")
    app.add_route("/pg/orders/{order_id}/payments", orders, suffix="payments")
    app.add_route("/pg/orders/{order_id}/refunds", refunds)
    app.add_route("/pg/orders/{order_id}/refunds/{refund_id}", refunds, suffix="one")
    app.add_route("/pg/view/sessions/checkout", page)
    app.add_route("/bank/{session_id}/{act}", page, suffix="act")
    return app


def _refuse(req: falcon.Request, resp: falcon.Response, error: Wrong, params: Any) -> None:
    del req, params
    answer(resp, error.body(), error.status)


def _refuse_http(
    req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, params: Any
) -> None:
    """Write what falcon refuses by itself as the documents have it."""
    del req, params
    wrong = Wrong("request_failed", "bad URL, please check API documentation")
    answer(resp, wrong.body(), error.status_code)
