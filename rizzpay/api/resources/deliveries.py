"""Deliveries: what became of events on their way to an endpoint."""

import falcon

from rizzpay.api.answers import send
from rizzpay.api.cursors import Cursors, scope_of
from rizzpay.api.facts import ApiRequest
from rizzpay.api.objects import DeliveryAttempt, DeliveryList, DeliveryObject
from rizzpay.api.schemas import PageQuery
from rizzpay.api.views import when
from rizzpay.core.clock import unix_s
from rizzpay.webhooks.model import Author, Delivery
from rizzpay.webhooks.service import Webhooks


class DeliveriesResource:
    """The deliveries of one endpoint."""

    def __init__(self, webhooks: Webhooks, cursors: Cursors) -> None:
        """Keep the service and what makes cursors."""
        self._webhooks = webhooks
        self._cursors = cursors

    def on_get(self, req: ApiRequest, resp: falcon.Response, endpoint_id: str) -> None:
        """List deliveries, newest first."""
        wanted = req.checked_query(PageQuery)
        tenant = req.caller.tenant
        url = f"/v1/webhook_endpoints/{endpoint_id}/deliveries"
        scope = scope_of(url)
        before = self._cursors.open(tenant, scope, wanted.cursor)
        found = self._webhooks.list_deliveries(tenant, endpoint_id, wanted.limit + 1, before)
        shown, more = found[: wanted.limit], len(found) > wanted.limit
        cursor = None
        if more:
            place = (shown[-1].created_at, shown[-1].id)
            cursor = self._cursors.close(tenant, scope, place)
        data = [delivery(one) for one in shown]
        send(resp, 200, DeliveryList(url=url, has_more=more, next_cursor=cursor, data=data))


def delivery(it: Delivery) -> DeliveryObject:
    """Return a delivery."""
    return DeliveryObject(
        id=it.id,
        livemode=it.tenant.livemode,
        endpoint_id=it.endpoint_id,
        event_id=it.event_id,
        origin=it.origin.value,
        status=it.status.value,
        attempts=[
            DeliveryAttempt(
                at=unix_s(tried.at),
                status=tried.status,
                duration_ms=tried.duration_ms,
                error=tried.error,
                response=tried.response,
            )
            for tried in it.attempts
        ],
        next_at=when(it.next_at),
        created_at=unix_s(it.created_at),
        updated_at=unix_s(it.updated_at),
    )


def author_of(req: ApiRequest) -> Author:
    """Return who changes something of the webhooks."""
    caller = req.caller
    return Author(caller.tenant, caller.key_id, req.facts.request_id)
