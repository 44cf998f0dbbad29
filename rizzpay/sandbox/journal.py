"""How the acquirer writes: attempts, sums with their ledger rows, things to do later.

All of it takes part in the caller's transaction (`Records.change`).
"""

from dataclasses import replace
from datetime import datetime

from rizzpay.sandbox import records
from rizzpay.sandbox.records import Attempt, Charge, Records
from rizzpay.sandbox.wire import Refused


def unix_ms(at: datetime) -> int:
    """Return whole Unix milliseconds."""
    return int(at.timestamp() * 1000)


class Journal:
    """Writes through one open file of records."""

    def __init__(self, kept: Records) -> None:
        """Take the open records."""
        self._kept = kept

    def find(self, reference: str) -> Charge:
        """Return a charge; raises Refused(404, charge_not_found)."""
        charge = self._kept.charge(reference)
        if charge is None:
            raise Refused(404, "charge_not_found", "There is no such charge.")
        return charge

    def attempt(self, attempt_id: str) -> Attempt:
        """Return an attempt that is known to exist."""
        attempt = self._kept.attempt(attempt_id)
        if attempt is None:
            raise KeyError(attempt_id)
        return attempt

    def add(self, attempt: Attempt) -> Attempt:
        """Write a new attempt."""
        self._kept.run(records.ADD_ATTEMPT, records.attempt_row(attempt))
        return attempt

    def write(self, attempt: Attempt) -> Attempt:
        """Write what an attempt has become."""
        self._kept.run(records.SET_ATTEMPT, records.attempt_row(attempt))
        return attempt

    def decline(self, attempt: Attempt, code: str) -> Attempt:
        """Write that an open attempt is declined."""
        return self.write(replace(attempt, status="declined", decline_code=code))

    def with_rrn(self, attempt: Attempt) -> Attempt:
        """Give an attempt its 12-digit retrieval reference."""
        return replace(attempt, rrn=self._kept.give_rrn(attempt.attempt_id))

    def move(self, charge: Charge, attempt: Attempt, now: datetime, **amounts: int) -> None:
        """Change the sums of a charge and write the ledger; SQLite checks the sums again."""
        self.add_sums(charge, **amounts)
        for kind, amount in amounts.items():
            if amount:
                self.log(charge, attempt, kind, amount, now)

    def add_sums(self, charge: Charge, **amounts: int) -> None:
        """Change the sums of a charge: authorized, captured, voided, refunded."""
        nothing = {"authorized": 0, "captured": 0, "voided": 0, "refunded": 0}
        self._kept.run(records.MOVE, {**nothing, **amounts, "reference": charge.reference})

    def log(self, charge: Charge, attempt: Attempt, kind: str, amount: int, now: datetime) -> None:
        """Write one row of the ledger: what really happened."""
        values = {
            "at_ms": unix_ms(now),
            "kind": kind,
            "attempt_id": attempt.attempt_id,
            "reference": charge.reference,
            "payment_id": charge.payment_id,
            "amount": amount,
            "currency": charge.currency,
        }
        self._kept.run(records.ADD_LEDGER, values)

    def later(self, delay_ms: float, what: str, attempt: Attempt, now: datetime) -> None:
        """Remember to do something about an attempt."""
        at_ms = unix_ms(now) + int(delay_ms)
        values = {"at_ms": at_ms, "what": what, "attempt_id": attempt.attempt_id}
        self._kept.run(records.ADD_DUE, values)
