"""SQL of the books. One statement a table and batch; rows are locked in order of their keys.

Private to `rizzpay.ledger`. Deadlocks cannot happen between batches: each first makes the missing
accounts in order, then inserts transfers in order of what they resolve, then locks and changes the
accounts in order. Nothing locks an account before its own batch has made the accounts it needs.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, LiteralString

from rizzpay.core.tenant import Tenant
from rizzpay.infra.arrays import bigint, boolean, text, timestamptz
from rizzpay.infra.database import Connection
from rizzpay.infra.pipeline import Sent, Value
from rizzpay.ledger.model import (
    Account,
    AccountKey,
    Hold,
    Imbalance,
    Phase,
    Sums,
    Transfer,
)

HOLDS = """
SELECT t.id, t.merchant_id, t.livemode, t.currency, t.debit, t.credit, t.amount, t.phase, t.code,
       t.created_at, t.pending_id, t.payment_id, t.refund_id, r.phase
FROM rizzpay.ledger_transfers AS t
LEFT JOIN rizzpay.ledger_transfers AS r ON r.pending_id = t.id
WHERE t.id = ANY (%(ids)b::text[])
"""

MAKE_ACCOUNTS = """
INSERT INTO rizzpay.ledger_accounts (merchant_id, livemode, currency, name)
SELECT merchant_id, livemode, currency, name
FROM unnest(%(merchant_ids)b::text[], %(livemodes)b::boolean[], %(currencies)b::text[],
            %(names)b::text[]) AS wanted (merchant_id, livemode, currency, name)
ORDER BY merchant_id, livemode, currency, name
ON CONFLICT (merchant_id, livemode, currency, name) DO NOTHING
"""

# Where nothing is resolved only an id can be taken already, which is a bug: the database refuses.
INSERT_TRANSFERS: LiteralString = """
INSERT INTO rizzpay.ledger_transfers (id, merchant_id, livemode, currency, debit, credit, amount,
                                      phase, pending_id, code, payment_id, refund_id, created_at)
SELECT id, merchant_id, livemode, currency, debit, credit, amount,
       phase, pending_id, code, payment_id, refund_id, created_at
FROM unnest(%(ids)b::text[], %(merchant_ids)b::text[], %(livemodes)b::boolean[],
            %(currencies)b::text[], %(debits)b::text[], %(credits)b::text[], %(amounts)b::bigint[],
            %(phases)b::text[], %(pending_ids)b::text[], %(codes)b::text[], %(payment_ids)b::text[],
            %(refund_ids)b::text[], %(created_ats)b::timestamptz[])
     AS fresh (id, merchant_id, livemode, currency, debit, credit, amount,
               phase, pending_id, code, payment_id, refund_id, created_at)
ORDER BY pending_id NULLS FIRST, id
"""

# Two batches that resolve the same pending transfers meet on the index of pending_id, hence the
# order. The loser waits here, inserts nothing for that row, and the service says why.
INSERT_RESOLUTIONS: LiteralString = INSERT_TRANSFERS + "ON CONFLICT DO NOTHING RETURNING id"

ADD_SUMS = """
WITH locked AS MATERIALIZED (
    SELECT a.merchant_id, a.livemode, a.currency, a.name,
           d.debits_posted, d.credits_posted, d.debits_pending, d.credits_pending
    FROM unnest(%(merchant_ids)b::text[], %(livemodes)b::boolean[], %(currencies)b::text[],
                %(names)b::text[], %(debits_posted)b::bigint[], %(credits_posted)b::bigint[],
                %(debits_pending)b::bigint[], %(credits_pending)b::bigint[])
         AS d (merchant_id, livemode, currency, name,
               debits_posted, credits_posted, debits_pending, credits_pending)
    JOIN rizzpay.ledger_accounts AS a
      ON a.merchant_id = d.merchant_id AND a.livemode = d.livemode
     AND a.currency = d.currency::char(3) AND a.name = d.name
    ORDER BY a.merchant_id, a.livemode, a.currency, a.name
    FOR NO KEY UPDATE OF a
)
UPDATE rizzpay.ledger_accounts AS a
SET debits_posted = a.debits_posted + locked.debits_posted,
    credits_posted = a.credits_posted + locked.credits_posted,
    debits_pending = a.debits_pending + locked.debits_pending,
    credits_pending = a.credits_pending + locked.credits_pending
