"""SQL of idempotency claims. Sets are locked in order of (merchant, mode, key)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from psycopg.errors import UniqueViolation

from rizzpay.core.tenant import Tenant
from rizzpay.idempotency.model import Claim, KeyOf, OpenClaim
from rizzpay.infra.arrays import boolean, bytea, integer, text, timestamptz
from rizzpay.infra.database import Connection
from rizzpay.infra.pipeline import Sender, Sent, Value

# A concurrent claim of the same key is waited for; when it commits, ours inserts nothing.
INSERT = """
INSERT INTO rizzpay.idempotency_claims
    (merchant_id, livemode, key, request_hash, request_id, object_id, created_at)
SELECT merchant_id, livemode, key, request_hash, request_id, object_id, created_at
FROM unnest(%(merchant_ids)b::text[], %(livemodes)b::boolean[], %(keys)b::text[],
            %(request_hashes)b::bytea[], %(request_ids)b::text[], %(object_ids)b::text[],
            %(created_ats)b::timestamptz[])
     AS wanted (merchant_id, livemode, key, request_hash, request_id, object_id, created_at)
ORDER BY merchant_id, livemode, key
ON CONFLICT (merchant_id, livemode, key) DO NOTHING
RETURNING merchant_id, livemode, key
"""

READ = """
SELECT c.merchant_id, c.livemode, c.key, c.request_hash, c.request_id,
       c.response_status, c.response_body
FROM unnest(%(merchant_ids)b::text[], %(livemodes)b::boolean[], %(keys)b::text[])
     AS wanted (merchant_id, livemode, key)
JOIN rizzpay.idempotency_claims AS c
  ON c.merchant_id = wanted.merchant_id AND c.livemode = wanted.livemode AND c.key = wanted.key
"""

RELEASE = """
WITH locked AS MATERIALIZED (
    SELECT c.merchant_id, c.livemode, c.key
    FROM unnest(%(merchant_ids)b::text[], %(livemodes)b::boolean[], %(keys)b::text[],
                %(request_ids)b::text[]) AS gone (merchant_id, livemode, key, request_id)
    JOIN rizzpay.idempotency_claims AS c
      ON c.merchant_id = gone.merchant_id AND c.livemode = gone.livemode AND c.key = gone.key
     AND c.request_id = gone.request_id AND c.completed_at IS NULL
    ORDER BY c.merchant_id, c.livemode, c.key
    FOR UPDATE OF c
)
DELETE FROM rizzpay.idempotency_claims AS c
USING locked
WHERE c.merchant_id = locked.merchant_id AND c.livemode = locked.livemode AND c.key = locked.key
"""

COMPLETE = """
WITH locked AS MATERIALIZED (
    SELECT c.merchant_id, c.livemode, c.key, done.status, done.body
    FROM unnest(%(merchant_ids)b::text[], %(livemodes)b::boolean[], %(keys)b::text[],
                %(statuses)b::integer[], %(bodies)b::bytea[])
         AS done (merchant_id, livemode, key, status, body)
    JOIN rizzpay.idempotency_claims AS c
      ON c.merchant_id = done.merchant_id AND c.livemode = done.livemode AND c.key = done.key
     AND c.completed_at IS NULL
    ORDER BY c.merchant_id, c.livemode, c.key
    FOR NO KEY UPDATE OF c
)
UPDATE rizzpay.idempotency_claims AS c
SET response_status = locked.status, response_body = locked.body, completed_at = now()
FROM locked
WHERE c.merchant_id = locked.merchant_id AND c.livemode = locked.livemode AND c.key = locked.key
"""

OPEN_FOR = """
SELECT object_id, merchant_id, livemode, key, request_id
FROM rizzpay.idempotency_claims
WHERE object_id = ANY (%(object_ids)b::text[]) AND completed_at IS NULL
ORDER BY object_id, created_at, key
"""

PURGE = """
DELETE FROM rizzpay.idempotency_claims
WHERE (merchant_id, livemode, key) IN (
    SELECT merchant_id, livemode, key
    FROM rizzpay.idempotency_claims
    WHERE created_at < %(older_than)s AND completed_at IS NOT NULL
    ORDER BY created_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """A claim that somebody has; `status` and `body` (sealed) are None while it is open."""

    place: KeyOf
    request_hash: bytes = field(repr=False)
    request_id: str
    status: int | None
    body: bytes | None = field(repr=False)


def insert(conn: Connection, claims: Sequence[Claim]) -> set[KeyOf]:
    """Insert open claims of different keys and return those that were free."""
    rows = conn.send(INSERT, _columns(claims)).rows()
    return {KeyOf(Tenant(row[0], row[1]), row[2]) for row in rows}


def is_taken(error: Exception) -> bool:
    """Tell whether it is the end of a transaction that inserted a key which was not new."""
    if not isinstance(error, UniqueViolation):
        return False
    return error.diag.constraint_name == "idempotency_claims_pkey"


def read(conn: Connection, places: Sequence[KeyOf]) -> dict[KeyOf, Stored]:
    """Return the claims that are stored there now."""
    rows = conn.send(READ, _places(places)).rows()
    found = (
        Stored(KeyOf(Tenant(row[0], row[1]), row[2]), row[3], row[4], row[5], row[6])
        for row in rows
    )
    return {stored.place: stored for stored in found}


def release(conn: Connection, claims: Sequence[Claim]) -> int:
    """Delete open claims that belong to these very requests; return how many."""
    return conn.send(
        RELEASE,
        {
            **_places([KeyOf(claim.tenant, claim.key) for claim in claims]),
            "request_ids": text([claim.request_id for claim in claims]),
        },
    ).count


def complete(conn: Connection, answers: Sequence[tuple[KeyOf, int, bytes]]) -> Sent:
    """Store status and sealed body of open claims; the count is of those that were open."""
    return conn.send(
        COMPLETE,
        {
            **_places([place for place, _, _ in answers]),
            "statuses": integer([status for _, status, _ in answers]),
            "bodies": bytea([body for _, _, body in answers]),
        },
    )


def open_for(conn: Sender, object_ids: Sequence[str]) -> Callable[[], list[tuple[str, OpenClaim]]]:
    """Ask for (object id, claim) of open claims, oldest first for each object."""
    asked = conn.send(OPEN_FOR, {"object_ids": text(object_ids)})
    return lambda: [
        (row[0], OpenClaim(Tenant(row[1], row[2]), row[3], row[4])) for row in asked.rows()
    ]


def purge(conn: Connection, older_than: datetime, limit: int) -> int:
    """Delete answered claims made before a moment, oldest first; return how many."""
    return conn.execute(PURGE, {"older_than": older_than, "limit": limit}).rowcount


def _columns(claims: Sequence[Claim]) -> dict[str, Value]:
    return {
        **_places([KeyOf(claim.tenant, claim.key) for claim in claims]),
        "request_hashes": bytea([claim.request_hash for claim in claims]),
        "request_ids": text([claim.request_id for claim in claims]),
        "object_ids": text([claim.object_id for claim in claims]),
        "created_ats": timestamptz([claim.created_at for claim in claims]),
    }


def _places(places: Sequence[KeyOf]) -> dict[str, Value]:
    return {
        "merchant_ids": text([place.tenant.merchant_id for place in places]),
        "livemodes": boolean([place.tenant.livemode for place in places]),
        "keys": text([place.key for place in places]),
    }
