"""Replays: events are sent once more, to one endpoint or to all that take them.

A replay is a new delivery with its own attempts; the bytes and webhook-id are those of the first
one, so a receiver that keeps the ids it has seen does nothing twice. How often somebody may ask
is the API's matter.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rizzpay.audit import service as audit
from rizzpay.audit.model import Entry
from rizzpay.core.errors import Refused
from rizzpay.infra.database import Connection
from rizzpay.webhooks import store
from rizzpay.webhooks.deliver import add
from rizzpay.webhooks.model import (
    ENDPOINTS_MAX,
    Author,
    Delivery,
    DeliveryFilter,
    Endpoint,
    EventFilter,
    Origin,
)

BATCH = 200  # events in one transaction of a replay by range


@dataclass(frozen=True, slots=True)
class Range:
    """Which events to send again, to `endpoint_id` or to all that take them."""

    events: EventFilter
    endpoint_id: str | None = None
    undelivered_only: bool = False  # leave out what an endpoint has taken already
    batch: int = BATCH


@dataclass(frozen=True, slots=True)
class Replayed:
    """One batch, and the last number looked at; None when there was no event any more."""

    events: int
    deliveries: int
    last_sequence: int | None


def replay_event(
    conn: Connection, author: Author, event_id: str, endpoint_id: str | None, now: datetime
) -> list[Delivery]:
    """Send one event again and return the new deliveries, in the order of their endpoints.

    A named endpoint gets it whatever types it asked for. Raises Refused: event_not_found,
    webhook_endpoint_not_found, endpoint_disabled.
    """
    event = store.get_event(conn, author.tenant, event_id)
    if event is None:
        raise Refused("event_not_found", param="id")
    endpoints = _endpoints(conn, author, endpoint_id)
    takers = [e for e in endpoints if endpoint_id is not None or e.takes(event.type)]
    pairs = [(endpoint.id, event.id) for endpoint in takers]
    made = set(add(conn, author.tenant, Origin.REPLAY, pairs, now)) if pairs else set()
    _note(conn, author, event_id, len(made), now)
    found = store.list_deliveries(
        conn, author.tenant, ENDPOINTS_MAX, DeliveryFilter(event_id=event_id)
    )
    order = [endpoint.id for endpoint in takers]
    return sorted(
        (delivery for delivery in found if delivery.id in made),
        key=lambda delivery: order.index(delivery.endpoint_id),
    )


def replay_range(
    conn: Connection, author: Author, wanted: Range, after_sequence: int, now: datetime
) -> Replayed:
    """Send the next batch of a range again; call it until `last_sequence` is None.

    Raises Refused: webhook_endpoint_not_found, endpoint_disabled.
    """
    endpoints = _endpoints(conn, author, wanted.endpoint_id)
    events = store.list_events(conn, author.tenant, after_sequence, wanted.batch, wanted.events)
    if not events:
        return Replayed(0, 0, None)
    skipped: set[tuple[str, str]] = set()
    if wanted.undelivered_only:
        skipped = store.arrived(conn, [event.id for event in events])
    pairs = [
        (endpoint.id, event.id)
        for event in events
        for endpoint in endpoints
        if endpoint.takes(event.type) and (endpoint.id, event.id) not in skipped
    ]
    made = add(conn, author.tenant, Origin.REPLAY, pairs, now) if pairs else []
    _note(conn, author, f"{events[0].id}..{events[-1].id}", len(made), now)
    return Replayed(len(events), len(made), events[-1].sequence)


def _endpoints(conn: Connection, author: Author, endpoint_id: str | None) -> Sequence[Endpoint]:
    """Return the endpoints that may be sent something, or the one that is named."""
    endpoints = store.list_endpoints(conn, author.tenant)
    if endpoint_id is None:
        return [endpoint for endpoint in endpoints if endpoint.open]
    named = [endpoint for endpoint in endpoints if endpoint.id == endpoint_id]
    if not named:
        raise Refused("webhook_endpoint_not_found", param="endpoint_id")
    if not named[0].open:
        raise Refused("endpoint_disabled", param="endpoint_id")
    return named


def _note(conn: Connection, author: Author, object_id: str, count: int, now: datetime) -> None:
    entry = Entry(
        at=now,
        actor=author.actor,
        action="event.replayed",
        object_id=object_id,
        detail={"deliveries": count},
        tenant=author.tenant,
        request_id=author.request_id,
    )
    audit.append(conn, [entry])
