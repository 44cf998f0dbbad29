"""What gateways say they hold, what we say, and the difference: the verdict of a run."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rizzpay.infra.database import Database
from rizzpay.ledger import service as ledger

OURS = """
SELECT id, status, amount_captured, amount_refunded, gateway FROM rizzpay.payments
WHERE id = ANY (%(ids)s)
"""
ATTEMPTS = """
SELECT payment_id, id, gateway FROM rizzpay.payment_attempts
WHERE payment_id = ANY (%(ids)s) AND kind = 'authorize'
"""
OPEN = """
SELECT (SELECT count(*) FROM rizzpay.payments
        WHERE status IN ('created', 'processing', 'requires_action', 'unknown')),
       (SELECT count(*) FROM rizzpay.refunds
        WHERE status IN ('created', 'processing', 'unknown')),
       (SELECT count(*) FROM rizzpay.gateway_callbacks WHERE applied_at IS NULL)
"""
GAPS = """
SELECT coalesce(sum(missing), 0) FROM (
    SELECT max(sequence) - count(*) AS missing FROM rizzpay.events GROUP BY merchant_id, livemode
) AS counted
"""
REPEATS = """
SELECT count(*) FROM (
    SELECT object_id, type FROM rizzpay.events WHERE type = 'payment.captured'
    GROUP BY object_id, type HAVING count(*) > 1
) AS told_twice
"""


@dataclass
class Verdict:
    """Numbers that must be 0 but for `payments`; `notes` say which payments are not in order."""

    payments: int
    charged_twice: int = 0
    charged_unknown: int = 0
    imbalance: int = 0
    sequence_gaps: int = 0
    told_twice: int = 0
    missing: int = 0  # we say that a gateway holds it, and it does not
    still_open: int = 0
    seed: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    callbacks: dict[str, int] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Tell whether every rupee is accounted for."""
        wrong = (
            *(self.charged_twice, self.charged_unknown, self.imbalance, self.sequence_gaps),
            *(self.told_twice, self.missing, self.still_open, len(self.notes)),
        )
        return not any(wrong)

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(vars(self), indent=2) + "\n")


def open_now(database: Database) -> tuple[int, int, int]:
    """Return how many payments, refunds and callbacks have no end yet."""
    with database.transaction() as conn:
        payments, refunds, callbacks = conn.execute(OPEN).fetchone()
    return payments, refunds, callbacks


def settle(database: Database, sides: dict[str, Any], payment_ids: list[str]) -> Verdict:
    """Compare every payment with what all gateways hold of it."""
    verdict = Verdict(payments=len(payment_ids))
    with database.transaction() as conn:
        ours = {row[0]: row[1:] for row in conn.execute(OURS, {"ids": payment_ids}).fetchall()}
        attempts = conn.execute(ATTEMPTS, {"ids": payment_ids}).fetchall()
        verdict.sequence_gaps = int(conn.execute(GAPS).fetchone()[0])
        verdict.told_twice = conn.execute(REPEATS).fetchone()[0]
        verdict.imbalance = sum(
            abs(found.posted) + abs(found.pending) + found.drifted_accounts
            for found in ledger.prove(conn)
        )
    theirs = _held(sides, attempts)
    verdict.attempts = dict(Counter(gateway for _, _, gateway in attempts))
    verdict.statuses = dict(Counter(row[0] for row in ours.values()))
    for payment_id in payment_ids:
        _compare(verdict, payment_id, ours.get(payment_id), theirs.get(payment_id, []))
    verdict.still_open = sum(open_now(database))
    return verdict


def _held(
    sides: dict[str, Any], attempts: list[tuple[str, str, str]]
) -> dict[str, list[tuple[int, int]]]:
    """Return what was captured and refunded, by payment, a pair for each charge with money."""
    found: dict[str, list[tuple[int, int]]] = {}
    for name, side in sides.items():
        asked = [(payment_id, attempt_id) for payment_id, attempt_id, it in attempts if it == name]
        for payment_id, pairs in side.books(asked).items():
            found.setdefault(payment_id, []).extend(pairs)
    return found


def _compare(
    verdict: Verdict,
    payment_id: str,
    ours: tuple[str, int, int, str] | None,
    theirs: list[tuple[int, int]],
) -> None:
    """Count a payment whose money is not where we say it is."""
    if ours is None:
        verdict.notes.append(f"{payment_id} was acknowledged and is not there")
        return
    status, captured, refunded, _ = ours
    with_them = sum(taken - back for taken, back in theirs)
    if status == "conflicted":  # its money is in suspense, and a person has the case
        return
    surplus = with_them - (captured - refunded)
    if surplus == 0:
        return
    if surplus < 0:
        verdict.missing += 1
    elif len(theirs) > 1:
        verdict.charged_twice += 1
    else:
        verdict.charged_unknown += 1
    verdict.notes.append(
        f"{payment_id} {status}: we say {captured} captured, {refunded} back; they hold {theirs}"
    )
