"""The customer's side, played by a person or a test: hosted pages, and a mock UPI app."""

from typing import Any
from urllib.parse import urlencode, urlsplit

import falcon
import msgspec

from rizzpay.core import clock
from rizzpay.core.money import Money
from rizzpay.sandbox import links, pages
from rizzpay.sandbox.acquirer import Acquirer, charge_of_upi_reference
from rizzpay.sandbox.door import answer, read_body
from rizzpay.sandbox.records import Attempt, Charge
from rizzpay.sandbox.settings import Settings
from rizzpay.sandbox.wire import Refused, Result, ScanIn, parse

BODY_MAX_BYTES = 8192


class Front:
    """GET /: the magic values."""

    def __init__(self, settings: Settings) -> None:
        """Take the public address."""
        self._settings = settings

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show the front page."""
        del req
        _html(resp, pages.front(self._settings.public_url))


class Page:
    """GET /customer/{reference}."""

    def __init__(self, acquirer: Acquirer) -> None:
        """Take the acquirer."""
        self._acquirer = acquirer

    def on_get(self, req: falcon.Request, resp: falcon.Response, reference: str) -> None:
        """Show what is to be paid, with buttons."""
        del req
        charge, attempt = self._acquirer.customer(reference, clock.now())
        _html(resp, pages.customer(charge, attempt, msgspec.json.decode(charge.method)))


class Act:
    """POST /customer/{reference}/approve and …/decline."""

    def __init__(self, acquirer: Acquirer, *, approve: bool) -> None:
        """Take the acquirer and what this button does."""
        self._acquirer = acquirer
        self._approve = approve

    def on_post(self, req: falcon.Request, resp: falcon.Response, reference: str) -> None:
        """Act, then go back to the merchant; a client that wants JSON gets it instead."""
        read_body(req, BODY_MAX_BYTES)
        attempt = self._acquirer.customer_acts(reference, approve=self._approve, now=clock.now())
        charge, _ = self._acquirer.customer(reference, clock.now())
        if "text/html" not in req.accept:
            answer(resp, self._acquirer.result(attempt))
        elif charge.return_url:
            resp.status = falcon.HTTP_303
            resp.set_header("Location", _back(charge.return_url, charge, attempt))
        else:
            _html(resp, pages.customer(charge, attempt, msgspec.json.decode(charge.method)))


class Scan:
    """POST /customer/scan: a UPI app that pays, or declines, what it was given."""

    def __init__(self, acquirer: Acquirer, settings: Settings) -> None:
        """Take the acquirer, and the payee of links that it did not lead to."""
        self._acquirer = acquirer
        self._own_payee = settings.upi_payee_vpa

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Read the link as an app does, then act on it, `times` times."""
        scanned = parse(read_body(req, BODY_MAX_BYTES), ScanIn)
        results = [self._act(scanned) for _ in range(scanned.times)]
        answer(resp, results[0] if len(results) == 1 else {"results": results})

    def _act(self, scanned: ScanIn) -> Result:
        fields, approve = links.read(scanned.upi), scanned.act == "approve"
        if self._own_payee and fields.get("pa") == self._own_payee:
            link = links.own(fields, scanned.amount)
            return self._acquirer.pay_own_link(
                link, clock.now(), approve=approve, after_ms=scanned.after_ms
            )
        if scanned.amount is not None or scanned.after_ms:
            raise Refused(422, "invalid", "This link says its amount, and is decided at once.")
        reference = self._reference(fields)
        attempt = self._acquirer.customer_acts(reference, approve=approve, now=clock.now())
        return self._acquirer.result(attempt)

    def _reference(self, fields: dict[str, str]) -> str:
        reference = charge_of_upi_reference(fields.get("tr", ""))
        charge, _ = self._acquirer.customer(reference, clock.now())
        wanted: dict[str, Any] = {
            "am": Money(charge.asked, charge.currency).decimal(),
            "cu": charge.currency,
            "pa": links.PAYEE,
        }
        wrong = [name for name, text in wanted.items() if fields.get(name) != text]
        if wrong:
            raise Refused(422, "invalid", f"The link is wrong in: {', '.join(wrong)}.")
        return reference


def _back(url: str, charge: Charge, attempt: Attempt) -> str:
    """Return the merchant's address with what became of it; the callback is what counts."""
    parts = urlsplit(url)
    told = urlencode({"payment_id": charge.payment_id, "status": attempt.status})
    return parts._replace(query=f"{parts.query}&{told}".lstrip("&")).geturl()


def _html(resp: falcon.Response, text: str) -> None:
    resp.content_type = "text/html; charset=utf-8"
    resp.set_headers(pages.SECURITY_HEADERS)
    resp.text = text
