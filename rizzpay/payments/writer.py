"""The group-commit writer: the only way that anything about a payment gets written.

Greenlets hand in a `Write` and wait. One greenlet a mode takes all that arrived meanwhile and
does it in one transaction: claim the idempotency keys, lock the payments in order of id, let each
item decide on what it finds there, write everything in sets, commit. A lone request waits for
nobody. Decisions happen under the lock, so fifty refunds of one payment are decided one after the
other on amounts that are true.

One bad item never fails its neighbours: a refusal is that item's own answer, and when the
database refuses the set, the set is done again one by one. Whoever submitted an item may go away;
the item is written all the same.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gevent
from gevent.event import AsyncResult, Event

from rizzpay.audit import service as audit
from rizzpay.audit.model import Entry
from rizzpay.core import clock, ids
from rizzpay.core.errors import Refused, Unavailable
from rizzpay.core.tenant import Tenant
from rizzpay.idempotency import service as idempotency
from rizzpay.idempotency.model import Answer, Claim, InProgress, Mismatch, Replay, Won
from rizzpay.infra import jobs, log, metrics
from rizzpay.infra.database import CONFLICTS, Connection, Database
from rizzpay.infra.envelope import Envelope
from rizzpay.ledger import service as ledger
from rizzpay.payments import store
from rizzpay.payments.model import Changes, Clocks, Context, Snapshot
from rizzpay.payments.types import Payment, Refund, Served
from rizzpay.vault import service as vault
from rizzpay.webhooks import outbox
from rizzpay.webhooks.model import NewEvent

BATCH_MAX = 128  # payments a transaction; beyond this the gain is small (measured 2026-11-21)
FRESH_IDS = 10  # how many ids one decision may hand out
DEADLOCK_TRIES = 3

Decide = Callable[[Snapshot | None, Context], Changes]


@dataclass(frozen=True, slots=True)
class Write:
    """One decision to be made and written.

    `claim` opens an idempotency key (first half of a request); `completes` closes one with
    `answer(snapshot, request id)` (second half; None leaves it open). `settles` names the object
    whose claim, if it is still open because its request was cut off, gets the answer.
    """

    tenant: Tenant
    payment_id: str
    decide: Decide
    actor: str
    request_id: str | None = None
    claim: Claim | None = None
    completes: str | None = None
    settles: str | None = None
    answer: Callable[[Snapshot, str], Answer | None] | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """It is committed: the payment as it is now, and the answer if the write had one to give."""

    after: Snapshot
    answer: Answer | None


Result = Written | Served


@dataclass(slots=True)
class _Item:
    write: Write
    promise: "AsyncResult[Result]" = field(default_factory=AsyncResult)
    outcome: Result | Exception | None = None
    changes: Changes | None = None
    after: Snapshot | None = None


@dataclass(frozen=True, slots=True)
class Rendering:
    """How events look; given by the API, which owns the shape of objects."""

    payment_event: Callable[[Payment], dict[str, Any]]
    refund_event: Callable[[Refund], dict[str, Any]]


class Writer:
    """Batches writes of each mode and commits them."""

    def __init__(
        self, database: Database, envelope: Envelope, rendering: Rendering, clocks: Clocks
    ) -> None:
        """Start the two writing greenlets."""
        self._database = database
        self._envelope = envelope
        self._rendering = rendering
        self._clocks = clocks
        self._waiting: dict[bool, list[_Item]] = {True: [], False: []}
        self._bell = {True: Event(), False: Event()}
        self._loops = [gevent.spawn(self._run, livemode) for livemode in (True, False)]

    def close(self) -> None:
        """Stop the loops; what is being written is finished by its transaction."""
        gevent.killall(self._loops)

    def submit(self, write: Write) -> Result:
        """Hand in a write and wait for its commit.

        Raises Refused (nothing was written for this item), Unavailable (nothing was written) or
        CommitUnknown (nobody knows; the resolver will).
        """
        item = _Item(write)
        livemode = write.tenant.livemode
        self._waiting[livemode].append(item)
        self._bell[livemode].set()
        result = item.promise.get()
        if result is None:
            raise RuntimeError("a write without an outcome")
        return result

    def _run(self, livemode: bool) -> None:  # noqa: FBT001 - the mode is the loop's identity
        bell = self._bell[livemode]
        while True:
            bell.wait()
            bell.clear()
            while self._waiting[livemode]:
                batch = self._waiting[livemode][:BATCH_MAX]
                del self._waiting[livemode][:BATCH_MAX]
                metrics.WRITER_BATCH.observe(len(batch))
                self._write(batch)

    def _write(self, batch: list[_Item]) -> None:
        """Write a batch; if the database refuses the set, write its items one by one."""
        error = self._try(batch)
        if error is not None and len(batch) > 1 and not isinstance(error, Unavailable):
            for item in batch:
                alone = self._try([item])
                self._fulfil([item], alone)
            return
        self._fulfil(batch, error)

    def _try(self, batch: list[_Item]) -> Exception | None:
        for tried in range(1, DEADLOCK_TRIES + 1):
            for item in batch:
                item.outcome, item.changes, item.after = None, None, None
            try:
                self._transact(batch)
            except CONFLICTS as error:
                if tried == DEADLOCK_TRIES:
                    return error
            except Exception as error:  # noqa: BLE001 - one of the loops: every waiter is told
                log.get(__name__).warning(
                    "writer.batch_failed", error=type(error).__name__, items=len(batch)
                )
                return error
            else:
                return None
        return None

    def _fulfil(self, batch: list[_Item], error: Exception | None) -> None:
        for item in batch:
            outcome = error if error is not None else item.outcome
            if isinstance(outcome, Exception):
                item.promise.set_exception(outcome)
            elif outcome is None:
                item.promise.set_exception(RuntimeError("a write without an outcome"))
            else:
                item.promise.set(outcome)

    def _transact(self, batch: list[_Item]) -> None:
        tenants = {item.write.tenant for item in batch}
        with self._database.transaction(*tenants) as conn:
            self._claim(conn, batch)
            self._decide(conn, [item for item in batch if item.outcome is None])
            refused = [
                item
                for item in batch
                if isinstance(item.outcome, Exception) and not isinstance(item.outcome, _KeyInUse)
            ]
            idempotency.release(
                conn, [item.write.claim for item in refused if item.write.claim is not None]
            )
            audit.append(conn, [_refusal(item) for item in refused if _illegal(item.outcome)])
            self._record(conn, [item for item in batch if item.changes is not None])

    def _claim(self, conn: Connection, batch: list[_Item]) -> None:
        claiming = [(item, item.write.claim) for item in batch if item.write.claim is not None]
        results = idempotency.claim(conn, self._envelope, [claim for _, claim in claiming])
        for (item, _), result in zip(claiming, results, strict=True):
            match result:
                case Won():
                    continue
                case Replay():
                    item.outcome = Served(result.answer, replayed=True)
                case InProgress():
                    item.outcome = _KeyInUse("idempotency_in_progress", extra={"retry_after_s": 1})
                case Mismatch():
                    item.outcome = _KeyInUse(
                        "idempotency_mismatch",
                        extra={"original_request_id": result.original_request_id},
                    )

    def _decide(self, conn: Connection, items: list[_Item]) -> None:
        """Let every item decide on the payment as the items before it left it."""
        snapshots = store.lock(conn, [item.write.payment_id for item in items])
        now = clock.now()
        for item in items:
            write = item.write
            fresh = [ids.ulid(now) for _ in range(FRESH_IDS)]
            context = Context(now, write.actor, write.request_id, self._clocks, fresh)
            before = snapshots.get(write.payment_id)
            try:
                changes = write.decide(before, context)
            except Exception as error:  # noqa: BLE001 - this item's own answer, not its neighbours'
                item.outcome = error
                continue
            item.changes = changes
            item.after = (before or Snapshot(changes.payment, (), ())).after(changes)
            snapshots[write.payment_id] = item.after

    def _record(self, conn: Connection, items: list[_Item]) -> None:
        """Write what was decided, a table at a time, always in this order."""
        made = [(item, item.changes) for item in items if item.changes is not None]
        effective = [(item, changes) for item, changes in made if not changes.nothing]
        now = clock.now()
        changed = [changes for _, changes in effective]
        vault.store(conn, self._envelope, [c.payer for c in changed if c.payer is not None])
        store.write_payments(conn, {c.payment.id: c.payment for c in changed}.values())
        store.write_attempts(conn, {a.id: a for c in changed for a in c.attempts}.values())
        store.write_refunds(conn, {r.id: r for c in changed for r in c.refunds}.values())
        ledger.record(conn, [transfer for c in changed for transfer in c.transfers])
        store.open_cases(
            conn, [(i.write.tenant, case) for i, c in effective for case in c.cases], now
        )
        audit.append(conn, [_entry(item.write, changes) for item, changes in effective])
        outbox.publish(conn, [event for c in changed for event in self._events(c)])
        jobs.cancel(conn, [gone for c in changed for gone in c.not_any_more])
        jobs.enqueue(
            conn,
            [
                jobs.NewJob(later.kind, later.key, later.run_at, tenant=item.write.tenant)
                for item, c in effective
                for later in c.later
            ],
        )
        self._complete(conn, [(item, item.after) for item in items if item.after is not None])

    def _complete(self, conn: Connection, made: list[tuple[_Item, Snapshot]]) -> None:
        """Store the answers of the claims that these writes finish."""
        cut_off = [item.write.settles for item, _ in made if item.write.settles is not None]
        open_claims = idempotency.open_for(conn, cut_off) if cut_off else {}
        answers: list[tuple[Tenant, str, Answer]] = []
        for item, after in made:
            write = item.write
            key, request_id = write.completes, write.request_id
            if key is None and write.settles in open_claims:
                cut_off_claim = open_claims[write.settles]
                key, request_id = cut_off_claim.key, cut_off_claim.request_id
            answer = write.answer(after, request_id or "") if write.answer is not None else None
            if key is not None and answer is not None:
                answers.append((write.tenant, key, answer))
            item.outcome = Written(after, answer)
        idempotency.complete(conn, self._envelope, answers)

    def _events(self, changes: Changes) -> list[NewEvent]:
        refunds = {refund.id: refund for refund in changes.refunds}
        events = []
        for said in changes.said:
            subject: Payment | Refund = changes.payment
            data = self._rendering.payment_event(changes.payment)
            if said.refund_id is not None:
                subject = refunds[said.refund_id]
                data = self._rendering.refund_event(subject)
            events.append(
                NewEvent(
                    id=ids.new_id("event", changes.payment.updated_at),
                    tenant=subject.tenant,
                    type=said.type,
                    object_id=subject.id,
                    object_sequence=subject.version,
                    data=data,
                    created_at=changes.payment.updated_at,
                )
            )
        return events


class _KeyInUse(Refused):
    """A refusal that must not release the claim, which is somebody else's."""


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


def _illegal(outcome: Result | Exception | None) -> bool:
    return isinstance(outcome, Refused) and outcome.code == "illegal_transition"


def _refusal(item: _Item) -> Entry:
    """Say in the trail that somebody asked for a move that the table does not have."""
    return Entry(
        at=clock.now(),
        actor=item.write.actor,
        action="payment.transition_refused",
        object_id=item.write.payment_id,
        detail={"message": item.outcome.message if isinstance(item.outcome, Refused) else ""},
        tenant=item.write.tenant,
        request_id=item.write.request_id,
    )
