"""The hosted checkout, and the mock page of a bank behind it: what the customer's browser sees.

POST /v1/checkout/embedded takes the form of the merchant's page and shows the bank's page with its
buttons. A button posts to /bank/{payment}/{act}:

    success              the bank says yes; what is captured automatically is captured
    failure?reason=…     the bank says no, for one of the reasons of errors/payments/list
    lapse                five days go by, and what is held is given back

Source: payments/payment-gateway/web-integration/hosted/integration-steps of razorpay.com/docs.
"""

import re
from html import escape

import falcon

from rizzpay.core.money import Money
from rizzpay.sandbox.conformance import now_s
from rizzpay.sandbox.door import answer
from rizzpay.sandbox.pages import SECURITY_HEADERS
from rizzpay.sandbox.razorpay.books import Books
from rizzpay.sandbox.razorpay.webhooks import Webhooks
from rizzpay.sandbox.razorpay.wire import WRONG_KEY, Wrong

METHODS = ("card", "netbanking", "wallet", "upi", "paylater")
NEEDED = ("key_id", "name", "order_id", "amount", "currency")
NOTE = re.compile(r"^notes\[(.{1,256})\]$")
REASON_MAX = 64

Parts = tuple[Books, Webhooks]


class Embedded:
    """POST /v1/checkout/embedded."""

    def __init__(self, parts: Parts, key_id: str) -> None:
        """Take the parts, and the key that forms have to name."""
        self._books, _ = parts
        self._key_id = key_id

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Begin a payment of the order and show the bank's page."""
        form = {str(name): str(value) for name, value in req.get_media().items()}
        for name in NEEDED:
            if not form.get(name):
                raise Wrong(f"The {name} field is required.", field=name)
        if form["key_id"] != self._key_id:
            raise Wrong(WRONG_KEY)
        order = self._books.order(form["order_id"])
        if (form["amount"], form["currency"]) != (str(order.amount), order.currency):
            raise Wrong("The amount is not that of the order.", reason="order_amount_mismatch")
        method = form.get("method", "card")
        if method not in METHODS:
            raise Wrong("The method is not one of the checkout.", field="method")
        notes = {match[1]: value for name, value in form.items() if (match := NOTE.match(name))}
        payment = self._books.begin(order, method, notes, now_s())
        resp.set_headers(SECURITY_HEADERS)
        resp.content_type = "text/html; charset=utf-8"
        resp.text = _page(payment.id, form["name"], Money(order.amount, order.currency))


class Act:
    """POST /bank/{payment_id}/{act}."""

    def __init__(self, parts: Parts) -> None:
        """Take the parts."""
        self._books, self._webhooks = parts

    def on_post(
        self, req: falcon.Request, resp: falcon.Response, payment_id: str, act: str
    ) -> None:
        """Do what the button says, and tell of it."""
        payment, at_s = self._books.payment(payment_id), now_s()
        match act:
            case "success":
                self._books.authorize(payment)
                self._webhooks.of_payment("payment.authorized", payment, at_s)
                order = self._books.order(payment.order_id)
                if order.capture == "automatic":
                    self._books.capture(payment, payment.amount, payment.currency)
                    self._webhooks.paid(order, payment, at_s)
            case "failure":
                reason = (req.get_param("reason") or "payment_failed")[:REASON_MAX]
                self._books.fail(payment, reason)
                self._webhooks.of_payment("payment.failed", payment, at_s)
            case "lapse":
                self._books.lapse(payment)
            case _:
                raise falcon.HTTPNotFound
        answer(resp, payment.entity())


def _page(payment_id: str, name: str, money: Money) -> str:
    amount = f"{money.currency} {money.minor // 100}.{money.minor % 100:02d}"
    buttons = "".join(
        f'<form method="post" action="/bank/{escape(payment_id)}/{act}">'
        f"<button>{act.title()}</button></form>"
        for act in ("success", "failure")
    )
    return (
        "<!doctype html><html lang=en><title>Bank</title>"
        f"<h1>{escape(name)}</h1><p>{amount}</p>{buttons}</html>"
    )
