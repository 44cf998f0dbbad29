"""What the sandbox acquirer really did, read from its own database."""

import sqlite3
from collections import defaultdict
from dataclasses import dataclass

REALLY = """
SELECT payment_id, kind, count(*), sum(amount) FROM ledger
WHERE kind IN ('captured', 'refunded') GROUP BY payment_id, kind
"""
CHARGES = "SELECT payment_id, count(*) FROM charges WHERE authorized > 0 GROUP BY payment_id"


@dataclass
class Done:
    """Of one payment: successful charges, money taken and money given back."""

    charges: int = 0
    captured: int = 0
    refunded: int = 0


def really_done(appliance) -> dict[str, Done]:
    """Return what happened to every payment that the acquirer took money for."""
    path = appliance.data / "sandbox" / "sandbox.db"
    done: dict[str, Done] = defaultdict(Done)
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        for payment_id, kind, _, amount in connection.execute(REALLY):
            setattr(done[payment_id], kind, amount)
        for payment_id, charges in connection.execute(CHARGES):
            done[payment_id].charges = charges
    finally:
        connection.close()
    return dict(done)
