"""The worker: everything that is not a request. It does jobs and keeps the periodic tasks.

`HANDLERS` and `BATCH_HANDLERS` say who does what, one job or a set at a time; there is no other
registration. Both are at-least-once and open their own transactions; infra.job_loop leases the
jobs and takes the verdicts. Any number of workers may run side by side.
"""

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import gevent

from rizzpay.api.views import Renderer
from rizzpay.audit import service as audit
from rizzpay.config import Config
from rizzpay.core import clock
from rizzpay.core.errors import Unavailable
from rizzpay.gateways import catalog
from rizzpay.gateways.port import BadCallback, Callback
from rizzpay.gateways.router import SHARE_EVERY_S
from rizzpay.idempotency import service as idempotency
from rizzpay.infra import collector, envelope, jobs, log, metrics, partitions, service_manager
from rizzpay.infra.database import Database, Role
from rizzpay.infra.hsm.client import HsmClient
from rizzpay.infra.http_client import HttpClient
from rizzpay.infra.job_loop import CONCURRENCY, JobLoop
from rizzpay.infra.jobs import Done, Job, Verdict
from rizzpay.infra.pipeline import Draft
from rizzpay.ledger import service as ledger
from rizzpay.payments.assembly import assemble
from rizzpay.payments.expiry import Sweep
from rizzpay.payments.qr_codes.service import QrCodes, queue_over
from rizzpay.payments.resolving import Resolver, Told, UnknownObject
from rizzpay.payments.review import desk
from rizzpay.webhooks import inbound
from rizzpay.webhooks.service import Webhooks

EXPIRE_EVERY_S = 1.0
CALLBACKS_AT_ONCE = 256  # of all leased sets, read and applied at a stretch
PROVE_EVERY_S = 300.0
PROVE_SHARE = 100  # a proof of a minute is made every hundred minutes


@dataclass(frozen=True, slots=True)
class Parts:
    """What handlers and tasks work with."""

    config: Config
    database: Database
    envelope: envelope.Envelope
    hsm: HsmClient
    gateways: catalog.Gateways
    webhooks: Webhooks
    resolver: Resolver

    @property
    def qr_codes(self) -> QrCodes:
        """Return the door to QR codes."""
        return QrCodes(self.resolver.parts, self.hsm)


def build(config: Config) -> Parts:
    """Put the worker together; waits for the HSM, without which nothing can be opened."""
    database = Database(config.database, Role.WORKER)
    hsm = HsmClient(config.hsm.socket)
    keys = envelope.load(database, hsm)
    http = HttpClient()
    gateways = catalog.build(config, http)
    payments = assemble(config, database, keys, gateways, Renderer())
    return Parts(
        config=config,
        database=database,
        envelope=keys,
        hsm=hsm,
        gateways=gateways,
        webhooks=Webhooks(database, keys, config.webhooks, http),
        resolver=Resolver(payments),
    )


@dataclass(frozen=True, slots=True)
class _Over:
    """A callback that says nothing to us: why, or nothing when that was noted before."""

    why: str | None


def apply_callbacks(parts: Parts, leased: list[Job]) -> list[Done | Exception]:
    """Read stored callbacks again with their gateways' keys, and apply them.

    Each is noted in the transaction that applies it, so that a job which is done again does
    nothing twice. What one of a set's callbacks meets is the matter of a job of its own.
    """
    wanted = {job.id: inbound.numbers(job) for job in leased}
    ordered = sorted({number for numbers in wanted.values() for number in numbers})
    failed: dict[int, Exception] = {}
    for start in range(0, len(ordered), CALLBACKS_AT_ONCE):
        failed |= _apply(parts, ordered[start : start + CALLBACKS_AT_ONCE])
    alone = [
        number
        for job in leased
        if job.kind == inbound.APPLY_SET
        for number in wanted[job.id]
        if number in failed
    ]
    if alone:
        with parts.database.transaction() as conn:
            jobs.enqueue(conn, inbound.apart(alone, clock.now()))
    return [
        failed.get(int(job.key), Done()) if job.kind == inbound.APPLY_ONE else Done()
        for job in leased
    ]


