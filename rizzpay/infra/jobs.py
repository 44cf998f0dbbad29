"""Jobs: the one way to do something later, written in the transaction that wants it done.

At least once, under a lease with a fencing token: a worker that lost its lease cannot finish a
job that another one has taken over. (kind, key) is unique, so asking twice is asking once.

Each kind is a queue of its own (index jobs_due): what waits for a slow receiver of webhooks never
stands in front of money. Everything here works on sets; rows are locked in order of kind and key.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Struct

from rizzpay.core.tenant import Tenant
from rizzpay.core.values import value
from rizzpay.infra import arrays
from rizzpay.infra.database import Connection
from rizzpay.infra.pipeline import Sender, Sent

COUNT_MAX = 100_000  # jobs of one kind that the backlog counts; beyond that it says this number
NOTE_CHARACTERS = 500
NO_PAYLOAD = b"{}"
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)  # no job is older
ALL: Mapping[str, datetime] = MappingProxyType({})

ENQUEUE = """
INSERT INTO rizzpay.jobs (kind, key, merchant_id, livemode, payload, run_at)
SELECT kind, key, merchant_id, livemode, payload, run_at
FROM unnest(%(kinds)b::text[], %(keys)b::text[], %(merchant_ids)b::text[], %(livemodes)b::boolean[],
            %(payloads)b::jsonb[], %(run_ats)b::timestamptz[])
     AS wanted (kind, key, merchant_id, livemode, payload, run_at)
ORDER BY kind, key
ON CONFLICT (kind, key) DO UPDATE
SET run_at = excluded.run_at, payload = excluded.payload, attempts = 0,
    lease_token = rizzpay.jobs.lease_token + 1, lease_until = NULL, last_error = NULL
"""

CANCEL = """
DELETE FROM rizzpay.jobs
WHERE id IN (
    SELECT job.id FROM rizzpay.jobs AS job
    JOIN unnest(%(kinds)b::text[], %(keys)b::text[]) AS gone (kind, key)
      ON job.kind = gone.kind AND job.key = gone.key
    ORDER BY job.kind, job.key
    FOR UPDATE OF job
)
"""

# `since` spares the way over entries of jobs that were done but cannot be vacuumed yet: during a
# backup of minutes that would be all that was done since it began.
# The array makes it two steps: pick by the index of due jobs, then change by primary key. As a
# join, the planner may think that a large part of the table is due, and read all of it.
LEASE = """
UPDATE rizzpay.jobs
SET lease_token = lease_token + 1, lease_until = %(lease_until)s, attempts = attempts + 1
WHERE id = ANY (ARRAY(
    SELECT due.id
    FROM unnest(%(kinds)b::text[], %(limits)b::integer[], %(sinces)b::timestamptz[])
         AS queue (kind, most, since)
    CROSS JOIN LATERAL (
        SELECT id FROM rizzpay.jobs AS job
        WHERE job.kind = queue.kind AND job.run_at BETWEEN queue.since AND %(now)s
          AND (job.lease_until IS NULL OR job.lease_until < %(now)s)
        ORDER BY job.run_at, job.id
        LIMIT queue.most
        FOR UPDATE SKIP LOCKED
    ) AS due
))
RETURNING id, kind, key, merchant_id, livemode, nullif(payload, '{}'), attempts, lease_token,
          run_at
"""

FINISH = """
DELETE FROM rizzpay.jobs AS job
USING unnest(%(ids)b::bigint[], %(tokens)b::bigint[]) AS mine (id, token)
WHERE job.id = mine.id AND job.lease_token = mine.token
"""

RETRY = """
UPDATE rizzpay.jobs AS job
SET run_at = mine.run_at, lease_until = NULL, last_error = mine.note
FROM unnest(%(ids)b::bigint[], %(tokens)b::bigint[], %(run_ats)b::timestamptz[],
            %(notes)b::text[]) AS mine (id, token, run_at, note)
WHERE job.id = mine.id AND job.lease_token = mine.token
"""

HURRY = """
UPDATE rizzpay.jobs SET run_at = least(run_at, %(now)s)
WHERE kind = ANY (%(kinds)b::text[]) AND key = %(key)s
"""

DUE = """
SELECT queue.kind, due.count, due.oldest
FROM unnest(%(kinds)b::text[]) AS queue (kind)
CROSS JOIN LATERAL (
    SELECT count(*) AS count, min(run_at) AS oldest
    FROM (SELECT run_at FROM rizzpay.jobs AS job
          WHERE job.kind = queue.kind AND job.run_at <= %(now)s
          ORDER BY job.run_at
          LIMIT %(most)s) AS counted
) AS due
WHERE due.count > 0
"""


@value
class NewJob(Struct, frozen=True, gc=False):
    """Something to do at `run_at` or later; `key` is usually the id of the object."""

    kind: str
    key: str
    run_at: datetime
    payload: dict[str, Any] = {}
    tenant: Tenant | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A leased job; `attempts` counts this one too, `run_at` is when it was due."""

    id: int
    kind: str
    key: str
    tenant: Tenant | None
    payload: dict[str, Any]
    attempts: int
    lease_token: int
    run_at: datetime = BEGINNING


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
    """Due jobs of one kind, COUNT_MAX at most, and since when the oldest waits."""

    kind: str
    count: int
    oldest: datetime


