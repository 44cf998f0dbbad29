"""Writes down what a set of decisions brings about, in the transaction of the writer."""

from collections.abc import Sequence

from msgspec.structs import replace

from rizzpay.audit import service as audit
from rizzpay.audit.model import Entry
from rizzpay.core import clock
from rizzpay.infra import jobs
from rizzpay.infra.database import Connection
from rizzpay.infra.envelope import Envelope
from rizzpay.ledger import service as ledger
from rizzpay.payments import decisions, review, store
from rizzpay.payments.model import Changes
from rizzpay.payments.qr_codes import receiving
from rizzpay.payments.states import Status
from rizzpay.payments.types import Payment
from rizzpay.payments.writes import Item, Write
from rizzpay.vault import service as vault
from rizzpay.webhooks import inbound

APPLIED = "applied"  # what is noted of a callback that said something, or the same again


def record(conn: Connection, envelope: Envelope, items: Sequence[Item]) -> None:
    """Write what was decided, a table at a time, always in this order."""
    made = [(item, item.changes) for item in items if item.changes is not None]
    effective = [(item, changes) for item, changes in made if not changes.nothing]
    changed = [changes for _, changes in effective]
    vault.store(conn, envelope, [c.payer for c in changed if c.payer is not None])
    store.insert_payments(conn, [_unborn(c) for i, c in effective if i.before is None])
    last = {c.payment.id: c.payment for i, c in effective if i.before is not None or c.code}
    store.update_payments(conn, list(last.values()))
    moved = {i.write.payment_id for i, c in effective if _is_moved(i, c)}
    decisions.reroute(conn, [last[payment_id] for payment_id in sorted(moved)])
    _write_attempts(conn, effective)
    decisions.insert(conn, [(c.attempts[-1], c.routed) for c in changed if c.routed])
    receiving.record(conn, [(c.code, c.payment) for c in changed if c.code is not None])
    store.write_refunds(conn, list({r.id: r for c in changed for r in c.refunds}.values()))
    ledger.record(conn, [transfer for c in changed for transfer in c.transfers])
    review.record(conn, [(item.write.tenant, c) for item, c in effective], clock.now())
    audit.append(conn, [_entry(item.write, changes) for item, changes in effective])
    jobs.cancel(conn, [gone for c in changed for gone in c.not_any_more])
    jobs.enqueue(conn, _later(effective))
    applied = [item.write.callback for item in items if item.write.callback is not None]
    inbound.note(conn, dict.fromkeys(applied, APPLIED), clock.now())


def _unborn(changes: Changes) -> Payment:
    """Return a new payment as it is inserted: one that is done at once goes on from processing."""
    if changes.code is None:
        return changes.payment
    return replace(changes.payment, status=Status.PROCESSING, version=1)


def _is_moved(item: Item, changes: Changes) -> bool:
    """Tell whether a payment was asked of another gateway."""
    return item.before is not None and item.before.payment.gateway != changes.payment.gateway


def _write_attempts(conn: Connection, made: Sequence[tuple[Item, Changes]]) -> None:
    """Insert attempts that begin in this set and update the others, each as it is in the end."""
    last = {attempt.id: attempt for _, changes in made for attempt in changes.attempts}
    begun: set[str] = set()
    for item, changes in made:
        known = {attempt.id for attempt in item.before.attempts} if item.before else set()
        begun |= {attempt.id for attempt in changes.attempts} - known
    store.insert_attempts(conn, [attempt for attempt in last.values() if attempt.id in begun])
    store.update_attempts(conn, [attempt for attempt in last.values() if attempt.id not in begun])


def _later(made: Sequence[tuple[Item, Changes]]) -> list[jobs.NewJob]:
    return [
        jobs.NewJob(later.kind, later.key, later.run_at, tenant=item.write.tenant)
        for item, changes in made
        for later in changes.later
    ]


def _entry(write: Write, changes: Changes) -> Entry:
    return Entry(
        at=changes.payment.updated_at,
        actor=write.actor,
        action=changes.action,
        object_id=changes.payment.id,
        detail={**changes.note, "status": changes.payment.status.value},
        tenant=write.tenant,
        request_id=write.request_id,
    )