FROM locked
WHERE a.merchant_id = locked.merchant_id AND a.livemode = locked.livemode
  AND a.currency = locked.currency AND a.name = locked.name
"""

ACCOUNTS = """
SELECT merchant_id, livemode, currency, name,
       debits_posted, credits_posted, debits_pending, credits_pending
FROM rizzpay.ledger_accounts
WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s
ORDER BY currency, name
"""

TRANSFERS_OF_PAYMENT = """
SELECT id, merchant_id, livemode, currency, debit, credit, amount, phase, code,
       created_at, pending_id, payment_id, refund_id
FROM rizzpay.ledger_transfers
WHERE payment_id = %(payment_id)s
ORDER BY created_at, id
"""

# The four sums of each account again, out of the transfers, beside what the account says.
# A pending transfer counts as pending as long as nothing resolves it.
PROVE = """
WITH weighed AS (
    SELECT t.merchant_id, t.livemode, t.currency, t.debit, t.credit,
           CASE WHEN t.phase IN ('posted', 'post') THEN t.amount ELSE 0 END AS posted,
           CASE WHEN t.phase = 'pending' AND r.id IS NULL THEN t.amount ELSE 0 END AS pending
    FROM rizzpay.ledger_transfers AS t
    LEFT JOIN rizzpay.ledger_transfers AS r ON r.pending_id = t.id
), recomputed AS (
    SELECT w.merchant_id, w.livemode, w.currency, s.name,
           sum(s.debits_posted) AS debits_posted, sum(s.credits_posted) AS credits_posted,
           sum(s.debits_pending) AS debits_pending, sum(s.credits_pending) AS credits_pending
    FROM weighed AS w
    CROSS JOIN LATERAL (VALUES (w.debit, w.posted, 0, w.pending, 0),
                               (w.credit, 0, w.posted, 0, w.pending))
         AS s (name, debits_posted, credits_posted, debits_pending, credits_pending)
    GROUP BY w.merchant_id, w.livemode, w.currency, s.name
)
SELECT coalesce(a.currency, c.currency)::text,
       coalesce(sum(a.debits_posted - a.credits_posted), 0)::bigint,
       coalesce(sum(a.debits_pending - a.credits_pending), 0)::bigint,
       count(*) FILTER (
           WHERE (coalesce(a.debits_posted, 0), coalesce(a.credits_posted, 0),
                  coalesce(a.debits_pending, 0), coalesce(a.credits_pending, 0))
              <> (coalesce(c.debits_posted, 0), coalesce(c.credits_posted, 0),
                  coalesce(c.debits_pending, 0), coalesce(c.credits_pending, 0)))
FROM rizzpay.ledger_accounts AS a
FULL JOIN recomputed AS c
  ON c.merchant_id = a.merchant_id AND c.livemode = a.livemode
 AND c.currency = a.currency AND c.name = a.name