def _apply(parts: Parts, numbers: Sequence[int]) -> dict[int, Exception]:
    """Apply some callbacks, by number; returns what those met that were not applied."""
    draft = Draft()
    asked = inbound.load_all(draft, parts.envelope, numbers)
    parts.database.run(draft)
    kept = asked()
    read = {number: _read(parts, kept.get(number)) for number in numbers}
    readable = [
        Told(number, stored.gateway, it)
        for number, it in read.items()
        if isinstance(it, Callback) and isinstance(stored := kept[number], inbound.StoredCallback)
    ]
    applied = parts.resolver.apply_callbacks(readable)
    met = read | dict(zip((told.number for told in readable), applied, strict=True))
    if over := {number: why for number, it in met.items() if (why := _why_over(it)) is not None}:
        draft = Draft()
        inbound.note(draft, over, clock.now())
        parts.database.run(draft)
    return {number: it for number, it in met.items() if isinstance(it, Exception)}


def _why_over(met: object) -> str | None:
    """Return what is to be noted of a callback that says nothing to us."""
    if isinstance(met, UnknownObject):
        return "unknown_object"
    return met.why if isinstance(met, _Over) else None


def _read(
    parts: Parts, stored: inbound.StoredCallback | Exception | None
) -> Callback | _Over | Exception:
    if isinstance(stored, Exception):
        return stored
    if stored is None or stored.applied_at is not None:
        return _Over(None)
    try:
        connector = parts.gateways.get(stored.gateway).connector
        return connector.read_callback(stored.headers, stored.body, stored.received_at)
    except BadCallback as error:
        return _Over(f"unreadable: {error}")
    except Exception as error:  # noqa: BLE001 - not its neighbours' matter
        return error


HANDLERS: dict[str, Callable[[Parts, Job], Verdict]] = {
    "attempt.resolve": lambda parts, job: parts.resolver.resolve(job),
    "refund.resolve": lambda parts, job: parts.resolver.resolve(job),
    "refund.send": lambda parts, job: parts.resolver.send_refund(job),
    "payment.expire": lambda parts, job: parts.resolver.expire_payment(job),
    "qr_code.expire": lambda parts, job: parts.qr_codes.expire(job),
    "authorization.expire": lambda parts, job: parts.resolver.expire_authorization(job),
    "webhook.deliver": lambda parts, job: parts.webhooks.deliver(job, clock.now()),
}
BATCH_HANDLERS: dict[str, Callable[[Parts, list[Job]], Sequence[Verdict | Exception]]] = {
    inbound.APPLY_ONE: apply_callbacks,
    inbound.APPLY_SET: apply_callbacks,
    "webhook.fan_out": lambda parts, leased: parts.webhooks.fan_out_all(leased, clock.now()),
}


