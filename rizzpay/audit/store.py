"""SQL of the trail, its chain and its checkpoints.

Sealing follows (xid, id). A row is settled when its transaction is older than every transaction
that is still running: then nothing with a smaller (xid, id) can appear any more, so the last
sealed row is a high-water mark and the index of (xid, id) finds what comes after it. A database
that was restored from a dump counts transactions from the start again; its old rows carry numbers
of the future, and are sealed first (`ahead`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from rizzpay.audit.model import Checkpoint, Entry, Head, Link, Row
from rizzpay.infra.arrays import bigint, boolean, bytea, jsonb, text, timestamptz
from rizzpay.infra.database import Connection
from rizzpay.infra.pipeline import Sender

SEAL_LOCK = 7_249_002  # any constant; only sealing takes it
FETCH_ROWS = 10_000  # links that the verifier holds at a time: some 10 MB

APPEND = """
INSERT INTO rizzpay.audit_log
    (at, merchant_id, livemode, actor, action, object_id, request_id, detail)
SELECT at, merchant_id, livemode, actor, action, object_id, request_id, detail
FROM unnest(%(ats)b::timestamptz[], %(merchant_ids)b::text[], %(livemodes)b::boolean[],
            %(actors)b::text[], %(actions)b::text[], %(object_ids)b::text[],
            %(request_ids)b::text[], %(details)b::jsonb[])
     WITH ORDINALITY AS fresh (at, merchant_id, livemode, actor, action, object_id, request_id,
                               detail, number)
