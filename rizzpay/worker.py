"""The worker: everything that is not a request. It leases jobs and keeps the periodic tasks.

`HANDLERS` says who does what; there is no other registration. A handler is at-least-once and
opens its own transactions; when it fails, its job comes back later and the failure is logged and
counted. This is one of the two loops of RizzPay that catch everything.
"""

import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import gevent
from gevent.event import Event
from gevent.pool import Pool

from rizzpay.api.views import Renderer
from rizzpay.audit import service as audit
from rizzpay.config import Config
from rizzpay.core import clock
from rizzpay.core.errors import RizzPayError
from rizzpay.gateways import catalog
from rizzpay.gateways.port import BadCallback
from rizzpay.idempotency import service as idempotency
from rizzpay.infra import envelope, jobs, log, metrics, partitions
from rizzpay.infra.database import Database, Role
from rizzpay.infra.hsm.client import HsmClient
from rizzpay.infra.http_client import HttpClient
from rizzpay.infra.jobs import Done, Job, Verdict
from rizzpay.ledger import service as ledger
from rizzpay.payments import resolving
from rizzpay.payments.asking import Asker
from rizzpay.payments.model import Clocks
from rizzpay.payments.resolving import Resolver
from rizzpay.payments.service import Parts as PaymentParts
from rizzpay.payments.service import Payments
from rizzpay.payments.writer import Rendering, Writer
from rizzpay.webhooks import inbound
from rizzpay.webhooks.service import Webhooks

CONCURRENCY = 32
LEASE_S = 120.0  # longer than any handler: a webhook may take its whole time-out
POLL_IDLE_S = 0.2
POLL_BUSY_S = 0.02
BACKOFF_MAX_S = 3600
STOP_PATIENCE_S = 15.0


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


def build(config: Config) -> Parts:
    """Put the worker together; waits for the HSM, without which nothing can be opened."""
    database = Database(config.database, Role.WORKER)
    hsm = HsmClient(config.hsm.socket)
    keys = envelope.load(database, hsm)
    http = HttpClient()
    gateways = catalog.build(config, http)
    renderer = Renderer()
    writer = Writer(
        database,
        keys,
        Rendering(renderer.payment_event, renderer.refund_event),
        clocks(config),
    )
    payments = Payments(
        PaymentParts(
            database=database,
            envelope=keys,
            writer=writer,
            asker=Asker(gateways, config.service.public_url),
            renderer=renderer,
            settings=config.payments,
        )
    )
    return Parts(
        config=config,
        database=database,
        envelope=keys,
        hsm=hsm,
        gateways=gateways,
        webhooks=Webhooks(database, keys, config.webhooks, http),
        resolver=Resolver(payments),
    )


def clocks(config: Config) -> Clocks:
    """Return the clocks that decisions need."""
    return Clocks(
        first_enquiry_s=config.payments.resolve_schedule_s[0],
        authorization_expiry_s=config.payments.authorization_expiry_s,
    )


def apply_callback(parts: Parts, job: Job) -> Verdict:
    """Read a stored callback again with its gateway's keys and apply it."""
    with parts.database.transaction() as conn:
        stored = inbound.load(conn, parts.envelope, int(job.key))
    if stored is None or stored.applied_at is not None:
        return Done()
    gateway = parts.gateways.get(stored.gateway)
    try:
        callback = gateway.connector.read_callback(stored.headers, stored.body, stored.received_at)
    except BadCallback as error:
        result = f"unreadable: {error}"
    else:
        result = parts.resolver.apply_callback(callback)
    with parts.database.transaction() as conn:
        inbound.mark_applied(conn, int(job.key), result, clock.now())
    return Done()


HANDLERS: dict[str, Callable[[Parts, Job], Verdict]] = {
    "attempt.resolve": lambda parts, job: parts.resolver.resolve(job),
    "refund.resolve": lambda parts, job: parts.resolver.resolve(job),
    "refund.send": lambda parts, job: parts.resolver.send_refund(job),
    "payment.expire": lambda parts, job: parts.resolver.expire_payment(job),
    "authorization.expire": lambda parts, job: parts.resolver.expire_authorization(job),
    "callback.apply": apply_callback,
    "webhook.fan_out": lambda parts, job: parts.webhooks.fan_out(job, clock.now()),
    "webhook.deliver": lambda parts, job: parts.webhooks.deliver(job, clock.now()),
}


