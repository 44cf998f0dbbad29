"""SQL of review cases and of open matters; private to `rizzpay.payments`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString, TypeVar

import msgspec
from msgspec import Struct

from rizzpay.core.tenant import Tenant
from rizzpay.infra import arrays
from rizzpay.infra.database import Connection
from rizzpay.payments.model import Case, Changes
from rizzpay.payments.review.model import Matter, Total, Wanted

OPEN_CASES = """
INSERT INTO rizzpay.review_cases
    (id, merchant_id, livemode, object_id, payment_id, reason, opened_at)
SELECT id, merchant_id, livemode, object_id, payment_id, reason, opened_at
FROM jsonb_populate_recordset(NULL::rizzpay.review_cases, %(rows)s::jsonb)
ORDER BY object_id, reason
ON CONFLICT (object_id, reason) DO NOTHING
"""

CLOSE_CASES = """
UPDATE rizzpay.review_cases SET closed_at = %(now)s
WHERE object_id = ANY(%(object_ids)b::text[]) AND reason = 'unknown_outcome'
  AND closed_at IS NULL
"""

COUNT_OPEN = """
SELECT (SELECT count(*) FROM rizzpay.payments WHERE status = 'unknown'),
       (SELECT count(*) FROM rizzpay.refunds WHERE status = 'unknown'),
       (SELECT count(*) FROM rizzpay.review_cases WHERE closed_at IS NULL)
"""

# What may be open is found by what is small: unknown payments and refunds, jobs that ask, open
# cases. Each is one object; its job and its case are looked up by their unique keys.
MATTERS: LiteralString = """
open_cases AS MATERIALIZED (
    SELECT DISTINCT ON (object_id) id, object_id, payment_id, reason, opened_at
    FROM rizzpay.review_cases WHERE closed_at IS NULL
    ORDER BY object_id, opened_at DESC
), candidates AS (
    SELECT attempt.id FROM rizzpay.payments AS payment
    JOIN rizzpay.payment_attempts AS attempt ON attempt.payment_id = payment.id
    WHERE payment.status = 'unknown' AND attempt.status IN ('created', 'processing', 'unknown')
    UNION SELECT id FROM rizzpay.refunds WHERE status = 'unknown'
    UNION SELECT key FROM rizzpay.jobs
    WHERE kind IN ('attempt.resolve', 'refund.resolve', 'refund.send')
    UNION SELECT object_id FROM open_cases
), objects AS (
    SELECT attempt.id AS object_id, attempt.payment_id, attempt.merchant_id, attempt.livemode,
           attempt.kind AS what,
           CASE attempt.status WHEN 'unknown' THEN 'unknown' ELSE 'processing' END AS fate,
           attempt.amount, attempt.gateway, attempt.gateway_reference, attempt.rrn,
           attempt.created_at AS since, attempt.enquiries, attempt.note AS evidence
    FROM candidates JOIN rizzpay.payment_attempts AS attempt USING (id)
    WHERE attempt.status IN ('created', 'processing', 'unknown')
    UNION ALL
    SELECT refund.id, refund.payment_id, refund.merchant_id, refund.livemode, 'refund',
           CASE refund.status WHEN 'unknown' THEN 'unknown' WHEN 'failed' THEN 'refund_owed'
                              ELSE 'processing' END,
           refund.amount, refund.gateway, refund.gateway_reference, refund.acquirer_reference,
           refund.created_at, refund.enquiries, refund.failure ->> 'reason'
    FROM candidates JOIN rizzpay.refunds AS refund USING (id)
    WHERE refund.status IN ('created', 'processing', 'unknown')
       OR (refund.status = 'failed' AND refund.origin = 'auto')
    UNION ALL
    SELECT payment.id, payment.id, payment.merchant_id, payment.livemode, 'authorize',
           'conflicted', payment.amount, payment.gateway, payment.gateway_reference, payment.rrn,
           payment.created_at, 0, told.note
    FROM candidates JOIN rizzpay.payments AS payment USING (id)
    CROSS JOIN LATERAL (
        SELECT max(note) AS note FROM rizzpay.payment_attempts AS attempt
        WHERE attempt.payment_id = payment.id AND attempt.status = 'conflicted'
    ) AS told
    WHERE payment.status = 'conflicted'
), matters AS (
    SELECT objects.object_id, objects.payment_id, objects.merchant_id, objects.livemode,
           objects.what,
           CASE open_cases.reason WHEN 'conflicted' THEN 'conflicted' ELSE objects.fate END AS fate,
           objects.amount, payment.currency::text AS currency, objects.gateway,
           objects.gateway_reference, objects.rrn, objects.since, objects.enquiries,
           job.run_at AS next_enquiry_at,
           coalesce(objects.evidence, job.last_error) AS evidence,
           open_cases.id AS case_id, open_cases.reason AS case_reason,
           open_cases.opened_at AS case_opened_at
    FROM objects
    JOIN rizzpay.payments AS payment ON payment.id = objects.payment_id
    LEFT JOIN LATERAL (
        SELECT run_at, last_error FROM rizzpay.jobs
        WHERE kind IN ('attempt.resolve', 'refund.resolve', 'refund.send') AND key = object_id
        ORDER BY run_at LIMIT 1
    ) AS job ON true
    LEFT JOIN open_cases ON open_cases.object_id = objects.object_id
)
"""
WANTED = """
FROM matters
WHERE since < %(since_before)s
  AND (%(merchant_id)s::text IS NULL OR merchant_id = %(merchant_id)s)
  AND (%(livemode)s::boolean IS NULL OR livemode = %(livemode)s)
  AND (%(gateway)s::text IS NULL OR gateway = %(gateway)s)
  AND (%(fate)s::text IS NULL OR fate = %(fate)s)
  AND (%(object_id)s::text IS NULL OR %(object_id)s IN (object_id, payment_id, case_id))
