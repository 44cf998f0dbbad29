"""What the sandbox acquirer really did, read from its own database."""

import sqlite3
from collections import defaultdict
from dataclasses import dataclass

# By payment; money that came by a QR code names none, and goes by its reference.
REALLY = """
SELECT coalesce(nullif(payment_id, ''), reference), kind, count(*), sum(amount) FROM ledger
WHERE kind IN ('captured', 'refunded') GROUP BY 1, 2
"""
CHARGES = """
SELECT coalesce(nullif(payment_id, ''), reference), count(*) FROM charges WHERE authorized > 0
GROUP BY 1
"""


@dataclass
class Done:
    """Of one payment: successful charges, money taken and money given back."""

    charges: int = 0
    captured: int = 0
    refunded: int = 0


def really_done(appliance) -> dict[str, Done]:
    """Return what happened to every payment, by its id or reference, that brought money."""
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
