"""SQL of events, endpoints and deliveries. Private to `rizzpay.webhooks`.

Events get their numbers by one statement that locks the counters of all merchants of a batch in
order of their ids and keeps them until commit: numbers become visible in order, without gaps,
and two batches cannot wait for each other in a circle. A transaction publishes once.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from psycopg.types.json import Jsonb

from rizzpay.core.tenant import Tenant
from rizzpay.infra.arrays import bigint, boolean, integer, json, text, timestamptz
from rizzpay.infra.database import Connection
from rizzpay.infra.pipeline import Sender, Sent, Value
from rizzpay.webhooks import rows
from rizzpay.webhooks.event_list import list_events as list_events  # noqa: PLC0414 - part of it
from rizzpay.webhooks.model import (
    Attempt,
    Delivery,
    DeliveryFilter,
    Endpoint,
    Event,
    NewEvent,
    Origin,
    matches,
)
from rizzpay.webhooks.rows import Due, Offer

# Counters are made or raised in order of their merchants; `behind` is how many events of the same
# merchant come after this one in the batch. The left join lets an event without a counter fail on
# its missing number instead of vanishing. Events of merchants without an open endpoint get no
# job: an endpoint is sent what is written after the commit that made or opened it.
PUBLISH = """
WITH counted AS (
    INSERT INTO rizzpay.event_counters (merchant_id, livemode, last_sequence)
    SELECT merchant_id, livemode, more
    FROM unnest(%(merchants)b::text[], %(modes)b::boolean[], %(more)b::bigint[])
         AS wanted (merchant_id, livemode, more)
    ORDER BY merchant_id, livemode
    ON CONFLICT (merchant_id, livemode) DO UPDATE
    SET last_sequence = rizzpay.event_counters.last_sequence + excluded.last_sequence
    RETURNING merchant_id, livemode, last_sequence
), written AS (
    INSERT INTO rizzpay.events (id, merchant_id, livemode, sequence, type, object_id,
                                object_sequence, data, created_at)
    SELECT fresh.id, fresh.merchant_id, fresh.livemode, counted.last_sequence - fresh.behind,
           fresh.type, fresh.object_id, fresh.object_sequence, fresh.data, fresh.created_at
    FROM unnest(%(ids)b::text[], %(merchant_ids)b::text[], %(livemodes)b::boolean[],
                %(behind)b::bigint[], %(types)b::text[], %(object_ids)b::text[],
                %(object_sequences)b::integer[], %(data)b::json[], %(created_ats)b::timestamptz[])
         AS fresh (id, merchant_id, livemode, behind, type, object_id, object_sequence, data,
                   created_at)
    LEFT JOIN counted
      ON counted.merchant_id = fresh.merchant_id AND counted.livemode = fresh.livemode
    RETURNING id, merchant_id, livemode, sequence, created_at
), queued AS (
    INSERT INTO rizzpay.jobs (kind, key, merchant_id, livemode, run_at)
    SELECT 'webhook.fan_out', id, merchant_id, livemode, created_at
    FROM written
    WHERE EXISTS (SELECT FROM rizzpay.webhook_endpoints AS endpoint
                  WHERE endpoint.merchant_id = written.merchant_id
                    AND endpoint.livemode = written.livemode AND endpoint.status = 'enabled')
    ORDER BY id
)
SELECT id, sequence FROM written
"""

GET_EVENT = """
SELECT id, merchant_id, livemode, sequence, type, object_id, object_sequence, data, created_at
FROM rizzpay.events
WHERE id = %(id)s AND merchant_id = %(merchant_id)s AND livemode = %(livemode)s
"""

LOCK_TENANT = "SELECT pg_advisory_xact_lock(hashtextextended(%(name)s, 0))"

INSERT_ENDPOINT = """
INSERT INTO rizzpay.webhook_endpoints (id, merchant_id, livemode, url, description, event_types,
                                       status, secret, version, created_at, updated_at)
VALUES (%(id)s, %(merchant_id)s, %(livemode)s, %(url)s, %(description)s, %(event_types)s,
        %(status)s, %(secret)s, %(version)s, %(created_at)s, %(updated_at)s)
