"""Events: list by sequence, fetch, send again."""

import falcon

from rizzpay.api.answers import send
from rizzpay.api.facts import ApiRequest
from rizzpay.api.objects import EventData, EventList, EventObject, ReplayObject
from rizzpay.api.resources.deliveries import author_of, delivery
from rizzpay.api.schemas import EventsQuery, ReplayBody
from rizzpay.core import clock
from rizzpay.core.clock import unix_s
from rizzpay.webhooks.model import Event
from rizzpay.webhooks.service import Webhooks

URL = "/v1/events"


class EventsResource:
    """All events of the caller."""

    def __init__(self, webhooks: Webhooks) -> None:
        """Keep the service."""
        self._webhooks = webhooks

    def on_get(self, req: ApiRequest, resp: falcon.Response) -> None:
        """List events in the order of their sequence."""
        wanted = req.checked_query(EventsQuery)
        types = (wanted.type or "*",)
        found = self._webhooks.list_events(
            req.caller.tenant, wanted.after_sequence, wanted.limit + 1, types
        )
        data = [_shown(event) for event in found[: wanted.limit]]
        more = len(found) > wanted.limit
        send(resp, 200, EventList(url=URL, has_more=more, next_cursor=None, data=data))


class EventResource:
    """One event."""

    def __init__(self, webhooks: Webhooks) -> None:
        """Keep the service."""
        self._webhooks = webhooks

    def on_get(self, req: ApiRequest, resp: falcon.Response, event_id: str) -> None:
        """Fetch an event."""
        send(resp, 200, _shown(self._webhooks.get_event(req.caller.tenant, event_id)))


class ReplayResource:
    """Sending an event again."""

    def __init__(self, webhooks: Webhooks) -> None:
        """Keep the service."""
        self._webhooks = webhooks

    def on_post(self, req: ApiRequest, resp: falcon.Response, event_id: str) -> None:
        """Make new deliveries."""
        endpoint_id = req.checked_body(ReplayBody).endpoint_id
        made = self._webhooks.replay(author_of(req), event_id, endpoint_id, clock.now())
        shown = ReplayObject(
            livemode=req.caller.tenant.livemode,
            event_id=event_id,
            deliveries=[delivery(one) for one in made],
        )
        send(resp, 201, shown)


def _shown(event: Event) -> EventObject:
    return EventObject(
        id=event.id,
        livemode=event.tenant.livemode,
        type=event.type,
        sequence=event.sequence,
        object_id=event.object_id,
        object_sequence=event.object_sequence,
        created_at=unix_s(event.created_at),
        data=EventData(object=event.data),
    )