class Worker:
    """Does jobs and keeps the periodic tasks until it is told to stop."""

    def __init__(self, parts: Parts) -> None:
        """Prepare; `run` starts."""
        self.parts = parts
        self._loop = JobLoop(
            parts.database,
            {kind: partial(handle, parts) for kind, handle in HANDLERS.items()},
            {kind: partial(handle, parts) for kind, handle in BATCH_HANDLERS.items()},
        )
        self._sweeps = [Sweep(parts.database), Sweep(parts.database, queue_over)]
        self._unsigned = 0  # rows that this process sealed since the last checkpoint
        self._prove_at_s = 0.0

    def stop(self) -> None:
        """Finish what runs and lease nothing more."""
        self._loop.stop()

    def run(self) -> None:
        """Work until stopped."""
        tasks = [gevent.spawn(self._repeat, *task) for task in self._tasks()]
        service_manager.tell("READY=1")
        log.get(__name__).info("worker.ready", concurrency=CONCURRENCY)
        self._loop.run()
        gevent.killall(tasks)
        log.get(__name__).info("worker.stopped")

    def _tasks(self) -> list[tuple[float, Callable[[], None]]]:
        settings, router = self.parts.config, self.parts.resolver.parts.router
        sign_every_s = service_manager.alive_every_s()
        return [
            (settings.audit.seal_every_s, self._seal),
            (settings.audit.checkpoint_every_s, self._checkpoint),
            (EXPIRE_EVERY_S, self._expire),
            (SHARE_EVERY_S, router.refresh),
            (SHARE_EVERY_S, router.health.move),
            (1.0, metrics.publish),
            (10.0, self._measure),
            (envelope.FRESH_S, self.parts.envelope.reload),
            (PROVE_EVERY_S, self._prove),
            (3600.0, self._forget),
            (3600.0, self._keep_partitions),
            (3600.0, router.health.forget),
            *(
                [(sign_every_s, partial(service_manager.tell, "WATCHDOG=1"))]
                if sign_every_s
                else []
            ),
        ]

    def _repeat(self, every_s: float, task: Callable[[], None]) -> None:
        while True:
            try:
                task()
            except Exception as error:  # noqa: BLE001 - a task that failed is tried again
                log.get(__name__).warning(
                    "task.failed", task=task.__name__, error=type(error).__name__
                )
            gevent.sleep(every_s)

    def _expire(self) -> None:
        for sweep in self._sweeps:
            sweep.queue_expired()

    def _seal(self) -> None:
        """Seal what has settled; sign sooner than planned when much was sealed."""
        while sealed := audit.seal(self.parts.database, rest=gevent.sleep):
            self._unsigned += sealed
            if self._unsigned >= self.parts.config.audit.checkpoint_every_rows:
                self._checkpoint()
            gevent.sleep(0)

    def _checkpoint(self) -> None:
        audit.checkpoint(self.parts.database, self.parts.hsm, clock.now())
        self._unsigned = 0

    def _measure(self) -> None:
        now = clock.now()
        metrics.HSM_READY.set(self._hsm_ready())
        with self.parts.database.transaction() as conn:
            backlog = jobs.backlog(conn, [*HANDLERS, *BATCH_HANDLERS], now)
            lag = inbound.lag(conn, now)
            matters = desk.count(conn)
        trail = audit.status(self.parts.database, now)
        metrics.backlog(backlog, now)
        metrics.CALLBACKS_WAITING.set(lag.waiting)
        metrics.CALLBACK_LAG.set(lag.oldest_s)
        metrics.AUDIT_UNSEALED.set(trail.unsealed)
        metrics.AUDIT_UNSEALED_AGE.set(trail.oldest_unsealed_s or 0)
        metrics.OPEN.labels("payments_unknown").set(matters.payments_unknown)
        metrics.OPEN.labels("refunds_unknown").set(matters.refunds_unknown)
        metrics.OPEN.labels("review_cases").set(matters.cases)

    def _hsm_ready(self) -> bool:
        try:
            return self.parts.hsm.status().ready
        except Unavailable:
            return False

    def _prove(self) -> None:
        """Prove the ledger, which reads all of it: at most one part in PROVE_SHARE of the time."""
        began_s = clock.monotonic_s()
        if began_s < self._prove_at_s:
            return
        with self.parts.database.transaction() as conn:
            found = ledger.prove(conn)
        for imbalance in found:
            off = abs(imbalance.posted) + abs(imbalance.pending) + imbalance.drifted_accounts
            metrics.LEDGER_IMBALANCE.labels(imbalance.currency).set(off)
        now_s = clock.monotonic_s()
        self._prove_at_s = now_s + PROVE_SHARE * (now_s - began_s)

    def _forget(self) -> None:
        keep = timedelta(seconds=self.parts.config.payments.idempotency_keep_s)
        gone = 1
        while gone:
            with self.parts.database.transaction() as conn:
                gone = idempotency.purge(conn, clock.now() - keep)
        keep = timedelta(days=self.parts.config.retention.callbacks_days)
        gone = 1
        while gone:
            with self.parts.database.transaction() as conn:
                gone = inbound.purge(conn, clock.now() - keep)

    def _keep_partitions(self) -> None:
        now = clock.now()
        partitions.keep(self.parts.database, now, self.parts.config.retention)
        with self.parts.database.transaction() as conn:
            found = partitions.partitions(conn)
        partitions.publish(found, now)


def run(config: Config) -> None:
    """Build the worker, run it until SIGTERM or SIGINT."""
    Path(config.service.run_dir).mkdir(mode=0o700, parents=True, exist_ok=True)
    worker = Worker(build(config))
    collector.settle()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, worker.stop)
    worker.run()