"""
LIST: LiteralString = (
    "WITH "
    + MATTERS
    + """
SELECT object_id, payment_id, merchant_id, livemode, what, fate, amount, currency, gateway,
       gateway_reference, rrn, since, enquiries, next_enquiry_at, evidence, case_id, case_reason,
       case_opened_at
"""
    + WANTED
    + "ORDER BY since, object_id LIMIT %(limit)s"
)
TOTALS: LiteralString = (
    "WITH "
    + MATTERS
    + "SELECT fate, livemode, currency, count(*) AS count, sum(amount)::bigint AS amount"
    + WANTED
    + "GROUP BY fate, livemode, currency ORDER BY livemode DESC, fate, currency"
)

Shown = TypeVar("Shown", bound=Struct)


@dataclass(frozen=True, slots=True)
class OpenMatters:
    """How much is not settled."""

    payments_unknown: int
    refunds_unknown: int
    cases: int


def record(conn: Connection, made: Sequence[tuple[Tenant, Changes]], now: datetime) -> None:
    """Open the cases of what stays unknown, and close those of what is known now."""
    _open(conn, [(tenant, case) for tenant, changes in made for case in changes.cases], now)
    _close(conn, [settled for _, changes in made for settled in changes.settled], now)


def _open(conn: Connection, cases: Sequence[tuple[Tenant, Case]], now: datetime) -> None:
    """Put matters into the human queue, once each."""
    opened = [
        {
            "id": case.id,
            "merchant_id": tenant.merchant_id,
            "livemode": tenant.livemode,
            "object_id": case.object_id,
            "payment_id": case.payment_id,
            "reason": case.reason,
            "opened_at": now,
        }
        for tenant, case in cases
    ]
    if opened:
        conn.send(OPEN_CASES, {"rows": msgspec.json.encode(opened).decode()})


def _close(conn: Connection, object_ids: Sequence[str], now: datetime) -> None:
    """Take objects whose outcome is known now out of the human queue."""
    if object_ids:
        conn.send(CLOSE_CASES, {"object_ids": arrays.text(sorted(object_ids)), "now": now})


def count_open(conn: Connection) -> OpenMatters:
    """Return what is not settled; all merchants, for the worker's role."""
    row = conn.execute(COUNT_OPEN).fetchone()
    return OpenMatters(*row) if row else OpenMatters(0, 0, 0)


def matters(conn: Connection, wanted: Wanted, limit: int) -> list[Matter]:
    """Return open matters, the oldest first."""
    found = conn.execute(LIST, {**_values(wanted), "limit": limit}).fetchall()
    return [_read(row, Matter) for row in found]


def totals(conn: Connection, wanted: Wanted) -> list[Total]:
    """Return how many there are, and how much that is."""
    return [_read(row, Total) for row in conn.execute(TOTALS, _values(wanted)).fetchall()]


def _values(wanted: Wanted) -> dict[str, Any]:
    return msgspec.structs.asdict(wanted)


def _read(row: tuple[Any, ...], shown: type[Shown]) -> Shown:
    """Read a row whose columns stand in the order of the fields."""
    return msgspec.convert(dict(zip(shown.__struct_fields__, row, strict=True)), shown)
