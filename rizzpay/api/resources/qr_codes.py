"""QR codes: make, fetch, list, close; their images, and the payments that came by them."""

import falcon

from rizzpay.api import claims, qr_codes, views
from rizzpay.api.answers import send, send_served
from rizzpay.api.cursors import Cursors, scope_of
from rizzpay.api.facts import ApiRequest
from rizzpay.api.qr_codes import QrCodeBody, QrCodeList, QrCodePaymentList
from rizzpay.api.schemas import PageQuery
from rizzpay.core import clock, ids
from rizzpay.core.errors import Refused
from rizzpay.infra import qr_image
from rizzpay.payments.qr_codes.service import QrCodes

URL = "/v1/qr_codes"
MEDIA_TYPES = {"png": "image/png", "svg": "image/svg+xml"}


class QrCodesResource:
    """All QR codes of the caller."""

    def __init__(self, codes: QrCodes, cursors: Cursors) -> None:
        """Keep the service and what makes cursors."""
        self._codes = codes
        self._cursors = cursors

    def on_post(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Make a code."""
        command = qr_codes.command_of(req.checked_body(QrCodeBody))
        claim = claims.required_claim(req, "qr_code", clock.now())
        send_served(resp, self._codes.create(req.caller, command, claim, req.facts.request_id))

    def on_get(self, req: ApiRequest, resp: falcon.Response) -> None:
        """List codes, newest first."""
        wanted, tenant = req.checked_query(PageQuery), req.caller.tenant
        after = self._cursors.open(tenant, scope_of(URL), wanted.cursor)
        found = self._codes.page(tenant, wanted.limit + 1, after)
        page, more = found[: wanted.limit], len(found) > wanted.limit
        cursor = None
        if more:
            place = (page[-1].created_at, page[-1].id)
            cursor = self._cursors.close(tenant, scope_of(URL), place)
        data = [qr_codes.shown(code) for code in page]
        send(resp, 200, QrCodeList(url=URL, has_more=more, next_cursor=cursor, data=data))


class QrCodeResource:
    """One code."""

    def __init__(self, codes: QrCodes) -> None:
        """Keep the service."""
        self._codes = codes

    def on_get(self, req: ApiRequest, resp: falcon.Response, qr_code_id: str) -> None:
        """Fetch a code."""
        code = self._codes.get(req.caller.tenant, _checked(qr_code_id))
        send(resp, 200, qr_codes.shown(code))


class QrCodeImageResource:
    """One code as an image."""

    def __init__(self, codes: QrCodes, kind: str) -> None:
        """Keep the service, and which kind of image this address is of."""
        self._codes = codes
        self._kind = kind

    def on_get(self, req: ApiRequest, resp: falcon.Response, qr_code_id: str) -> None:
        """Draw it."""
        code = self._codes.get(req.caller.tenant, _checked(qr_code_id))
        resp.content_type = MEDIA_TYPES[self._kind]
        resp.data = qr_image.image(code.content, self._kind)


class CloseQrCodeResource:
    """The end of a code."""

    def __init__(self, codes: QrCodes) -> None:
        """Keep the service."""
        self._codes = codes

    def on_post(self, req: ApiRequest, resp: falcon.Response, qr_code_id: str) -> None:
        """Close it."""
        code_id, claim = _checked(qr_code_id), claims.claim(req, "qr_code", clock.now())
        send_served(resp, self._codes.close(req.caller, code_id, claim, req.facts.request_id))


class QrCodePaymentsResource:
    """What came by one code."""

    def __init__(self, codes: QrCodes, cursors: Cursors) -> None:
        """Keep the service and what makes cursors."""
        self._codes = codes
        self._cursors = cursors

    def on_get(self, req: ApiRequest, resp: falcon.Response, qr_code_id: str) -> None:
        """List payments that came by it, newest first."""
        wanted, tenant = req.checked_query(PageQuery), req.caller.tenant
        code_id = _checked(qr_code_id)
        url = f"{URL}/{code_id}/payments"
        after = self._cursors.open(tenant, scope_of(url), wanted.cursor)
        found = self._codes.payments(tenant, code_id, wanted.limit + 1, after)
        page, more = found[: wanted.limit], len(found) > wanted.limit
        cursor = None
        if more:
            place = (page[-1].created_at, page[-1].id)
            cursor = self._cursors.close(tenant, scope_of(url), place)
        data = [views.payment(payment, None) for payment in page]
        send(resp, 200, QrCodePaymentList(url=url, has_more=more, next_cursor=cursor, data=data))


def _checked(qr_code_id: str) -> str:
    if not ids.looks_like("qr_code", qr_code_id):
        raise Refused("qr_code_not_found", param="id")
    return qr_code_id