"""

LIST_ENDPOINTS = """
SELECT id, merchant_id, livemode, url, description, event_types, status, disabled_reason,
       previous_secret_expires_at, failing_since, version, created_at, updated_at
FROM rizzpay.webhook_endpoints
WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s AND status <> 'deleted'
ORDER BY created_at, id
"""

LOCK_ENDPOINT = """
SELECT id, merchant_id, livemode, url, description, event_types, status, disabled_reason,
       previous_secret_expires_at, failing_since, version, created_at, updated_at
FROM rizzpay.webhook_endpoints
WHERE id = %(id)s AND merchant_id = %(merchant_id)s AND livemode = %(livemode)s
  AND status <> 'deleted'
FOR NO KEY UPDATE
"""

UPDATE_ENDPOINT = """
UPDATE rizzpay.webhook_endpoints
SET url = %(url)s, description = %(description)s, event_types = %(event_types)s,
    status = %(status)s, disabled_reason = %(disabled_reason)s,
    previous_secret_expires_at = %(previous_secret_expires_at)s,
    failing_since = %(failing_since)s, version = %(version)s, updated_at = %(updated_at)s
WHERE id = %(id)s AND version = %(version)s - 1
"""

ROTATE = """
UPDATE rizzpay.webhook_endpoints SET previous_secret = secret, secret = %(secret)s
WHERE id = %(id)s
"""

# Written only when it changes: the first failure and the first success after it.
NOTE_FAILING = """
UPDATE rizzpay.webhook_endpoints SET failing_since = %(since)s
WHERE id = %(id)s AND (failing_since IS NULL) = (%(since)s::timestamptz IS NOT NULL)
"""

INSERT_DELIVERIES = """
INSERT INTO rizzpay.webhook_deliveries (id, merchant_id, livemode, endpoint_id, event_id, origin,
                                        status, next_at, created_at, updated_at)
SELECT id, merchant_id, livemode, endpoint_id, event_id, %(origin)s::text,
       'pending', %(now)s::timestamptz, %(now)s::timestamptz, %(now)s::timestamptz
FROM unnest(%(ids)b::text[], %(merchant_ids)b::text[], %(livemodes)b::boolean[],
            %(endpoint_ids)b::text[], %(event_ids)b::text[])
     AS fresh (id, merchant_id, livemode, endpoint_id, event_id)
ORDER BY endpoint_id, event_id
ON CONFLICT (endpoint_id, event_id) WHERE origin = 'event' DO NOTHING
RETURNING id
"""

# An event that nobody is there for stands in one row without an endpoint.
OFFERS = """
SELECT event.id, event.merchant_id, event.livemode, event.type, endpoint.id, endpoint.event_types
FROM rizzpay.events AS event
LEFT JOIN rizzpay.webhook_endpoints AS endpoint
  ON endpoint.merchant_id = event.merchant_id AND endpoint.livemode = event.livemode
 AND endpoint.status = 'enabled'
WHERE event.id = ANY (%(event_ids)b::text[])
"""

GET_DELIVERY = """
SELECT d.id, d.merchant_id, d.livemode, d.endpoint_id, d.event_id, d.origin, d.status, d.attempts,
       d.next_at, d.created_at, d.updated_at,
       v.id, v.merchant_id, v.livemode, v.sequence, v.type, v.object_id, v.object_sequence, v.data,
       v.created_at,
       e.id, e.merchant_id, e.livemode, e.url, e.description, e.event_types, e.status,
       e.disabled_reason, e.previous_secret_expires_at, e.failing_since, e.version, e.created_at,
       e.updated_at, e.secret, e.previous_secret
FROM rizzpay.webhook_deliveries AS d
JOIN rizzpay.events AS v ON v.id = d.event_id
JOIN rizzpay.webhook_endpoints AS e ON e.id = d.endpoint_id
WHERE d.id = %(id)s
"""

RECORD_ATTEMPTS = """
UPDATE rizzpay.webhook_deliveries
SET attempts = attempts || %(attempts)s::jsonb, status = %(status)s, next_at = %(next_at)s,
    updated_at = %(now)s