def enqueue(conn: Sender, jobs: Sequence[NewJob]) -> None:
    """Add jobs; one that exists with the same kind and key starts over with the new time."""
    wanted = {(job.kind, job.key): job for job in jobs}
    if not wanted:
        return
    rows = list(wanted.values())
    tenants = [job.tenant for job in rows]
    conn.send(
        ENQUEUE,
        {
            "kinds": arrays.text([job.kind for job in rows]),
            "keys": arrays.text([job.key for job in rows]),
            "merchant_ids": arrays.text([one.merchant_id if one else None for one in tenants]),
            "livemodes": arrays.boolean([one.livemode if one else None for one in tenants]),
            "payloads": arrays.jsonb(
                [msgspec.json.encode(job.payload) if job.payload else NO_PAYLOAD for job in rows]
            ),
            "run_ats": arrays.timestamptz([job.run_at for job in rows]),
        },
    )


def cancel(conn: Connection, wanted: Sequence[tuple[str, str]]) -> None:
    """Remove jobs by (kind, key); those that are not there are no error."""
    if wanted:
        conn.send(
            CANCEL,
            {
                "kinds": arrays.text([kind for kind, _ in wanted]),
                "keys": arrays.text([key for _, key in wanted]),
            },
        )


def hurry(conn: Connection, kinds: Sequence[str], key: str, now: datetime) -> bool:
    """Make a job of any of these kinds due; it keeps its count of attempts. False: there is none.

    One that is being done stays leased, and is as late as its worker says afterwards.
    """
    values = {"kinds": arrays.text(kinds), "key": key, "now": now}
    return conn.execute(HURRY, values).rowcount > 0


def lease(
    conn: Connection,
    now: datetime,
    limits: Mapping[str, int],
    lease_s: float,
    since: Mapping[str, datetime] = ALL,
) -> list[Job]:
    """Take due jobs for `lease_s` seconds, of each kind up to its limit, the oldest first.

    Of a kind that is in `since`, jobs that were due before that are left alone. Jobs that another
    worker is just taking are passed over.
    """
    return leased(ask(conn, now, limits, lease_s, since))


def ask(
    conn: Sender,
    now: datetime,
    limits: Mapping[str, int],
    lease_s: float,
    since: Mapping[str, datetime] = ALL,
) -> Sent:
    """Take due jobs as `lease` does; `leased` tells which, once it is committed."""
    return conn.send(
        LEASE,
        {
            "now": now,
            "kinds": arrays.text(list(limits)),
            "limits": arrays.integer(list(limits.values())),
            "sinces": arrays.timestamptz([since.get(kind, BEGINNING) for kind in limits]),
            "lease_until": now + timedelta(seconds=lease_s),
        },
    )


def leased(asked: Sent) -> list[Job]:
    """Return the jobs that `ask` took."""
    rows = asked.rows()
    rows.sort()
    return [
        Job(
            id=row[0],
            kind=row[1],
            key=row[2],
            tenant=Tenant(row[3], row[4]) if row[3] is not None else None,
            payload=row[5] or {},
            attempts=row[6],
            lease_token=row[7],
            run_at=row[8],
        )
        for row in rows
    ]


def finish(conn: Connection, *jobs: Job) -> int:
    """Remove jobs and return how many; not those that were lost to others or asked for again."""
    sent = drop(conn, jobs)
    return sent.count if sent is not None else 0


def drop(conn: Sender, jobs: Sequence[Job]) -> Sent | None:
    """Remove jobs without waiting for how many; None when there are none to remove."""
    ordered = sorted(jobs, key=_place)
    if not ordered:
        return None
    values = {
        "ids": arrays.bigint([job.id for job in ordered]),
        "tokens": arrays.bigint([job.lease_token for job in ordered]),
    }
    return conn.send(FINISH, values)


def retry(conn: Connection, again: Sequence[tuple[Job, Again]]) -> int:
    """Give jobs back and return how many; not those that were lost or asked for again."""
    sent = give_back(conn, again)
    return sent.count if sent is not None else 0


def give_back(conn: Sender, again: Sequence[tuple[Job, Again]]) -> Sent | None:
    """Give jobs back without waiting for how many; None when there are none."""
    ordered = sorted(again, key=lambda pair: _place(pair[0]))
    if not ordered:
        return None
    values = {
        "ids": arrays.bigint([job.id for job, _ in ordered]),
        "tokens": arrays.bigint([job.lease_token for job, _ in ordered]),
        "run_ats": arrays.timestamptz([later.run_at for _, later in ordered]),
        "notes": arrays.text([later.note[:NOTE_CHARACTERS] for _, later in ordered]),
    }
    return conn.send(RETRY, values)


def backlog(conn: Connection, kinds: Sequence[str], now: datetime) -> list[Backlog]:
    """Return what is due of these kinds: for metrics."""
    values = {"kinds": arrays.text(kinds), "now": now, "most": COUNT_MAX}
    rows = conn.execute(DUE, values).fetchall()
    return [Backlog(kind=row[0], count=row[1], oldest=row[2]) for row in rows]


def _place(job: Job) -> tuple[str, str]:
    """Return by what locks are ordered, here as in ENQUEUE and CANCEL."""
    return job.kind, job.key