ORDER BY number
"""

TRY_LOCK = "SELECT pg_try_advisory_xact_lock(%(lock)s)"

HEAD = """
SELECT position, hash FROM rizzpay.audit_chain ORDER BY position DESC LIMIT 1
"""

# The high-water mark. A restored database has a mark that its own transactions have yet to reach.
MARK = """
SELECT a.xid::text, a.id, a.xid >= pg_snapshot_xmax(pg_current_snapshot())
FROM rizzpay.audit_chain AS c
JOIN rizzpay.audit_log AS a ON a.id = c.audit_id
ORDER BY c.position DESC
LIMIT 1
"""

# A restored dump may have left sealed rows above the mark, so each row says whether it is sealed.
# As a condition that would make the planner read and sort everything for every few rows.
NEXT = """
SELECT a.id, a.xid::text, to_char(a.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
       a.merchant_id, a.livemode, a.actor, a.action, a.object_id, a.request_id, a.detail::text,
       (SELECT c.position FROM rizzpay.audit_chain AS c WHERE c.audit_id = a.id)
FROM rizzpay.audit_log AS a
WHERE (a.xid, a.id) > (%(xid)s::text::xid8, %(id)s::bigint)
  AND a.xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY a.xid, a.id
LIMIT %(limit)s
"""

NEXT_AHEAD = """
SELECT a.id, a.xid::text, to_char(a.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
       a.merchant_id, a.livemode, a.actor, a.action, a.object_id, a.request_id, a.detail::text,
       NULL::bigint
FROM rizzpay.audit_log AS a
WHERE a.xid >= pg_snapshot_xmax(pg_current_snapshot())
  AND NOT EXISTS (SELECT FROM rizzpay.audit_chain AS c WHERE c.audit_id = a.id)
ORDER BY a.xid, a.id
LIMIT %(limit)s
"""

LINK = """
INSERT INTO rizzpay.audit_chain (position, audit_id, hash)
SELECT position, audit_id, hash
FROM unnest(%(positions)b::bigint[], %(audit_ids)b::bigint[], %(hashes)b::bytea[])
     AS fresh (position, audit_id, hash)
ORDER BY position
"""

CHECKPOINT = """
INSERT INTO rizzpay.audit_checkpoints (position, hash, signed_at, key_label, signature)
VALUES (%(position)s, %(hash)s, %(signed_at)s::timestamptz, %(key_label)s, %(signature)s)
ON CONFLICT (position) DO NOTHING
"""

LAST_CHECKPOINT = """
SELECT position, hash, to_char(signed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
       key_label, signature
FROM rizzpay.audit_checkpoints
ORDER BY position DESC
LIMIT 1
"""

KEY_LABELS = "SELECT DISTINCT key_label FROM rizzpay.audit_checkpoints ORDER BY key_label"

HASH_AT = "SELECT hash FROM rizzpay.audit_chain WHERE position = %(position)s"

WALK = """
SELECT c.position, c.audit_id, c.hash,
       a.id, a.xid::text, to_char(a.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
       a.merchant_id, a.livemode, a.actor, a.action, a.object_id, a.request_id, a.detail::text,
       k.position, k.hash, to_char(k.signed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
       k.key_label, k.signature
FROM rizzpay.audit_chain AS c
LEFT JOIN rizzpay.audit_log AS a ON a.id = c.audit_id
LEFT JOIN rizzpay.audit_checkpoints AS k ON k.position = c.position
WHERE c.position >= %(start)s
ORDER BY c.position
"""

# A row below the mark that no link names: everything below was settled and sealed before.
OUTSIDE = """
SELECT a.id
FROM rizzpay.audit_log AS a
WHERE (a.xid, a.id) < (%(xid)s::text::xid8, %(id)s::bigint)
  AND NOT EXISTS (SELECT FROM rizzpay.audit_chain AS c WHERE c.audit_id = a.id)
ORDER BY a.id
LIMIT %(limit)s
"""

UNSEALED = """
SELECT count(*), min(a.at)
FROM rizzpay.audit_log AS a
WHERE (a.xid, a.id) > (%(xid)s::text::xid8, %(id)s::bigint)
  AND (SELECT c.position FROM rizzpay.audit_chain AS c WHERE c.audit_id = a.id) IS NULL
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """(xid, id) of the last sealed row; `ahead` when it says nothing of this cluster's rows."""

    xid: str
    id: int
    ahead: bool


BEGINNING = Mark("0", 0, ahead=True)


@dataclass(frozen=True, slots=True)
class Settled:
    """A row that nothing can come before any more, and whether the chain has it already."""

    row: Row
    is_sealed: bool


@dataclass(frozen=True, slots=True)
class Step:
    """One position of the chain with what stands behind it, if it still does."""

    link: Link
    row: Row | None
    checkpoint: Checkpoint | None


def append(conn: Sender, entries: Sequence[Entry]) -> None:
    """Insert entries; ids ascend in the order given."""
    tenants = [entry.tenant for entry in entries]
    conn.send(
        APPEND,
        {
            "ats": timestamptz([entry.at for entry in entries]),
            "merchant_ids": text([tenant.merchant_id if tenant else None for tenant in tenants]),
            "livemodes": boolean([tenant.livemode if tenant else None for tenant in tenants]),
            "actors": text([entry.actor for entry in entries]),
            "actions": text([entry.action for entry in entries]),
            "object_ids": text([entry.object_id for entry in entries]),
            "request_ids": text([entry.request_id for entry in entries]),
            "details": jsonb([msgspec.json.encode(entry.detail) for entry in entries]),
        },
    )


def try_lock(conn: Connection) -> bool:
    """Become the only one that seals until the transaction ends; False if somebody else is."""
    row = conn.execute(TRY_LOCK, {"lock": SEAL_LOCK}).fetchone()
    return row is not None and bool(row[0])


def head(conn: Connection) -> Head | None:
    """Return the last link, None while the chain is empty."""
    row = conn.execute(HEAD).fetchone()
    return Head(row[0], row[1]) if row else None


def mark(conn: Connection) -> Mark:
    """Return the high-water mark of sealing."""
    row = conn.execute(MARK).fetchone()
    return Mark(row[0], row[1], row[2]) if row else BEGINNING


def settled_after(conn: Connection, below: Mark, limit: int) -> list[Settled]:
    """Return settled rows above a mark in order of (xid, id); few of them are sealed, if any."""
    rows = conn.execute(NEXT, {"xid": below.xid, "id": below.id, "limit": limit}).fetchall()
    return [Settled(_row(row), row[10] is not None) for row in rows]


def settled_ahead(conn: Connection, limit: int) -> list[Settled]:
    """Return unsealed rows whose xid this cluster has yet to reach: they came with a dump."""
    rows = conn.execute(NEXT_AHEAD, {"limit": limit}).fetchall()
    return [Settled(_row(row), row[10] is not None) for row in rows]


def add_links(conn: Connection, links: Sequence[Link]) -> None:
    """Append links to the chain."""
    conn.send(
        LINK,
        {
            "positions": bigint([link.position for link in links]),
            "audit_ids": bigint([link.audit_id for link in links]),
            "hashes": bytea([link.hash for link in links]),
        },
    )


def add_checkpoint(conn: Connection, made: Checkpoint) -> bool:
    """Keep a checkpoint; False when its position has one."""
    cursor = conn.execute(
        CHECKPOINT,
        {
            "position": made.position,
            "hash": made.hash,
            "signed_at": made.signed_at,
            "key_label": made.key_label,
            "signature": made.signature,
        },
    )
    return cursor.rowcount == 1


def last_checkpoint(conn: Connection) -> Checkpoint | None:
    """Return the newest checkpoint."""
    row = conn.execute(LAST_CHECKPOINT).fetchone()
    return Checkpoint(*row) if row else None


def key_labels(conn: Connection) -> list[str]:
    """Return the labels of all keys that signed a checkpoint."""
    return [row[0] for row in conn.execute(KEY_LABELS).fetchall()]


def hash_at(conn: Connection, position: int) -> bytes | None:
    """Return the hash of one link."""
    row = conn.execute(HASH_AT, {"position": position}).fetchone()
    return bytes(row[0]) if row else None


def walk(conn: Connection, start: int) -> Iterator[Step]:
    """Yield every position from `start` on, through a cursor on the server."""
    with conn.cursor(name="audit_walk") as cursor:
        cursor.itersize = FETCH_ROWS
        cursor.execute(WALK, {"start": start})
        for row in cursor:
            yield Step(
                link=Link(row[0], row[1], row[2]),
                row=_row(row[3:13]) if row[3] is not None else None,
                checkpoint=Checkpoint(*row[13:]) if row[13] is not None else None,
            )


def outside(conn: Connection, below: Mark, limit: int) -> list[int]:
    """Return ids of rows below a mark that no link names."""
    rows = conn.execute(OUTSIDE, {"xid": below.xid, "id": below.id, "limit": limit}).fetchall()
    return [row[0] for row in rows]


def unsealed(conn: Connection, above: Mark) -> tuple[int, datetime | None]:
    """Return how many rows above a mark are not sealed, and the oldest one's moment."""
    row = conn.execute(UNSEALED, {"xid": above.xid, "id": above.id}).fetchone()
    return (row[0], row[1]) if row else (0, None)


def _row(row: Sequence[Any]) -> Row:
    return Row(row[0], int(row[1]), *row[2:10])
