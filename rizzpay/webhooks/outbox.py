"""The outbox: events are written in the transaction that causes them, numbered by merchant."""

from collections import Counter
from collections.abc import Sequence

from rizzpay.infra import jobs
from rizzpay.infra.database import Connection
from rizzpay.infra.jobs import NewJob
from rizzpay.webhooks import store
from rizzpay.webhooks.model import Event, NewEvent


def publish(conn: Connection, events: Sequence[NewEvent]) -> list[Event]:
    """Number events, write them and have them sent; call it once in a transaction, late.

    Events of one merchant keep their order. The counters of all merchants stay locked until the
    caller commits, which is what makes numbers visible in order and without gaps.
    """
    if not events:
        return []
    counts = Counter(event.tenant for event in events)
    used = {tenant: last - counts[tenant] for tenant, last in store.count_up(conn, counts).items()}
    numbered = []
    for event in events:
        used[event.tenant] += 1
        numbered.append(
            Event(
                id=event.id,
                tenant=event.tenant,
                sequence=used[event.tenant],
                type=event.type,
                object_id=event.object_id,
                object_sequence=event.object_sequence,
                data=event.data,
                created_at=event.created_at,
            )
        )
    store.insert_events(conn, numbered)
    jobs.enqueue(
        conn,
        [
            NewJob("webhook.fan_out", event.id, event.created_at, tenant=event.tenant)
            for event in numbered
        ],
    )
    return numbered
