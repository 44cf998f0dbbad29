"""Compares what a client was told with what the database holds after a drill."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from tests.lab.client import Outcome, acknowledged

# One row a payment whose reference the client chose.
PAYMENTS = """
SELECT reference, id, status, amount_captured FROM rizzpay.payments
WHERE reference LIKE '{prefix}-%'"""
# What each account says against the transfers that made it, and debits against credits: rows are
# differences.
IMBALANCE = """
WITH sides AS (
    SELECT merchant_id, livemode, currency, debit AS name, amount AS debited, 0 AS credited
    FROM rizzpay.ledger_transfers WHERE phase IN ('posted', 'post')
    UNION ALL
    SELECT merchant_id, livemode, currency, credit, 0, amount
    FROM rizzpay.ledger_transfers WHERE phase IN ('posted', 'post')
), summed AS (
    SELECT merchant_id, livemode, currency, name, sum(debited) AS d, sum(credited) AS c
    FROM sides GROUP BY 1, 2, 3, 4
)
SELECT 'account ' || merchant_id || ' ' || name
FROM rizzpay.ledger_accounts FULL JOIN summed USING (merchant_id, livemode, currency, name)
WHERE coalesce(debits_posted, 0) <> coalesce(d, 0) OR coalesce(credits_posted, 0) <> coalesce(c, 0)
UNION ALL
SELECT 'currency ' || currency FROM rizzpay.ledger_accounts GROUP BY currency
HAVING sum(debits_posted) <> sum(credits_posted)
UNION ALL
SELECT 'payment ' || id FROM rizzpay.payments AS p
WHERE reference LIKE '{prefix}-%' AND amount_captured <> coalesce((
    SELECT sum(amount) FROM rizzpay.ledger_transfers AS t
    WHERE t.payment_id = p.id AND code = 'capture' AND phase IN ('posted', 'post')), 0)"""


@dataclass(frozen=True)
class Row:
    """A payment as the database has it."""

    reference: str
    payment_id: str
    status: str
    captured: int


@dataclass(frozen=True)
class Verdict:
    """What became of the payments of a drill."""

    acknowledged: int
    lost: list[str]
    doubled: list[str]


def judge(outcomes: Iterable[Outcome], rows: Iterable[Row]) -> Verdict:
    """Return which acknowledged payments the database lost, and which intents it did twice."""
    held = list(rows)
    by_id = {row.payment_id: row for row in held}
    told = acknowledged(list(outcomes))
    lost = [one.key for one in told if not _is_kept(one, by_id.get(one.payment_id or ""))]
    times = Counter(row.reference for row in held)
    return Verdict(len(told), lost, sorted(key for key, count in times.items() if count > 1))


def _is_kept(told: Outcome, row: Row | None) -> bool:
    """Tell whether the database still has what the merchant was told."""
    if row is None or row.reference != told.key:
        return False
    return row.status == "captured" or told.state != "captured"
