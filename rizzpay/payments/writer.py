"""The group-commit writer: the only way that anything about a payment gets written.

Greenlets hand in a `Write` and wait. One greenlet a mode takes all that arrived meanwhile and
does it in one transaction: claim the idempotency keys, lock the payments in order of id, let each
item decide on what it finds there, write everything in sets, commit. Decisions happen under the
lock, so fifty refunds of one payment are decided one after the other on amounts that are true.

The transaction runs in a pipeline: one round trip for what is claimed and locked, one for all that
is written, one for the commit. A refusal is an item's own answer; what happens when the database
refuses a set is said in infra/group_commit.py.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from rizzpay.audit import service as audit
from rizzpay.audit.model import Entry
from rizzpay.core import clock, ids
from rizzpay.core.errors import Refused
from rizzpay.core.tenant import Tenant
from rizzpay.idempotency import service as idempotency
from rizzpay.idempotency.model import (
    Answer,
    InProgress,
    Mismatch,
    OpenClaim,
    Replay,
    Won,
)
from rizzpay.infra.database import Connection, Database
from rizzpay.infra.envelope import Envelope
from rizzpay.infra.group_commit import GroupCommit
from rizzpay.infra.pipeline import Draft
from rizzpay.infra.records import is_of_another_type
from rizzpay.payments import beginnings, decisions, store
from rizzpay.payments.beginnings import Begun, RowType
from rizzpay.payments.model import Changes, Clocks, Context, Snapshot
from rizzpay.payments.qr_codes import receiving
from rizzpay.payments.qr_codes.model import Locked
from rizzpay.payments.recording import record
from rizzpay.payments.rendering import Rendering
from rizzpay.payments.types import Attempt, Payment, Served
from rizzpay.payments.writes import Item, Result, Write, Written
from rizzpay.vault import service as vault
from rizzpay.webhooks import outbox

BATCH_MAX = 128  # payments a transaction; beyond this the gain is small (measured 2026-11-21)

Hear = Callable[[Payment, Attempt], None]


class Writer:
    """Batches writes of each mode and commits them."""

    def __init__(
        self,
        database: Database | Mapping[bool, Database],
        envelope: Envelope,
        rendering: Rendering,
        clocks: Clocks,
        *,
        together: bool = True,
        hear: Hear = lambda *_: None,
    ) -> None:
        """Prepare a group for each mode; `together=False` gives each write its own transaction.

        `hear` is told of each attempt that a commit has changed, with its payment.

        The modes may have databases of their own, by livemode, so that neither waits for the other.
        """
        shared = {True: database, False: database} if isinstance(database, Database) else database
        self._databases: Mapping[bool, Database] = shared
        self._envelope = envelope
        self._rendering = rendering
        self._clocks = clocks
        self._hear = hear
        self._row_types = {mode: RowType(database) for mode, database in shared.items()}
        self._groups: dict[bool, GroupCommit[Write, Result]] = {
            livemode: GroupCommit(
                name, self._write, BATCH_MAX, together=together, may_follow=lambda w: w.begins
            )
            for livemode, name in ((True, "payments.live"), (False, "payments.test"))
        }

    def close(self) -> None:
        """Write what waits, then take nothing more; the database's connections stay open."""
        for group in self._groups.values():
            group.close()

    def submit(self, write: Write) -> Result:
        """Hand in a write and wait for its commit.

        Raises Refused (nothing was written for this item), Unavailable (nothing was written) or
        CommitUnknown (nobody knows; the resolver will).
        """
        return self._groups[write.tenant.livemode].submit(write)

    def submit_all(self, writes: Sequence[Write]) -> list[Result | Exception]:
        """Hand in several writes at once and return what came of each, in order."""
        results: dict[int, Result | Exception] = {}
        for livemode, group in self._groups.items():
            mine = [n for n, write in enumerate(writes) if write.tenant.livemode is livemode]
            if mine:
                done = group.submit_all([writes[number] for number in mine])
                results.update(zip(mine, done, strict=True))
        return [results[number] for number in range(len(writes))]

    def _write(self, writes: list[Write]) -> list[Result | Exception]:
        """Write a set.

        New payments are written in the hope that their keys are new as well: then nothing has to
        be read first. When one is not, the set is done again with the claims made first.
        """
        if _look_new(writes):
            try:
                return self._begin(writes)
            except Exception as error:
                if is_of_another_type(error):
                    self._row_types[writes[0].tenant.livemode].forget()
                elif not (isinstance(error, _Hopeless) or idempotency.is_taken(error)):
                    raise
        return self._settle(writes)

    def _settle(self, writes: list[Write]) -> list[Result | Exception]:
        """Write a set; one whose RRN or reference is another payment's already decides again.

        The unique indexes see that, so that no two sets at once can both pass; a set of several is
        taken apart first (infra/group_commit.py), down to the one item that it is about.
        """
        try:
            return self._transact(writes)
        except Exception as error:
            if len(writes) > 1 or not store.is_reference_taken(error):
                raise
        return self._transact(writes, reference_taken=True)

    def _begin(self, writes: list[Write]) -> list[Result | Exception]:
        """Write new payments; everything is ready before a connection is taken."""
        now, livemode = clock.now(), writes[0].tenant.livemode
        results: list[Result | Exception] = []
        begun: list[Begun] = []
        for write in writes:
            changes, claim = self._begun(write, now), write.claim
            if claim is None or not beginnings.is_plain(changes, claim, write.request_id):
                raise _Hopeless
            after = Snapshot(changes.payment, changes.attempts, ())
            answer = write.answer(after, claim.request_id) if write.answer else None
            results.append(Written(after, answer))
            kept = answer if write.completes == claim.key else None
            begun.append(
                Begun(changes, claim, kept, self._rendering.events(changes)[0], write.actor)
            )
        draft = Draft()
        payers = [one.changes.payer for one in begun if one.changes.payer is not None]
        vault.store(draft, self._envelope, payers)
        beginnings.insert(draft, self._envelope, self._row_types[livemode].number(), begun)
        routed = [(one.changes.attempts[0], one.changes.routed) for one in begun]
        decisions.insert(draft, [(it, record) for it, record in routed if record is not None])
        tenants = {write.tenant.merchant_id: write.tenant for write in writes}
        self._databases[livemode].run(draft, *tenants.values())
        return results

    def _begun(self, write: Write, now: datetime) -> Changes:
        context = Context(now, write.actor, write.request_id, self._clocks, ids.Fresh(now))
        try:
            return write.decide(None, context)
        except Exception as error:
            raise _Hopeless from error

    def _transact(
        self, writes: list[Write], *, reference_taken: bool = False
    ) -> list[Result | Exception]:
        batch = [Item(write) for write in writes]
        database = self._databases[writes[0].tenant.livemode]
        with database.pipelined(*{write.tenant for write in writes}) as conn:
            known = {write.payment_id for write in writes if not write.begins}
            locked = store.lock(conn, known) if known else None
            came_by = [write.came_by for write in writes if write.came_by is not None]
            codes = receiving.lock(conn, came_by) if came_by else dict
            self._claim(conn, batch)
            snapshots = locked.snapshots() if locked is not None else {}
            open_items = [item for item in batch if item.outcome is None]
            self._decide(snapshots, codes(), open_items, reference_taken=reference_taken)
            self._refuse(conn, [item for item in batch if _is_own_refusal(item.outcome)])
            made = [item for item in batch if item.after is not None]
            cut_off = [item.write.settles for item in made if item.write.settles is not None]
            answers = self._answers(idempotency.open_for(conn, cut_off) if cut_off else {}, made)
            record(conn, self._envelope, made)
            idempotency.keep(conn, self._envelope, [(*at, it) for at, it in answers.items()])
            # Last, because it locks what every payment of a merchant needs: his events' counter.
            outbox.send(conn, [event for item in made for event in item.events])
        for item in made:
            if item.changes is not None:
                for attempt in item.changes.attempts:
                    self._hear(item.changes.payment, attempt)
        return [_outcome(item) for item in batch]

    def _refuse(self, conn: Connection, refused: list[Item]) -> None:
        """Give the keys of what was refused back."""
        if refused:
            claims = [item.write.claim for item in refused if item.write.claim is not None]
            idempotency.release(conn, claims)
            audit.append(conn, [_refusal(item) for item in refused if _illegal(item.outcome)])

    def _claim(self, conn: Connection, batch: list[Item]) -> None:
        claiming = [(item, item.write.claim) for item in batch if item.write.claim is not None]
        if not claiming:
            return
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

    def _decide(
        self,
        snapshots: dict[str, Snapshot],
        codes: dict[str, Locked],
        items: list[Item],
        *,
        reference_taken: bool,
    ) -> None:
        """Let every item decide on the payment, and the code, as the items before it left it."""
        now, clocks = clock.now(), self._clocks
        for item in items:
            write, fresh = item.write, ids.Fresh(now)
            actor, request_id = write.actor, write.request_id
            code_id, reference = write.came_by or ("", "")
            code = codes.get(code_id)
            context = Context(now, actor, request_id, clocks, fresh, reference_taken, code)
            item.before = snapshots.get(write.payment_id)
            try:
                item.changes = changes = write.decide(item.before, context)
            except Exception as error:  # noqa: BLE001 - this item's own answer, not its neighbours'
                item.outcome = error
                continue
            before = item.before or Snapshot(changes.payment, (), ())
            item.after = snapshots[write.payment_id] = before.after(changes)
            if code is not None and changes.code is not None:
                codes[code_id] = code.knowing(changes.code, reference)

    def _answers(
        self, open_claims: Mapping[str, OpenClaim], made: list[Item]
    ) -> dict[tuple[Tenant, str], Answer]:
        """Return the answers of the claims that these writes finish, by tenant and key.

        An item's events are written beside its answer, because the two often say the same.
        """
        answers: dict[tuple[Tenant, str], Answer] = {}
        for item in made:
            write, after = item.write, item.after
            if after is None:
                continue
            key, request_id = write.completes, write.request_id
            cut_off = open_claims.get(write.settles or "")
            if key is None and cut_off is not None:
                key, request_id = cut_off.key, cut_off.request_id
            wanted = key is not None or write.settles is None
            answer = write.answer(after, request_id or "") if write.answer and wanted else None
            if key is not None and answer is not None:
                answers.setdefault((write.tenant, key), answer)
            item.outcome = Written(after, answer)
            if item.changes is not None:
                item.events = self._rendering.events(item.changes)
        return answers


def _look_new(writes: Sequence[Write]) -> bool:
    """Tell whether these are new payments only, whose keys are all different."""
    if not all(write.begins for write in writes):
        return False
    claims = [write.claim for write in writes if write.claim is not None]
    return len({(claim.tenant.merchant_id, claim.key) for claim in claims}) == len(claims)


class _Hopeless(Exception):
    """Something of a hopeful set was refused; its keys have to be looked at first."""


class _KeyInUse(Refused):
    """A refusal that must not release the claim, which is somebody else's."""


def _is_own_refusal(outcome: Result | Exception | None) -> bool:
    return isinstance(outcome, Exception) and not isinstance(outcome, _KeyInUse)


def _outcome(item: Item) -> Result | Exception:
    if item.outcome is None:
        return RuntimeError("a write without an outcome")
    return item.outcome


def _illegal(outcome: Result | Exception | None) -> bool:
    return isinstance(outcome, Refused) and outcome.code == "illegal_transition"


def _refusal(item: Item) -> Entry:
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
