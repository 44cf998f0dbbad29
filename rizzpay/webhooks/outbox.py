"""The outbox: events are written in the transaction that causes them, numbered by merchant."""

from collections.abc import Sequence

import msgspec

from rizzpay.infra.database import Connection
from rizzpay.infra.pipeline import Sender
from rizzpay.webhooks import store
from rizzpay.webhooks.model import Event, NewEvent


def publish(conn: Connection, events: Sequence[NewEvent]) -> list[Event]:
    """Number events, write them and have them sent; call it once in a transaction, late.

    Events of one merchant keep their order. The counters of all merchants stay locked until the
    caller commits, which is what makes numbers visible in order and without gaps.
    """
    if not events:
        return []
    numbered = store.publish(conn, events)
    sequences = {row[0]: row[1] for row in numbered.rows()}
    return [
        Event(
            id=event.id,
            tenant=event.tenant,
            sequence=sequences[event.id],
            type=event.type,
            object_id=event.object_id,
            object_sequence=event.object_sequence,
            data=msgspec.json.decode(event.json()),
            created_at=event.created_at,
        )
        for event in events
    ]


def send(conn: Sender, events: Sequence[NewEvent]) -> None:
    """Publish without waiting for the numbers: for a transaction that runs in a pipeline."""
    if events:
        store.publish(conn, events)
