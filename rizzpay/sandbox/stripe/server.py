"""The routes of the conformance server: the API, and the page of Checkout with a mock issuer.

GET /c/pay/{session} shows the page; its buttons post to /c/pay/{session}/{act}:

    success              the issuer says yes; what is captured automatically is captured
    decline?code=…       the issuer says no, with one of declines/codes; the page stays open
    expire               the page's time is over

Authentication is `Authorization: Bearer` with the secret key; every POST may have an
Idempotency-Key, under which status and body are kept. Sources: api/authentication, api/errors,
api/idempotent_requests, api/request_ids of docs.stripe.com.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

import falcon
import gevent
import msgspec

from rizzpay.sandbox.conformance import BODY_MAX_BYTES, PENDING, PENDING_S, Settings, now_s
from rizzpay.sandbox.door import answer, read_body
from rizzpay.sandbox.pages import SECURITY_HEADERS
from rizzpay.sandbox.running import App
from rizzpay.sandbox.stripe.books import Books, Intent, Refund, Session, new_id
from rizzpay.sandbox.stripe.webhooks import Webhooks
from rizzpay.sandbox.stripe.wire import IDEMPOTENCY, Form, Wrong

SESSION_PARAMETERS = (
    "adaptive_pricing", "cancel_url", "client_reference_id", "expires_at", "expand", "line_items",
    "mode", "payment_intent_data", "payment_method_types", "success_url",
)  # fmt: skip
KEY_MAX = 255

Entity = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """What was answered under an idempotency key, and to what."""

    asked: tuple[str, bytes]
    status: int
    body: bytes


class Account:
    """One account: its books, its key and its webhook."""

    def __init__(self, settings: Settings) -> None:
        """Begin with empty books."""
        self.books = Books()
        self.webhooks = Webhooks(settings.webhook_url, settings.webhook_secret)
        self._authorization = f"Bearer {settings.secret.reveal()}".encode()
        self._kept: dict[str, Kept] = {}

    def read(self, req: falcon.Request) -> bytes:
        """Return the body of a request with the account's key; raises Wrong."""
        given = (req.get_header("Authorization") or "").encode(errors="replace")
        if not hmac.compare_digest(self._authorization, given):
            raise Wrong("Invalid API Key provided", status=401)
        return read_body(req, BODY_MAX_BYTES)

    def once(
        self, req: falcon.Request, resp: falcon.Response, do: Callable[[bytes], Entity]
    ) -> None:
        """Answer a POST, the second time under a key as the first time; raises Wrong."""
        body = self.read(req)
        key = (req.get_header("Idempotency-Key") or "")[:KEY_MAX]
        asked = (req.path, hashlib.sha256(body).digest())
        known = self._kept.get(key)
        if known is not None:
            if known.asked != asked:
                raise Wrong(
                    "Keys for idempotent requests can only be used with the same parameters they "
                    f"were first used with. Try using a key other than '{key}' if you meant to "
                    "execute a different request.",
                    kind=IDEMPOTENCY,
                )
            resp.set_header("Idempotent-Replayed", "true")
            _write(resp, known.status, known.body)
            return
        try:
            status, entity = 200, do(body)
        except Wrong as wrong:
            status, entity = wrong.status, wrong.body()
        made = Kept(asked, status, msgspec.json.encode(entity))
        if key:
            self._kept[key] = made
        _write(resp, made.status, made.body)


def _write(resp: falcon.Response, status: int, body: bytes) -> None:
    resp.status = status
    resp.content_type = "application/json"
    resp.set_header("Request-Id", new_id("req"))
    resp.data = body