GROUP BY 1
ORDER BY 1
"""


def holds(conn: Connection, ids: Sequence[str]) -> dict[str, Hold]:
    """Return the transfers of these ids that the transaction may see, with their resolutions."""
    rows = conn.send(HOLDS, {"ids": text(ids)}).rows()
    return {
        row[0]: Hold(_transfer(row), Phase(row[13]) if row[13] is not None else None)
        for row in rows
    }


def make_accounts(conn: Connection, keys: Iterable[AccountKey]) -> None:
    """Create the accounts that do not exist yet, with zero sums."""
    conn.send(MAKE_ACCOUNTS, _key_arrays(list(keys)))


def insert_transfers(conn: Connection, transfers: Sequence[Transfer]) -> Sent:
    """Insert; when one of them resolves a transfer, the rows are the ids that went in.

    The others of those exist, or resolve a transfer that is resolved.
    """
    values = {
        "ids": text([one.id for one in transfers]),
        "merchant_ids": text([one.tenant.merchant_id for one in transfers]),
        "livemodes": boolean([one.tenant.livemode for one in transfers]),
        "currencies": text([one.currency for one in transfers]),
        "debits": text([one.debit for one in transfers]),
        "credits": text([one.credit for one in transfers]),
        "amounts": bigint([one.amount for one in transfers]),
        "phases": text([one.phase.value for one in transfers]),
        "pending_ids": text([one.pending_id for one in transfers]),
        "codes": text([one.code for one in transfers]),
        "payment_ids": text([one.payment_id for one in transfers]),
        "refund_ids": text([one.refund_id for one in transfers]),
        "created_ats": timestamptz([one.created_at for one in transfers]),
    }
    if any(one.pending_id is not None for one in transfers):
        return conn.send(INSERT_RESOLUTIONS, values)
    return conn.send(INSERT_TRANSFERS, values)


def add_sums(conn: Connection, sums: Mapping[AccountKey, Sums]) -> None:
    """Add to the sums of existing accounts; one that does not exist is a bug."""
    added = list(sums.values())
    sent = conn.send(
        ADD_SUMS,
        {
            **_key_arrays(list(sums)),
            "debits_posted": bigint([one.debits_posted for one in added]),
            "credits_posted": bigint([one.credits_posted for one in added]),
            "debits_pending": bigint([one.debits_pending for one in added]),
            "credits_pending": bigint([one.credits_pending for one in added]),
        },
    )
    conn.expect(sent, len(sums), "accounts")


def accounts(conn: Connection, tenant: Tenant) -> list[Account]:
    """Return the accounts of one merchant in one mode."""
    rows = conn.execute(
        ACCOUNTS, {"merchant_id": tenant.merchant_id, "livemode": tenant.livemode}
    ).fetchall()
    return [
        Account(
            tenant=Tenant(row[0], row[1]),
            currency=row[2],
            name=row[3],
            debits_posted=row[4],
            credits_posted=row[5],
            debits_pending=row[6],
            credits_pending=row[7],
        )
        for row in rows
    ]


def transfers_of_payment(conn: Connection, payment_id: str) -> list[Transfer]:
    """Return the transfers of one payment, oldest first."""
    rows = conn.execute(TRANSFERS_OF_PAYMENT, {"payment_id": payment_id}).fetchall()
    return [_transfer(row) for row in rows]


def prove(conn: Connection) -> list[Imbalance]:
    """Return one proof a currency over everything that the transaction may see."""
    rows = conn.execute(PROVE).fetchall()
    return [
        Imbalance(currency=row[0], posted=row[1], pending=row[2], drifted_accounts=row[3])
        for row in rows
    ]


def _key_arrays(keys: list[AccountKey]) -> dict[str, Value]:
    return {
        "merchant_ids": text([key.tenant.merchant_id for key in keys]),
        "livemodes": boolean([key.tenant.livemode for key in keys]),
        "currencies": text([key.currency for key in keys]),
        "names": text([key.name for key in keys]),
    }


def _transfer(row: tuple[Any, ...]) -> Transfer:
    return Transfer(
        id=row[0],
        tenant=Tenant(row[1], row[2]),
        currency=row[3],
        debit=row[4],
        credit=row[5],
        amount=row[6],
        phase=Phase(row[7]),
        code=row[8],
        created_at=row[9],
        pending_id=row[10],
        payment_id=row[11],
        refund_id=row[12],
    )
