"""The books: record transfers, read balances, prove that everything adds up.

Every function takes part in the caller's transaction and never commits. Call `record` once a
transaction, with all its transfers: the order of locks is kept within one call. In a pipeline it
raises when the results are in, which is before COMMIT.
"""

from collections.abc import Mapping, Sequence

from rizzpay.core.tenant import Tenant
from rizzpay.infra.database import Connection
from rizzpay.ledger import model, store
from rizzpay.ledger.model import (
    Account,
    Hold,
    Imbalance,
    LedgerRefused,
    Reason,
    Transfer,
)


def record(conn: Connection, transfers: Sequence[Transfer]) -> None:
    """Write transfers of any number of merchants of one mode and add them to their accounts.

    All or nothing: raises LedgerRefused for the first transfer that breaks a rule, and then the
    caller must roll back. An id that is taken is a bug, which the database refuses. A pending
    transfer and its resolution may come in one batch. Another transaction that resolves the same
    pending transfer is waited for; the first commit wins.
    """
    if not transfers:
        return
    model.check_batch(transfers)
    stored = _referred(conn, transfers)
    model.check_resolutions(transfers, stored)
    sums = model.account_sums(transfers, stored)
    store.make_accounts(conn, sums)
    inserted = store.insert_transfers(conn, transfers)

    def check() -> None:
        if inserted.count != len(transfers):
            written = {row[0] for row in inserted.rows()}
            raise _refusal(conn, [one for one in transfers if one.id not in written])

    conn.check(check)
    store.add_sums(conn, sums)


def accounts(conn: Connection, tenant: Tenant) -> list[Account]:
    """Return all accounts of a merchant in one mode, by currency and name."""
    return store.accounts(conn, tenant)


def transfers_of(conn: Connection, payment_id: str) -> list[Transfer]:
    """Return every transfer of a payment, oldest first."""
    return store.transfers_of_payment(conn, payment_id)


def prove(conn: Connection) -> list[Imbalance]:
    """Recompute every account out of its transfers, in one snapshot; one result a currency.

    Reads all transfers that the transaction may see: of every merchant with the worker's role.
    """
    return store.prove(conn)


def _referred(conn: Connection, transfers: Sequence[Transfer]) -> Mapping[str, Hold]:
    here = {transfer.id for transfer in transfers}
    wanted = {one.pending_id for one in transfers if one.pending_id is not None} - here
    return store.holds(conn, sorted(wanted)) if wanted else {}


def _refusal(conn: Connection, refused: Sequence[Transfer]) -> LedgerRefused:
    """Say why the first of these was not inserted: its id exists, or somebody was faster."""
    first = refused[0]
    wanted = [first.id] if first.pending_id is None else [first.id, first.pending_id]
    stored = store.holds(conn, wanted)
    hold = stored.get(first.pending_id or "")
    if first.id not in stored and hold is not None:
        reason = model.already_resolved(hold.resolved_by)
        if reason is not None:
            return LedgerRefused(reason, first.id)
    return LedgerRefused(Reason.EXISTS, first.id)
