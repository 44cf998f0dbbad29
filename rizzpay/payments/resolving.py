"""What becomes of payments when nobody is waiting: enquiries, expiry, callbacks, late refunds.

The worker calls these with a job each; `sync` is the same enquiry on a merchant's demand. All of
them write through the writer, under the same row lock as the API, so a resolver and a client
never decide on different truths. An outcome that stays unknown is asked about by a schedule and
then handed to a person; no timer ever turns it into a failure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import gevent

from rizzpay.core import clock, ids
from rizzpay.core.tenant import Tenant
from rizzpay.gateways.port import (
    Absent,
    ActionRequired,
    Callback,
    Declined,
    EnquiryOutcome,
    NotSent,
    Processing,
    Unknown,
)
from rizzpay.idempotency import service as idempotency
from rizzpay.idempotency.model import Answer
from rizzpay.infra.jobs import Again, Done, Job, Verdict
from rizzpay.payments import authorizing, capturing, refunding, store
from rizzpay.payments.capturing import EXPIRED_NOTE
from rizzpay.payments.model import OPEN_ATTEMPT, OPEN_REFUND, Changes, Context, Snapshot
from rizzpay.payments.qr_codes import receiving as qr_codes
from rizzpay.payments.service import Payments, on_existing
from rizzpay.payments.states import AttemptStatus, Status
from rizzpay.payments.types import Attempt, AttemptKind, Payer, SyncResult
from rizzpay.payments.writes import Decide, Write, Written
from rizzpay.vault import service as vault

REFUND_PREFIX = "rfnd_"
VOID_AGAIN_S = 21_600  # a hold that its gateway will not release now; some do so by themselves
ASK_AGAIN_S = 30  # after an enquiry that did not reach the gateway
MAY_BE_HELD = capturing.HELD | {Status.UNKNOWN}  # a void or capture that was lost sight of
FINAL_PATIENCE_S = 86_400  # between enquiries once a person has the case


@dataclass(frozen=True, slots=True)
class Found:
    """A payment with everything about it, and its payer."""

    snapshot: Snapshot
    payer: Payer | None


@dataclass(frozen=True, slots=True)
class Told:
    """A callback that we keep: its number, and the gateway that it is of."""

    number: int
    gateway: str
    callback: Callback


@dataclass(frozen=True, slots=True)
class UnknownObject:
    """A callback about something that we never asked for."""


Applied = Done | UnknownObject | Exception


class Resolver:
    """Learns outcomes and writes them down."""

    def __init__(self, payments: Payments) -> None:
        """Share the parts of the payments service."""
        self.parts = payments.parts

    # Jobs

    def resolve(self, job: Job) -> Verdict:
        """Ask what became of the attempt or refund `job.key`; by the schedule, then a person."""
        found = self._find(job.key)
        if found is None or not self._is_open(found.snapshot, job.key):
            return Done()
        outcome = self.parts.asker.enquire(found.snapshot, job.key)
        if _settles(outcome):
            self._conclude(found, job.key, outcome)
            return Done()
        self._keep_asking(found, job, outcome)
        schedule = self.parts.settings.resolve_schedule_s
        wait_s = schedule[job.attempts] if job.attempts < len(schedule) else FINAL_PATIENCE_S
        return Again(clock.now() + timedelta(seconds=wait_s), type(outcome).__name__)

    def send_refund(self, job: Job) -> Verdict:
        """Send a refund that we owe by ourselves: money that came too late."""
        found = self._find(job.key)
        if found is None or not self._is_open(found.snapshot, job.key):
            return Done()
        payment, refund = found.snapshot.payment, found.snapshot.refund(job.key)
        outcome = self.parts.asker.refund(payment, refund)
        if isinstance(outcome, NotSent):
            return Again(clock.now() + timedelta(seconds=ASK_AGAIN_S), "not sent")
        self._conclude(found, job.key, outcome)
        return Done()

    def expire_payment(self, job: Job) -> Verdict:
        """End a payment that waits for its customer; the gateway is asked once more before."""
        found = self._find_payment(job.key, job.tenant)
        if found is None or found.snapshot.payment.status is not Status.REQUIRES_ACTION:
            return Done()
        attempt = _asked(found.snapshot)
        if attempt is not None:
            outcome = self.parts.asker.enquire(found.snapshot, attempt.id)
            if isinstance(outcome, Unknown | NotSent):
                return Again(clock.now() + timedelta(seconds=ASK_AGAIN_S), "no answer")
            if not isinstance(outcome, ActionRequired | Processing | Absent):
                self._conclude(found, attempt.id, outcome)
                return Done()
        self._write(found, job.key, on_existing(authorizing.expire), None)
        return Done()

    def expire_authorization(self, job: Job) -> Verdict:
        """Release a hold that has run out."""
        found = self._find_payment(job.key, job.tenant)
        if found is None or found.snapshot.payment.status not in MAY_BE_HELD:
            return Done()
        payment = found.snapshot.payment
        if payment.status is Status.UNKNOWN:
            return Again(clock.now() + timedelta(seconds=ASK_AGAIN_S), "an outcome is open")
        if payment.closing_attempt_id or payment.amount_capture_pending:
            return Again(clock.now() + timedelta(seconds=ASK_AGAIN_S), "a request is under way")
        void_id = ids.new_id("attempt", clock.now())
        written = self._write(
            found,
            void_id,
            on_existing(
                lambda snapshot, context: capturing.begin_void(
                    snapshot, void_id, EXPIRED_NOTE, context
                )
            ),
            None,
        )
        outcome = self.parts.asker.operate(written.after.payment, written.after.attempt(void_id))
        after = self._conclude(Found(written.after, found.payer), void_id, outcome)
        if after.payment.status not in MAY_BE_HELD:
            return Done()
        wait_s = VOID_AGAIN_S if isinstance(outcome, Declined) else ASK_AGAIN_S
        return Again(clock.now() + timedelta(seconds=wait_s), "still held")

    # Callbacks and demand

    def apply_callbacks(self, callbacks: Sequence[Told]) -> list[Applied]:
        """Apply verified callbacks in one group; returns what came of each, in order.

        That is Done (which was noted in the transaction that applied it), UnknownObject, or the
        exception that this callback alone met. A gateway is believed about its own objects only.
        """
        named = [told.callback.attempt_id for told in callbacks]
        with self.parts.database.pipelined() as conn:
            codes = qr_codes.owners(conn, named)
            owners = store.owners_of(conn, named)()
            payments = [owner.payment_id for owner in owners.values()]
            asked = idempotency.ask_open(conn, [*named, *payments])
        waiting = asked()
        results: list[Applied] = [UnknownObject()] * len(callbacks)
        writes: dict[int, Write] = {}
        for place, told in enumerate(callbacks):
            named_id = told.callback.attempt_id
            owner, code = owners.get(named_id), codes.get(named_id)
            if code is not None and code.gateway == told.gateway:
                writes[place] = qr_codes.write(code, told.number, told.callback)
            elif owner is None or owner.gateway != told.gateway:
                continue
            elif named_id in waiting or owner.payment_id in waiting:
                results[place] = self._apply_and_answer(told.number, told.callback)
            else:
                writes[place] = _write(owner, told.number, told.callback)
        for place, result in zip(
            writes, self.parts.writer.submit_all(list(writes.values())), strict=True
        ):
            results[place] = result if isinstance(result, Exception) else Done()
        return results

    def _apply_and_answer(self, number: int, callback: Callback) -> Applied:
        """Apply a callback about a request that was cut off: its answer is written as well."""
        try:
            found = self._find(callback.attempt_id)
            if found is None:
                return UnknownObject()
            self._conclude(found, callback.attempt_id, callback.outcome, callback=number)
        except Exception as error:  # noqa: BLE001 - this callback's own result
            return error
        return Done()

    def sync(self, tenant: Tenant, payment_id: str) -> SyncResult:
        """Ask the gateway now about everything that is open of a payment, `sync_max_s` at most.

        An answer that comes later is dropped; the job asks again.
        """
        found = self._find_payment(payment_id, tenant)
        asked = _open_ids(found.snapshot) if found is not None else []
        if found is None or not asked:
            return SyncResult("settled", clock.now())
        waits = _waits_for_customer(found.snapshot)
        asking = {
            name: gevent.spawn(
                self.parts.asker.enquire, found.snapshot, name, invited=name in waits
            )
            for name in asked
        }
        gevent.joinall(list(asking.values()), timeout=self.parts.settings.sync_max_s)
        told = {name: greenlet.value for name, greenlet in asking.items() if greenlet.value}
        settled = {name: outcome for name, outcome in told.items() if _settles(outcome)}
        for name, outcome in settled.items():
            self._conclude(found, name, outcome)
        return SyncResult("resolved" if len(settled) == len(asked) else "open", clock.now())

    # Inside

    def _find(self, object_id: str) -> Found | None:
        with self.parts.database.transaction() as conn:
            owner = store.owners_of(conn, [object_id])().get(object_id)
        return self._find_payment(owner.payment_id, owner.tenant) if owner else None

    def _find_payment(self, payment_id: str, tenant: Tenant | None) -> Found | None:
        with self.parts.database.transaction(*([tenant] if tenant else [])) as conn:
            snapshot = store.read(conn, payment_id)
            if snapshot is None:
                return None
            payer_id = snapshot.payment.payer_id
            payers = vault.load(conn, self.parts.envelope, [payer_id] if payer_id else [])
        return Found(snapshot, payers.get(payer_id or ""))

    def _is_open(self, snapshot: Snapshot, object_id: str) -> bool:
        if object_id.startswith(REFUND_PREFIX):
            return snapshot.refund(object_id).status in OPEN_REFUND
        return snapshot.attempt(object_id).status in OPEN_ATTEMPT

    def _keep_asking(self, found: Found, job: Job, outcome: EnquiryOutcome) -> None:
        """Write that we still do not know; the last enquiry of the schedule opens a case."""
        last = job.attempts == len(self.parts.settings.resolve_schedule_s)
        self._conclude(found, job.key, _not_told(outcome), reschedule=False)
        count = (
            refunding.note_enquiry
            if job.key.startswith(REFUND_PREFIX)
            else authorizing.note_enquiry
        )
        self._write(
            found,
            job.key,
            on_existing(
                lambda snapshot, context: count(snapshot, job.key, last=last, context=context)
            ),
            None,
        )

    def _conclude(
        self,
        found: Found,
        object_id: str,
        outcome: EnquiryOutcome,
        *,
        reschedule: bool = True,
        callback: int | None = None,
    ) -> Snapshot:
        decide = _Conclusion(object_id, outcome)

        def decided(snapshot: Snapshot, context: Context) -> Changes:
            changes = decide(snapshot, context)
            return changes if reschedule else _without_jobs(changes)

        return self._write(found, object_id, on_existing(decided), object_id, callback).after

    def _write(
        self,
        found: Found,
        object_id: str,
        decide: Decide,
        settles: str | None,
        callback: int | None = None,
    ) -> Written:
        payment = found.snapshot.payment
        written = self.parts.writer.submit(
            Write(
                tenant=payment.tenant,
                payment_id=payment.id,
                decide=decide,
                actor=f"gateway:{payment.gateway}",
                settles=_claimed_object(found.snapshot, settles),
                answer=lambda after, request_id: (
                    self._answer(found, after, object_id, request_id) if settles else None
                ),
                callback=callback,
            )
        )
        if not isinstance(written, Written):
            raise TypeError("a write without a claim is never a replay")
        return written

    def _answer(
        self, found: Found, after: Snapshot, object_id: str, request_id: str
    ) -> Answer | None:
        """Say what the cut-off request would have been told, once that is known."""
        renderer = self.parts.renderer
        if object_id.startswith(REFUND_PREFIX):
            return renderer.refund_answer(after.refund(object_id), request_id)
        attempt = after.attempt(object_id)
        match attempt.kind:
            case AttemptKind.AUTHORIZE:
                return renderer.payment_answer(after.payment, found.payer, request_id)
            case AttemptKind.CAPTURE:
                return renderer.capture_answer(after.payment, found.payer, attempt, request_id)
            case AttemptKind.VOID:
                return renderer.cancel_answer(after.payment, found.payer, attempt, request_id)


def _settles(outcome: EnquiryOutcome) -> bool:
    return not isinstance(outcome, Unknown | NotSent | Processing)


def _not_told(outcome: EnquiryOutcome) -> EnquiryOutcome:
    """An enquiry that failed is no news about the attempt: it stays, or becomes, unknown."""
    if isinstance(outcome, Processing):
        return outcome
    return Unknown("the gateway did not answer the enquiry")


def _without_jobs(changes: Changes) -> Changes:
    """Leave out the jobs: the running one decides when it asks again."""
    return Changes(
        payment=changes.payment,
        action=changes.action,
        note=changes.note,
        attempts=changes.attempts,
        refunds=changes.refunds,
        transfers=changes.transfers,
        said=changes.said,
        cases=changes.cases,
    )


@dataclass(frozen=True, slots=True)
class _Conclusion:
    """The decision that fits the object: refund, authorization, capture or void."""

    object_id: str
    outcome: EnquiryOutcome

    def __call__(self, snapshot: Snapshot, context: Context) -> Changes:
        if self.object_id.startswith(REFUND_PREFIX):
            return refunding.conclude(snapshot, self.object_id, self.outcome, context)
        match snapshot.attempt(self.object_id).kind:
            case AttemptKind.AUTHORIZE:
                return authorizing.conclude(snapshot, self.object_id, self.outcome, context)
            case AttemptKind.CAPTURE | AttemptKind.VOID:
                return capturing.conclude(snapshot, self.object_id, self.outcome, context)


def _write(owner: store.Owner, number: int, callback: Callback) -> Write:
    return Write(
        tenant=owner.tenant,
        payment_id=owner.payment_id,
        decide=on_existing(_Conclusion(callback.attempt_id, callback.outcome)),
        actor=f"gateway:{owner.gateway}",
        callback=number,
    )


def _claimed_object(snapshot: Snapshot, settles: str | None) -> str | None:
    """Return the object that the claim names: a payment is claimed, its first attempt is not."""
    if settles is None or settles.startswith(REFUND_PREFIX):
        return settles
    attempt = snapshot.attempt(settles)
    return snapshot.payment.id if attempt.kind is AttemptKind.AUTHORIZE else settles


def _asked(snapshot: Snapshot) -> Attempt | None:
    for attempt in snapshot.attempts:
        if attempt.kind is AttemptKind.AUTHORIZE and attempt.status in OPEN_ATTEMPT:
            return attempt
    return None


def _waits_for_customer(snapshot: Snapshot) -> frozenset[str]:
    """Return the attempts that the customer may still pay: the gateway must not close them."""
    waiting = AttemptStatus.REQUIRES_ACTION
    return frozenset(attempt.id for attempt in snapshot.attempts if attempt.status is waiting)


def _open_ids(snapshot: Snapshot) -> list[str]:
    attempts = [attempt.id for attempt in snapshot.attempts if attempt.status in OPEN_ATTEMPT]
    refunds = [refund.id for refund in snapshot.refunds if refund.status in OPEN_REFUND]
    return attempts + refunds
