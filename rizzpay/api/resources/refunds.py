"""Refunds: create, fetch, list."""

import falcon

from rizzpay.api import claims, intake, views
from rizzpay.api.answers import send, send_served
from rizzpay.api.cursors import Cursors, scope_of
from rizzpay.api.facts import ApiRequest
from rizzpay.api.objects import RefundList
from rizzpay.api.schemas import RefundBody, RefundsQuery
from rizzpay.core import clock, ids
from rizzpay.core.errors import Refused
from rizzpay.payments.service import Payments

URL = "/v1/refunds"


class RefundsResource:
    """All refunds of the caller."""

    def __init__(self, payments: Payments, cursors: Cursors) -> None:
        """Keep the service and what makes cursors."""
        self._payments = payments
        self._cursors = cursors

    def on_post(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Give captured money back."""
        command = intake.create_refund(req.checked_body(RefundBody))
        claim = claims.required_claim(req, "refund", clock.now())
        send_served(resp, self._payments.refund(req.caller, command, claim, req.facts.request_id))

    def on_get(self, req: ApiRequest, resp: falcon.Response) -> None:
        """List refunds, newest first."""
        wanted = req.checked_query(RefundsQuery)
        tenant = req.caller.tenant
        scope = scope_of(URL, wanted.payment_id)
        after = self._cursors.open(tenant, scope, wanted.cursor)
        found = self._payments.page_refunds(tenant, wanted.payment_id, wanted.limit + 1, after)
        shown, more = found[: wanted.limit], len(found) > wanted.limit
        cursor = None
        if more:
            place = (shown[-1].created_at, shown[-1].id)
            cursor = self._cursors.close(tenant, scope, place)
        data = [views.refund(refund) for refund in shown]
        send(resp, 200, RefundList(url=URL, has_more=more, next_cursor=cursor, data=data))


class RefundResource:
    """One refund."""

    def __init__(self, payments: Payments) -> None:
        """Keep the service."""
        self._payments = payments

    def on_get(self, req: ApiRequest, resp: falcon.Response, refund_id: str) -> None:
        """Fetch a refund."""
        if not ids.looks_like("refund", refund_id):
            raise Refused("refund_not_found", param="id")
        send(resp, 200, views.refund(self._payments.get_refund(req.caller.tenant, refund_id)))