class Worker:
    """Leases jobs and runs them in greenlets until it is told to stop."""

    def __init__(self, parts: Parts) -> None:
        """Prepare; `run` starts."""
        self.parts = parts
        self._pool = Pool(CONCURRENCY)
        self._stop = Event()
        self._unsigned = 0  # rows that this process sealed since the last checkpoint

    def stop(self) -> None:
        """Finish what runs and lease nothing more."""
        self._stop.set()

    def run(self) -> None:
        """Work until stopped."""
        tasks = [gevent.spawn(self._repeat, *task) for task in self._tasks()]
        log.get(__name__).info("worker.ready", concurrency=CONCURRENCY)
        while not self._stop.is_set():
            try:
                found = self._lease()
            except RizzPayError as error:
                log.get(__name__).warning("worker.lease_failed", error=str(error))
                found = 0
                self._stop.wait(1.0)
            self._stop.wait(POLL_BUSY_S if found else POLL_IDLE_S)
        gevent.killall(tasks)
        self._pool.join(timeout=STOP_PATIENCE_S)
        log.get(__name__).info("worker.stopped")

    def _lease(self) -> int:
        free = self._pool.free_count()
        if free == 0:
            return 1
        with self.parts.database.transaction() as conn:
            leased = jobs.lease(conn, clock.now(), free, LEASE_S)
        for job in leased:
            self._pool.spawn(self._run_one, job)
        return len(leased)

    def _run_one(self, job: Job) -> None:
        try:
            verdict = HANDLERS[job.kind](self.parts, job)
            self._settle(job, verdict)
            metrics.JOBS.labels(job.kind, "done" if isinstance(verdict, Done) else "again").inc()
        except Exception as error:  # noqa: BLE001 - the worker's loop: log, count, try later
            metrics.JOBS.labels(job.kind, "failed").inc()
            log.get(__name__).exception("job.failed", kind=job.kind, key=job.key)
            wait_s = min(2**job.attempts, BACKOFF_MAX_S)
            again = jobs.Again(clock.now() + timedelta(seconds=wait_s), type(error).__name__)
            try:
                self._settle(job, again)
            except RizzPayError:  # the lease runs out by itself
                log.get(__name__).warning("job.not_given_back", kind=job.kind, key=job.key)

    def _settle(self, job: Job, verdict: Verdict) -> None:
        with self.parts.database.transaction() as conn:
            if isinstance(verdict, Done):
                jobs.finish(conn, job)
            else:
                jobs.retry(conn, job, verdict.run_at, verdict.note)

    def _tasks(self) -> list[tuple[float, Callable[[], None]]]:
        settings = self.parts.config
        return [
            (settings.audit.seal_every_s, self._seal),
            (settings.audit.checkpoint_every_s, self._checkpoint),
            (10.0, self._measure),
            (envelope.FRESH_S, self.parts.envelope.reload),
            (300.0, self._prove),
            (3600.0, self._forget),
            (3600.0, self._keep_partitions),
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

    def _seal(self) -> None:
        """Seal what has settled; sign sooner than planned when much was sealed."""
        while sealed := audit.seal(self.parts.database):
            self._unsigned += sealed
            if self._unsigned >= self.parts.config.audit.checkpoint_every_rows:
                self._checkpoint()
            gevent.sleep(0)

    def _checkpoint(self) -> None:
        audit.checkpoint(self.parts.database, self.parts.hsm, clock.now())
        self._unsigned = 0

    def _measure(self) -> None:
        now = clock.now()
        with self.parts.database.transaction() as conn:
            backlog = jobs.backlog(conn, now)
            matters = resolving.open_matters(conn)
        trail = audit.status(self.parts.database, now)
        metrics.backlog(backlog, now)
        metrics.AUDIT_UNSEALED.set(trail.unsealed)
        metrics.AUDIT_UNSEALED_AGE.set(trail.oldest_unsealed_s or 0)
        metrics.OPEN.labels("payments_unknown").set(matters.payments_unknown)
        metrics.OPEN.labels("refunds_unknown").set(matters.refunds_unknown)
        metrics.OPEN.labels("review_cases").set(matters.cases)

    def _prove(self) -> None:
        with self.parts.database.transaction() as conn:
            found = ledger.prove(conn)
        for imbalance in found:
            off = abs(imbalance.posted) + abs(imbalance.pending) + imbalance.drifted_accounts
            metrics.LEDGER_IMBALANCE.labels(imbalance.currency).set(off)

    def _forget(self) -> None:
        keep = timedelta(seconds=self.parts.config.payments.idempotency_keep_s)
        gone = 1
        while gone:
            with self.parts.database.transaction() as conn:
                gone = idempotency.purge(conn, clock.now() - keep)

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
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, worker.stop)
    worker.run()
