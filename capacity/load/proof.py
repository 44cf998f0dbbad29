"""The proof after a run: what was acknowledged is in the database, once, and the books balance.

It reads with the worker's role, which sees all merchants, and changes nothing.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from capacity.installation import Shop
from capacity.load import store
from capacity.load.figures import Proof
from capacity.load.mixes import Acknowledged, Wording

CHUNK = 5_000
TAIL = 256  # callbacks are applied about in order, so the last ones tell when all are
NO_PROGRESS_S = 20.0
EXAMPLES = 3  # shown of each fault


@dataclass(frozen=True, slots=True)
class Case:
    """What is to be proved: the run's words and merchants, since when, and what was promised."""

    wording: Wording
    shops: Sequence[Shop]
    since: datetime
    until: datetime
    acknowledged: Acknowledged
    doubtful: int  # requests that were not answered, or not with success

    @property
    def merchants(self) -> list[str]:
        """Return their ids."""
        return [shop.merchant_id for shop in self.shops]


def clock(conn: psycopg.Connection) -> datetime:
    """Return the database's clock."""
    row = conn.execute(store.NOW).fetchone()
    if row is None:  # SELECT of an expression has one row
        raise RuntimeError(store.NOW)
    found: datetime = row[0]
    return found


def about_how_many(conn: psycopg.Connection) -> int:
    """Return how many payments there are, as PostgreSQL last estimated it."""
    row = conn.execute(store.SIZE).fetchone()
    return max(0, int(row[0])) if row else 0


def settle(conn: psycopg.Connection, captures: Sequence[bytes]) -> float:
    """Wait until the worker has applied the last callbacks; return how many seconds that took.

    Gives up when nothing moves for a while; `prove` says then what is missing.
    """
    began = time.perf_counter()
    moved, left = began, -1
    tail = [payment.decode() for payment in captures[-TAIL:]]
    spread = [payment.decode() for payment in captures[:: max(1, len(captures) // TAIL)]]
    while tail:
        rows = conn.execute(store.NOT_CAPTURED, {"payments": tail + spread}).fetchall()
        if not rows:
            break
        if len(rows) != left:
            moved, left = time.perf_counter(), len(rows)
        if time.perf_counter() - moved > NO_PROGRESS_S:
            break
        time.sleep(0.02)
    return time.perf_counter() - began


def prove(conn: psycopg.Connection, case: Case) -> Proof:
    """Compare what was acknowledged with what is there."""
    told = case.acknowledged
    faults: list[str] = []
    wrong = _all(conn, store.WRONG, _claims(case))
    missing = [row[0] for row in wrong if not row[1]]
    strange = [row[0] for row in wrong if row[1]]
    _fault(faults, missing, "acknowledged payments are not in the database")
    _fault(faults, strange, "acknowledged payments are not what their idempotency key made")
    ids = [payment for _, _, payment in told.payments]
    _fault(faults, _twice(ids), "payment ids were acknowledged more than once")
    open_ = [row[0] for row in _all(conn, store.NOT_CAPTURED, _payments(told.captures))]
    _fault(faults, open_, "payments whose callback was acknowledged are not captured")
    uneven = [row[0] for row in _all(conn, store.CAPTURES, _payments(told.captures))]
    _fault(faults, uneven, "captured payments do not have exactly one posting of the payer's money")
    refunds = [row[0] for row in _all(conn, store.NOT_REFUNDED, _payments(told.refunds))]
    _fault(faults, refunds, "payments do not have exactly the one refund that was acknowledged")
    payments, claims, written = _count(conn, case)
    if payments != claims:
        faults.append(f"{payments} payments were written by {claims} idempotency keys")
    surplus = written - len(ids)
    if surplus > case.doubtful:
        faults.append(
            f"{surplus} payments were written that nobody was told of, but only "
            f"{case.doubtful} requests were not answered with success"
        )
    return Proof(
        acknowledged=len(ids),
        found=len(ids) - len(missing),
        claims=len(ids) - len(wrong),
        captured=len(told.captures) - len(open_),
        callbacks=len(told.captures),
        refunds=len(told.refunds) - len(refunds),
        written=written,
        faults=faults + books(conn, case.merchants),
    )


def books(conn: psycopg.Connection, merchants: Sequence[str]) -> list[str]:
    """Return what is wrong with the books of these merchants: accounts, and sums by currency."""
    found: list[str] = []
    values = {"merchants": list(merchants)}
    rows = conn.execute(store.BOOKS, values).fetchall()  # each of the two sees one moment
    uneven = conn.execute(store.BALANCE, values).fetchall()
    _fault(found, [f"{row[0]} {row[1]}" for row in rows], "accounts differ from their transfers")
    _fault(found, [str(row[0]) for row in uneven], "currencies do not balance")
    return found


def _claims(case: Case) -> list[dict[str, Any]]:
    told = case.acknowledged.payments
    return [
        {
            "merchants": [case.shops[merchant].merchant_id for merchant, _, _ in part],
            "keys": [case.wording.key(number) for _, number, _ in part],
            "payments": [payment.decode() for _, _, payment in part],
        }
        for part in (told[at : at + CHUNK] for at in range(0, len(told), CHUNK))
    ]


def _payments(ids: Sequence[bytes]) -> list[dict[str, Any]]:
    return [
        {"payments": [payment.decode() for payment in ids[at : at + CHUNK]]}
        for at in range(0, len(ids), CHUNK)
    ]


def _all(
    conn: psycopg.Connection, query: str, parts: Sequence[dict[str, Any]]
) -> list[tuple[Any, ...]]:
    return [row for values in parts for row in conn.execute(query, values).fetchall()]


def _count(conn: psycopg.Connection, case: Case) -> tuple[int, int, int]:
    values = {
        "merchants": case.merchants,
        "since": case.since,
        "until": case.until,
        "run": case.wording.run,
    }
    row = conn.execute(store.WRITTEN, values).fetchone()
    return (int(row[0]), int(row[1]), int(row[2])) if row else (0, 0, 0)


def _twice(ids: Sequence[bytes]) -> list[str]:
    return [one.decode() for one, count in Counter(ids).items() if count > 1]


def _fault(faults: list[str], examples: Sequence[str], what: str) -> None:
    if examples:
        faults.append(f"{len(examples)} {what}, as {', '.join(examples[:EXAMPLES])}")