WHERE id = %(id)s AND event_id = %(event_id)s AND status = 'pending'
"""

LIST_DELIVERIES = """
SELECT d.id, d.merchant_id, d.livemode, d.endpoint_id, d.event_id, d.origin, d.status, d.attempts,
       d.next_at, d.created_at, d.updated_at
FROM rizzpay.webhook_endpoints AS e
CROSS JOIN LATERAL (
    SELECT id, merchant_id, livemode, endpoint_id, event_id, origin, status, attempts, next_at,
           created_at, updated_at
    FROM rizzpay.webhook_deliveries
    WHERE endpoint_id = e.id
      AND (%(status)s::text IS NULL OR status = %(status)s)
      AND (%(event_id)s::text IS NULL OR event_id = %(event_id)s)
      AND (created_at, id) < (%(before_at)s::timestamptz, %(before_id)s::text)
    ORDER BY created_at DESC, id DESC
    LIMIT %(limit)s
) AS d
WHERE e.merchant_id = %(merchant_id)s AND e.livemode = %(livemode)s
  AND (%(endpoint_id)s::text IS NULL OR e.id = %(endpoint_id)s)
ORDER BY d.created_at DESC, d.id DESC
LIMIT %(limit)s
"""

ARRIVED = """
SELECT endpoint_id, event_id FROM rizzpay.webhook_deliveries
WHERE event_id = ANY (%(event_ids)s::text[]) AND status = 'succeeded'
"""


def publish(conn: Sender, events: Sequence[NewEvent]) -> Sent:
    """Insert events under their merchants' next numbers; the rows are (id, sequence) of each."""
    after = Counter(event.tenant for event in events)
    tenants = sorted(after)
    columns: dict[str, Value] = {
        "merchants": text([tenant.merchant_id for tenant in tenants]),
        "modes": boolean([tenant.livemode for tenant in tenants]),
        "more": bigint([after[tenant] for tenant in tenants]),
    }
    behind = []
    for event in events:
        after[event.tenant] -= 1
        behind.append(after[event.tenant])
    columns |= {
        "ids": text([event.id for event in events]),
        "merchant_ids": text([event.tenant.merchant_id for event in events]),
        "livemodes": boolean([event.tenant.livemode for event in events]),
        "behind": bigint(behind),
        "types": text([event.type for event in events]),
        "object_ids": text([event.object_id for event in events]),
        "object_sequences": integer([event.object_sequence for event in events]),
        "data": json([event.json() for event in events]),
        "created_ats": timestamptz([event.created_at for event in events]),
    }
    return conn.send(PUBLISH, columns)


def get_event(conn: Connection, tenant: Tenant, event_id: str) -> Event | None:
    """Return one event of a tenant."""
    row = conn.execute(GET_EVENT, {"id": event_id, **rows.tenant_values(tenant)}).fetchone()
    return rows.event(row) if row else None


def lock_tenant(conn: Connection, tenant: Tenant) -> None:
    """Let one transaction at a time add endpoints of a tenant."""
    name = f"webhook_endpoints:{tenant.merchant_id}:{tenant.livemode}"
    conn.execute(LOCK_TENANT, {"name": name})


def insert_endpoint(conn: Connection, endpoint: Endpoint, secret: bytes) -> None:
    """Write a new endpoint with its sealed secret."""
    conn.execute(INSERT_ENDPOINT, {**rows.endpoint_values(endpoint), "secret": secret})


def list_endpoints(conn: Connection, tenant: Tenant) -> list[Endpoint]:
    """Return the endpoints of a tenant that are not deleted, oldest first."""
    return [
        rows.endpoint(row)
        for row in conn.execute(LIST_ENDPOINTS, rows.tenant_values(tenant)).fetchall()
    ]


def lock_endpoint(conn: Connection, tenant: Tenant, endpoint_id: str) -> Endpoint | None:
    """Return an endpoint that is not deleted, locked until commit."""
    row = conn.execute(LOCK_ENDPOINT, {"id": endpoint_id, **rows.tenant_values(tenant)}).fetchone()
    return rows.endpoint(row) if row else None