class Sessions:
    """POST /v1/checkout/sessions, GET …/{id}, POST …/{id}/expire."""

    def __init__(self, account: Account) -> None:
        """Take the account."""
        self._account = account

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Make a session."""

        def make(body: bytes) -> Entity:
            form = Form(body, SESSION_PARAMETERS)
            return self._account.books.make_session(form, req.prefix, now_s()).entity()

        self._account.once(req, resp, make)

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, session_id: str) -> None:
        """Show a session, with its intent if it is expanded."""
        self._account.read(req)
        expanded = "payment_intent" in (req.get_param_as_list("expand[]") or [])
        answer(resp, self._account.books.session(session_id).entity(expanded=expanded))

    def on_post_expire(self, req: falcon.Request, resp: falcon.Response, session_id: str) -> None:
        """Close the page of a session."""

        def close(_: bytes) -> Entity:
            session = self._account.books.session(session_id)
            session.expire()
            self._account.webhooks.tell("checkout.session.expired", session.entity())
            return session.entity()

        self._account.once(req, resp, close)


class Intents:
    """GET /v1/payment_intents, GET …/{id}, POST …/{id}/capture and …/{id}/cancel."""

    def __init__(self, account: Account) -> None:
        """Take the account."""
        self._account = account

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List intents, newest first."""
        self._account.read(req)
        found = [intent.entity() for intent in reversed(self._account.books.intents.values())]
        answer(resp, _list(req, found))

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, intent_id: str) -> None:
        """Show an intent."""
        self._account.read(req)
        answer(resp, self._account.books.intent(intent_id).entity())

    def on_post_capture(self, req: falcon.Request, resp: falcon.Response, intent_id: str) -> None:
        """Take held money."""

        def take(body: bytes) -> Entity:
            intent = self._account.books.intent(intent_id)
            intent.capture(Form(body, ("amount_to_capture", "metadata")))
            self._account.webhooks.tell("payment_intent.succeeded", intent.entity())
            return intent.entity()

        self._account.once(req, resp, take)

    def on_post_cancel(self, req: falcon.Request, resp: falcon.Response, intent_id: str) -> None:
        """Release held money."""

        def release(body: bytes) -> Entity:
            intent = self._account.books.intent(intent_id)
            intent.cancel(Form(body, ("cancellation_reason",)).text("cancellation_reason", ""))
            self._account.webhooks.tell("payment_intent.canceled", intent.entity())
            return intent.entity()

        self._account.once(req, resp, release)


class Refunds:
    """POST and GET /v1/refunds, GET …/{id}."""

    def __init__(self, account: Account) -> None:
        """Take the account."""
        self._account = account

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Give money back."""

        def give(body: bytes) -> Entity:
            form = Form(body, ("amount", "metadata", "payment_intent", "reason"))
            refund = self._account.books.make_refund(form, now_s())
            self._account.webhooks.tell("refund.created", refund.entity())
            if refund.status == "pending":
                gevent.spawn_later(PENDING_S, self._end, refund)
            return refund.entity()

        self._account.once(req, resp, give)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List refunds, newest first, those of one intent if one is named."""
        self._account.read(req)
        intent_id = req.get_param("payment_intent")
        found = [
            refund.entity()
            for refund in reversed(self._account.books.refunds.values())
            if intent_id is None or refund.intent.id == intent_id
        ]
        answer(resp, _list(req, found))

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, refund_id: str) -> None:
        """Show a refund."""
        self._account.read(req)
        refund = self._account.books.refunds.get(refund_id)
        if refund is None:
            raise Wrong(f"No such refund: '{refund_id}'", status=404, code="resource_missing")
        answer(resp, refund.entity())

    def _end(self, refund: Refund) -> None:
        refund.status = "succeeded" if PENDING[refund.amount % 100] else "failed"
        kind = "refund.updated" if refund.status == "succeeded" else "refund.failed"
        self._account.webhooks.tell(kind, refund.entity())


def _list(req: falcon.Request, found: list[Entity]) -> Entity:
    """Return a page of what was found; api/pagination."""
    limit = req.get_param_as_int("limit", min_value=1, max_value=100, default=10)
    after = req.get_param("starting_after")
    ids = [entity["id"] for entity in found]
    start = ids.index(after) + 1 if after in ids else 0
    more = len(found) > start + limit
    page = found[start : start + limit]
    return {"object": "list", "data": page, "has_more": more, "url": req.path}


