"""SQL of the inbox: callbacks come in, and are marked as applied, in sets.

Private to `rizzpay.webhooks.inbound`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rizzpay.infra import arrays
from rizzpay.infra.database import Connection
from rizzpay.infra.pipeline import Sender, Sent

# Rows go in in order of what they are unique by, so that two processes that take copies of the
# same callbacks never wait for each other in a ring. What is new brings one job for all of it; the
# row-level security of jobs lets the API add what is nobody's but not look at it, hence no ON
# CONFLICT there.
KEEP = """
WITH kept AS (
    INSERT INTO rizzpay.gateway_callbacks (gateway, provider_event_id, body, received_at)
    SELECT gateway, provider_event_id, body, received_at
    FROM unnest(%(gateways)b::text[], %(event_ids)b::text[], %(bodies)b::bytea[],
                %(received_ats)b::timestamptz[])
         AS fresh (gateway, provider_event_id, body, received_at)
    ORDER BY gateway, provider_event_id
    ON CONFLICT (gateway, provider_event_id) DO NOTHING
    RETURNING id, gateway, provider_event_id
), queued AS (
    INSERT INTO rizzpay.jobs (kind, key, payload, run_at)
    SELECT 'callbacks.apply', min(id)::text, jsonb_build_object('ids', jsonb_agg(id ORDER BY id)),
           %(run_at)s
    FROM kept
    HAVING count(*) > 0
)
SELECT gateway, provider_event_id FROM kept
"""

LOAD = """
SELECT id, gateway, provider_event_id, body, received_at, applied_at
FROM rizzpay.gateway_callbacks
WHERE id = ANY (%(ids)b::bigint[])
"""

MARK = """
UPDATE rizzpay.gateway_callbacks AS callback
SET applied_at = %(applied_at)s, result = done.result
FROM unnest(%(ids)b::bigint[], %(results)b::text[]) AS done (id, result)
WHERE callback.id = done.id AND callback.applied_at IS NULL
"""

# What waits has a job, so the jobs say which; only a backlog costs anything.
WAITING = """
SELECT coalesce(sum(coalesce(jsonb_array_length(payload -> 'ids'), 1)), 0)::bigint, min(created_at)
FROM (SELECT payload, created_at FROM rizzpay.jobs
      WHERE kind IN ('callback.apply', 'callbacks.apply') LIMIT %(most)s) AS waiting
"""

# Numbers go up with time, so what is old stands at the beginning of the primary key.
PURGE = """
DELETE FROM rizzpay.gateway_callbacks
WHERE id IN (
    SELECT id
    FROM (SELECT id, received_at, applied_at FROM rizzpay.gateway_callbacks
          ORDER BY id LIMIT %(limit)s) AS oldest
    WHERE received_at < %(older_than)s AND applied_at IS NOT NULL
)
"""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A callback that was verified; `body` is sealed."""

    gateway: str
    provider_event_id: str
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """A callback as it is kept; `body` is sealed."""

    id: int
    gateway: str
    provider_event_id: str
    body: bytes
    received_at: datetime
    applied_at: datetime | None


def keep(conn: Sender, arrived: Sequence[Arrived]) -> Callable[[], set[tuple[str, str]]]:
    """Keep callbacks with their jobs; returns what tells (gateway, event) of those that are new."""
    kept = conn.send(
        KEEP,
        {
            "gateways": arrays.text([one.gateway for one in arrived]),
            "event_ids": arrays.text([one.provider_event_id for one in arrived]),
            "bodies": arrays.bytea([one.body for one in arrived]),
            "received_ats": arrays.timestamptz([one.received_at for one in arrived]),
            "run_at": min(one.received_at for one in arrived),
        },
    )
    return lambda: {(row[0], row[1]) for row in kept.rows()}


def load(conn: Sender, callback_ids: Sequence[int]) -> Callable[[], list[Kept]]:
    """Ask for callbacks, which come in any order; only the worker may."""
    asked = conn.send(LOAD, {"ids": arrays.bigint(callback_ids)})
    return lambda: [Kept(*row) for row in asked.rows()]


def mark(conn: Sender, results: Mapping[int, str], applied_at: datetime) -> Sent:
    """Note what became of callbacks; its count is how many had nothing noted before."""
    return conn.send(
        MARK,
        {
            "ids": arrays.bigint(list(results)),
            "results": arrays.text(list(results.values())),
            "applied_at": applied_at,
        },
    )


def waiting(conn: Connection, most: int) -> tuple[int, datetime | None]:
    """Return how many callbacks of `most` jobs wait to be applied, and since when the oldest."""
    row = conn.execute(WAITING, {"most": most}).fetchone()
    return (row[0], row[1]) if row else (0, None)


def purge(conn: Connection, older_than: datetime, limit: int) -> int:
    """Delete those of the `limit` oldest callbacks that were applied and came before a moment."""
    return conn.execute(PURGE, {"older_than": older_than, "limit": limit}).rowcount