def update_endpoint(conn: Connection, endpoint: Endpoint) -> None:
    """Write a locked endpoint back; its version is one more than before."""
    if conn.execute(UPDATE_ENDPOINT, rows.endpoint_values(endpoint)).rowcount != 1:
        raise RuntimeError("an endpoint was changed without its lock")


def rotate_secret(conn: Connection, endpoint_id: str, secret: bytes) -> None:
    """Put a new sealed secret before the one that is there."""
    conn.execute(ROTATE, {"id": endpoint_id, "secret": secret})


def note_failing(conn: Connection, endpoint_id: str, since: datetime | None) -> None:
    """Note since when nothing gets through; None after a success."""
    conn.execute(NOTE_FAILING, {"id": endpoint_id, "since": since})


def offers(conn: Connection, event_ids: Sequence[str]) -> list[Offer]:
    """Return events, of any merchants, once with each endpoint that is open, or with none."""
    found = conn.execute(OFFERS, {"event_ids": text(event_ids)}).fetchall()
    return [
        Offer(
            event_id=row[0],
            tenant=Tenant(row[1], row[2]),
            endpoint_id=row[4] or "",
            is_taken=row[4] is not None and matches(tuple(row[5]), row[3]),
        )
        for row in found
    ]


def insert_deliveries(
    conn: Connection,
    origin: Origin,
    wanted: Mapping[str, tuple[Tenant, str, str]],
    now: datetime,
) -> list[str]:
    """Add deliveries, id to (tenant, endpoint, event); return the ids of those that were new."""
    values = {
        "origin": origin,
        "ids": text(list(wanted)),
        "merchant_ids": text([tenant.merchant_id for tenant, _, _ in wanted.values()]),
        "livemodes": boolean([tenant.livemode for tenant, _, _ in wanted.values()]),
        "endpoint_ids": text([endpoint_id for _, endpoint_id, _ in wanted.values()]),
        "event_ids": text([event_id for _, _, event_id in wanted.values()]),
        "now": now,
    }
    return [row[0] for row in conn.execute(INSERT_DELIVERIES, values).fetchall()]


def get_delivery(conn: Connection, delivery_id: str) -> Due | None:
    """Return a delivery with its event, its endpoint and the sealed secrets."""
    row = conn.execute(GET_DELIVERY, {"id": delivery_id}).fetchone()
    if row is None:
        return None
    delivery, event = rows.delivery(row[:11]), rows.event(row[11:20])
    return Due(delivery, event, rows.endpoint(row[20:33]), row[33], row[34])


def record_attempts(
    conn: Connection, delivery: Delivery, attempts: Sequence[Attempt], now: datetime
) -> bool:
    """Add attempts and write status and next time; False when it was finished meanwhile."""
    values = {
        "id": delivery.id,
        "event_id": delivery.event_id,  # its partition
        "attempts": Jsonb(msgspec.to_builtins(attempts)),
        "status": delivery.status,
        "next_at": delivery.next_at,
        "now": now,
    }
    return conn.execute(RECORD_ATTEMPTS, values).rowcount == 1


def list_deliveries(
    conn: Connection, tenant: Tenant, limit: int, wanted: DeliveryFilter
) -> list[Delivery]:
    """Return deliveries, newest first."""
    before_at, before_id = wanted.before or ("infinity", "")
    values = {
        **rows.tenant_values(tenant),
        "endpoint_id": wanted.endpoint_id,
        "event_id": wanted.event_id,
        "status": wanted.status,
        "before_at": before_at,
        "before_id": before_id,
        "limit": limit,
    }
    return [rows.delivery(row) for row in conn.execute(LIST_DELIVERIES, values).fetchall()]


def arrived(conn: Connection, event_ids: Sequence[str]) -> set[tuple[str, str]]:
    """Return which (endpoint, event) have been delivered."""
    found = conn.execute(ARRIVED, {"event_ids": list(event_ids)}).fetchall()
    return {(row[0], row[1]) for row in found}
