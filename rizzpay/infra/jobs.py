"""Jobs: the one way to do something later, written in the transaction that wants it done.

At least once, under a lease with a fencing token: a worker that lost its lease cannot finish a
job that another one has taken over. (kind, key) is unique, so asking twice is asking once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb

from rizzpay.core.tenant import Tenant
from rizzpay.infra.database import Connection

ENQUEUE = """
INSERT INTO rizzpay.jobs (kind, key, merchant_id, livemode, payload, run_at)
SELECT kind, key, merchant_id, livemode, payload, run_at
FROM unnest(%(kinds)s::text[], %(keys)s::text[], %(merchant_ids)s::text[], %(livemodes)s::boolean[],
            %(payloads)s::jsonb[], %(run_ats)s::timestamptz[])
     AS wanted (kind, key, merchant_id, livemode, payload, run_at)
ORDER BY kind, key
ON CONFLICT (kind, key) DO UPDATE
SET run_at = excluded.run_at, payload = excluded.payload, attempts = 0,
    lease_token = rizzpay.jobs.lease_token + 1, lease_until = NULL, last_error = NULL
"""

# Without ON CONFLICT: row-level security lets the API write a job that is nobody's, but a
# statement that might replace one would have to see it.
ADD_UNOWNED = """
INSERT INTO rizzpay.jobs (kind, key, run_at) VALUES (%(kind)s, %(key)s, %(run_at)s)
"""

CANCEL = """
DELETE FROM rizzpay.jobs
WHERE id IN (
    SELECT job.id FROM rizzpay.jobs AS job
    JOIN unnest(%(kinds)s::text[], %(keys)s::text[]) AS gone (kind, key)
      ON job.kind = gone.kind AND job.key = gone.key
    ORDER BY job.kind, job.key
    FOR UPDATE OF job
)
"""

LEASE = """
UPDATE rizzpay.jobs
SET lease_token = lease_token + 1, lease_until = %(lease_until)s, attempts = attempts + 1
WHERE id IN (
    SELECT id FROM rizzpay.jobs
    WHERE run_at <= %(now)s AND (lease_until IS NULL OR lease_until < %(now)s)
    ORDER BY run_at, id
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
RETURNING id, kind, key, merchant_id, livemode, payload, attempts, lease_token
"""

FINISH = "DELETE FROM rizzpay.jobs WHERE id = %(id)s AND lease_token = %(lease_token)s"

RETRY = """
UPDATE rizzpay.jobs SET run_at = %(run_at)s, lease_until = NULL, last_error = %(error)s
WHERE id = %(id)s AND lease_token = %(lease_token)s
"""

DUE = """
SELECT kind, count(*), min(run_at) FROM rizzpay.jobs WHERE run_at <= %(now)s GROUP BY kind
"""


@dataclass(frozen=True, slots=True)
class NewJob:
    """Something to do at `run_at` or later; `key` is usually the id of the object."""

    kind: str
    key: str
    run_at: datetime
    payload: dict[str, Any] = field(default_factory=dict)
    tenant: Tenant | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A leased job; `attempts` counts this one too."""

    id: int
    kind: str
    key: str
    tenant: Tenant | None
    payload: dict[str, Any]
    attempts: int
    lease_token: int


@dataclass(frozen=True, slots=True)
class Done:
    """The job is finished and goes away."""


@dataclass(frozen=True, slots=True)
class Again:
    """The job stays and is due again at `run_at`; `note` says why."""

    run_at: datetime
    note: str


Verdict = Done | Again


@dataclass(frozen=True, slots=True)
class Backlog:
    """Due jobs of one kind and since when the oldest waits."""

    kind: str
    count: int
    oldest: datetime


def enqueue(conn: Connection, jobs: Sequence[NewJob]) -> None:
    """Add jobs; one that exists with the same kind and key starts over with the new time."""
    wanted = {(job.kind, job.key): job for job in jobs}
    if not wanted:
        return
    rows = list(wanted.values())
    conn.execute(
        ENQUEUE,
        {
            "kinds": [job.kind for job in rows],
            "keys": [job.key for job in rows],
            "merchant_ids": [job.tenant.merchant_id if job.tenant else None for job in rows],
            "livemodes": [job.tenant.livemode if job.tenant else None for job in rows],
            "payloads": [Jsonb(job.payload) for job in rows],
            "run_ats": [job.run_at for job in rows],
        },
    )


def add_unowned(conn: Connection, kind: str, key: str, run_at: datetime) -> None:
    """Add a job that belongs to no merchant, under a key that was never used before."""
    conn.execute(ADD_UNOWNED, {"kind": kind, "key": key, "run_at": run_at})


def cancel(conn: Connection, wanted: Sequence[tuple[str, str]]) -> None:
    """Remove jobs by (kind, key); those that are not there are no error."""
    if wanted:
        conn.execute(
            CANCEL, {"kinds": [kind for kind, _ in wanted], "keys": [key for _, key in wanted]}
        )


def lease(conn: Connection, now: datetime, limit: int, lease_s: float) -> list[Job]:
    """Take up to `limit` due jobs for `lease_s` seconds."""
    rows = conn.execute(
        LEASE,
        {"now": now, "limit": limit, "lease_until": now + timedelta(seconds=lease_s)},
    ).fetchall()
    return [
        Job(
            id=row[0],
            kind=row[1],
            key=row[2],
            tenant=Tenant(row[3], row[4]) if row[3] is not None else None,
            payload=row[5],
            attempts=row[6],
            lease_token=row[7],
        )
        for row in rows
    ]


def finish(conn: Connection, job: Job) -> bool:
    """Remove a job; False when the lease was lost or the job was asked for again meanwhile."""
    cursor = conn.execute(FINISH, {"id": job.id, "lease_token": job.lease_token})
    return cursor.rowcount == 1


def retry(conn: Connection, job: Job, run_at: datetime, error: str) -> bool:
    """Give a job back; False when the lease was lost."""
    cursor = conn.execute(
        RETRY,
        {"id": job.id, "lease_token": job.lease_token, "run_at": run_at, "error": error[:500]},
    )
    return cursor.rowcount == 1


def backlog(conn: Connection, now: datetime) -> list[Backlog]:
    """Return what is due, by kind: for metrics."""
    rows = conn.execute(DUE, {"now": now}).fetchall()
    return [Backlog(kind=row[0], count=row[1], oldest=row[2]) for row in rows]
