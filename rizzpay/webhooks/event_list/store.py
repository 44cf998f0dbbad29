"""SQL of the list of events, which knows two ways: every event, or those of rare types.

Bounds are always there, because a prepared plan does not know which filters are NULL.
"""

from typing import Any, LiteralString

from rizzpay.core.tenant import Tenant
from rizzpay.infra.database import Connection
from rizzpay.webhooks import rows
from rizzpay.webhooks.model import Event, EventFilter

SEQUENCE_MAX = 2**63 - 1
# Types and patterns for which the list of all is the shortest way; 0011 leaves them out.
EVERY_PAYMENT_HAS = frozenset(
    {"*", "payment.*", "payment.created", "payment.requires_action", "payment.captured"}
)

ALL = """
SELECT id, merchant_id, livemode, sequence, type, object_id, object_sequence, data, created_at
FROM rizzpay.events
WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s
  AND sequence > %(after_sequence)s AND sequence <= %(last_sequence)s
  AND created_at >= %(created_gte)s::timestamptz AND created_at < %(created_lt)s::timestamptz
  AND ('*' = ANY (%(types)s::text[]) OR type = ANY (%(types)s::text[])
       OR EXISTS (SELECT FROM unnest(%(beginnings)s::text[]) AS wanted (beginning)
                  WHERE starts_with(type, beginning)))
ORDER BY sequence
LIMIT %(limit)s
"""

# The index of rare types is asked for one type after another between two names, and then for the
# next events of each: a pattern that fits nothing costs as little as one that fits.
RARE = """
WITH RECURSIVE kinds (kind) AS (
    SELECT (SELECT type FROM rizzpay.events
            WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s
              AND type >= %(first_type)s AND type <= %(last_type)s
              AND type NOT IN ('payment.created', 'payment.requires_action', 'payment.captured')
            ORDER BY type LIMIT 1)
    UNION ALL
    SELECT (SELECT type FROM rizzpay.events
            WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s
              AND type > kind AND type <= %(last_type)s
              AND type NOT IN ('payment.created', 'payment.requires_action', 'payment.captured')
            ORDER BY type LIMIT 1)
    FROM kinds WHERE kind IS NOT NULL
)
SELECT id, merchant_id, livemode, sequence, type, object_id, object_sequence, data, created_at
FROM kinds
CROSS JOIN LATERAL (
    SELECT id, merchant_id, livemode, sequence, type, object_id, object_sequence, data, created_at
    FROM rizzpay.events
    WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s AND type = kind
      AND type NOT IN ('payment.created', 'payment.requires_action', 'payment.captured')
      AND sequence > %(after_sequence)s AND sequence <= %(last_sequence)s
      AND created_at >= %(created_gte)s::timestamptz AND created_at < %(created_lt)s::timestamptz
    ORDER BY sequence
    LIMIT %(limit)s
) AS found
ORDER BY sequence
LIMIT %(limit)s
"""
WAYS: dict[str, LiteralString] = {"all": ALL, "rare": RARE}


def list_events(
    conn: Connection, tenant: Tenant, after_sequence: int, limit: int, wanted: EventFilter
) -> list[Event]:
    """Return events in the order of their numbers."""
    only = wanted.types[0] if len(wanted.types) == 1 else "*"
    way = "all" if only in EVERY_PAYMENT_HAS else "rare"
    last_sequence = SEQUENCE_MAX if wanted.last_sequence is None else wanted.last_sequence
    values: dict[str, Any] = {
        **rows.tenant_values(tenant),
        "after_sequence": after_sequence,
        "last_sequence": last_sequence,
        "created_gte": wanted.created_gte or "-infinity",
        "created_lt": wanted.created_lt or "infinity",
        "types": list(wanted.types),
        "beginnings": [text[:-1] for text in wanted.types if text.endswith(".*")],
        "first_type": only.removesuffix("*"),
        "last_type": only.replace("*", "~"),  # comes after every letter
        "limit": limit,
    }
    return [rows.event(row) for row in conn.execute(WAYS[way], values).fetchall()]