class Page:
    """GET /c/pay/{session}, POST /c/pay/{session}/{act}."""

    def __init__(self, account: Account) -> None:
        """Take the account."""
        self._books, self._webhooks = account.books, account.webhooks

    def on_get(self, req: falcon.Request, resp: falcon.Response, session_id: str) -> None:
        """Show the page."""
        del req
        resp.set_headers(SECURITY_HEADERS)
        resp.content_type = "text/html; charset=utf-8"
        resp.text = _page(self._books.session(session_id))

    def on_post_act(
        self, req: falcon.Request, resp: falcon.Response, session_id: str, act: str
    ) -> None:
        """Do what the button says, and tell of it."""
        session = self._books.session(session_id)
        if session.status != "open":
            raise Wrong("The page is closed.")
        match act:
            case "success":
                session.intent.authorize()
                session.status = "complete"
                self._webhooks.tell(_kind(session.intent), session.intent.entity())
                self._webhooks.tell("checkout.session.completed", session.entity())
            case "decline":
                session.intent.decline((req.get_param("code") or "generic_decline")[:64])
                self._webhooks.tell("payment_intent.payment_failed", session.intent.entity())
            case "expire":
                session.expire()
                self._webhooks.tell("checkout.session.expired", session.entity())
            case _:
                raise falcon.HTTPNotFound
        answer(resp, session.entity(expanded=True))


def _kind(intent: Intent) -> str:
    held = intent.status == "requires_capture"
    return "payment_intent." + ("amount_capturable_updated" if held else "succeeded")


def _page(session: Session) -> str:
    minor = session.intent.amount
    amount = f"{session.intent.currency.upper()} {minor // 100}.{minor % 100:02d}"
    buttons = "".join(
        f'<form method="post" action="/c/pay/{escape(session.id)}/{act}">'
        f"<button>{act.title()}</button></form>"
        for act in ("success", "decline")
    )
    return (
        "<!doctype html><html lang=en><title>Checkout</title>"
        f"<h1>Checkout</h1><p>{amount}</p>{buttons}</html>"
    )


def create_app(settings: Settings) -> App:
    """Return the WSGI application."""
    account = Account(settings)
    app: App = falcon.App()
    app.add_error_handler(Wrong, _refuse)
    app.add_error_handler(falcon.HTTPError, _refuse_http)
    sessions, intents, refunds = Sessions(account), Intents(account), Refunds(account)
    app.add_route("/v1/checkout/sessions", sessions)
    app.add_route("/v1/checkout/sessions/{session_id}", sessions, suffix="one")
    app.add_route("/v1/checkout/sessions/{session_id}/expire", sessions, suffix="expire")
    app.add_route("/v1/payment_intents", intents)
    app.add_route("/v1/payment_intents/{intent_id}", intents, suffix="one")
    app.add_route("/v1/payment_intents/{intent_id}/capture", intents, suffix="capture")
    app.add_route("/v1/payment_intents/{intent_id}/cancel", intents, suffix="cancel")
    app.add_route("/v1/refunds", refunds)
    app.add_route("/v1/refunds/{refund_id}", refunds, suffix="one")
    page = Page(account)
    app.add_route("/c/pay/{session_id}", page)
    app.add_route("/c/pay/{session_id}/{act}", page, suffix="act")
    return app


def _refuse(req: falcon.Request, resp: falcon.Response, error: Wrong, params: Any) -> None:
    del req, params
    _write(resp, error.status, msgspec.json.encode(error.body()))


def _refuse_http(
    req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, params: Any
) -> None:
    """Write what falcon refuses by itself as the documents have it."""
    del params
    message = f"Unrecognized request URL ({req.method}: {req.path})."
    _write(resp, error.status_code, msgspec.json.encode(Wrong(message).body()))
