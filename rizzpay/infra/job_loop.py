"""The loop that leases jobs, has them done and takes their verdicts. It knows no kind of job.

A kind has either a handler, which does one job in a greenlet of its own, or a batch handler, which
does a set: each kind is asked for as many jobs as can begin at once. Verdicts that come together
are written together. Handlers are at-least-once and open their own transactions; when one fails,
its job comes back later, by itself, and the failure is logged and counted; a set that fails is
halved until what is bad stands alone. This is one of the loops of RizzPay that catch everything.

Several processes may run it side by side: a lease passes over what another one is taking.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import gevent
from gevent.event import Event
from gevent.pool import Pool

from rizzpay.core import clock
from rizzpay.core.errors import RizzPayError
from rizzpay.infra import jobs, log, metrics
from rizzpay.infra.database import Database, Severed
from rizzpay.infra.group_commit import GroupCommit, apart
from rizzpay.infra.jobs import Again, Done, Job, Verdict
from rizzpay.infra.pipeline import Draft

CONCURRENCY = 32  # jobs at once that have a handler of their own
BATCH_MAX = 128  # jobs of a batch
BATCHES_AT_ONCE = 2  # of a kind: one waits for the database while the other one computes
VERDICTS_MAX = 256  # verdicts a transaction
LEASE_S = 120.0  # longer than any handler: a webhook may take its whole time-out
POLL_IDLE_S = 0.1
POLL_BUSY_S = 0.04  # a set of what comes meanwhile costs little more than one job
LATE_S = 2.0  # a job may become visible that long after it was due
SWEEP_EVERY_S = 5.0  # between looks at everything that is due: leases that ran out, odd clocks
PAUSE_S = 1.0  # after a lease that failed
BACKOFF_MAX_S = 3600
STOP_PATIENCE_S = 15.0

Handle = Callable[[Job], Verdict]
HandleSet = Callable[[list[Job]], Sequence[Verdict | Exception]]


class JobLoop:
    """Leases jobs and has them done until it is told to stop."""

    def __init__(
        self,
        database: Database,
        handlers: Mapping[str, Handle],
        batch_handlers: Mapping[str, HandleSet],
    ) -> None:
        """Prepare; `run` starts. No kind is in both tables."""
        self._database = database
        self._handlers = handlers
        self._batch_handlers = batch_handlers
        self._turns = deque(handlers)  # whose turn it is when there are few places
        self._pool = Pool(CONCURRENCY)
        self._batches = {kind: Pool(BATCHES_AT_ONCE) for kind in batch_handlers}
        self._settling: GroupCommit[tuple[Job, Verdict], None] = GroupCommit(
            "verdicts", self._settle, VERDICTS_MAX
        )
        self._since: dict[str, datetime] = {}  # what was due before has been leased
        self._sweep_s = 0.0
        self._stop = Event()
        self._room = Event()  # something has ended

    def stop(self) -> None:
        """Finish what runs and lease nothing more."""
        self._stop.set()
        self._room.set()

    def run(self) -> None:
        """Work until stopped."""
        while not self._stop.is_set():
            self._room.clear()
            limits = self._limits()
            try:
                found = self._lease(limits) if limits else {}
            except Severed:  # the server was started again; the next connection may be better
                continue
            except RizzPayError as error:
                log.get(__name__).warning("worker.lease_failed", error=str(error))
                self._stop.wait(PAUSE_S)
                continue
            if any(count >= limits[kind] for kind, count in found.items()):
                gevent.sleep(0)  # there is more: what was leased begins, then ask again
            elif len(limits) < len(self._handlers) + len(self._batches):
                self._room.wait(POLL_BUSY_S)  # until somebody has room again
            else:
                self._stop.wait(POLL_BUSY_S if found else POLL_IDLE_S)
        self._finish()

    def _finish(self) -> None:
        """Wait for what runs, but not for ever; a lease that is not given back runs out."""
        end_s = clock.monotonic_s() + STOP_PATIENCE_S
        for pool in (self._pool, *self._batches.values()):
            pool.join(timeout=max(0.0, end_s - clock.monotonic_s()))
        self._settling.close()

    def _limits(self) -> dict[str, int]:
        """Return how many jobs of each kind can begin now; kinds without room are left out."""
        limits = {kind: BATCH_MAX for kind, pool in self._batches.items() if pool.free_count()}
        free = self._pool.free_count()
        self._turns.rotate(1)
        asked = list(self._turns)[:free]
        limits |= dict.fromkeys(asked, free // len(asked) if asked else 0)
        return limits

    def _lease(self, limits: Mapping[str, int]) -> dict[str, int]:
        """Lease and begin; returns how many jobs of each kind were found."""
        now = clock.now()
        if clock.monotonic_s() >= self._sweep_s:
            self._sweep_s = clock.monotonic_s() + SWEEP_EVERY_S
            self._since.clear()
        draft = Draft()
        asked = jobs.ask(draft, now, limits, LEASE_S, self._since)
        self._database.run(draft)
        leased = jobs.leased(asked)
        sets: dict[str, list[Job]] = {kind: [] for kind in limits}
        for job in leased:
            sets[job.kind].append(job)
        for kind, found in sets.items():
            reached = max(job.run_at for job in found) if len(found) >= limits[kind] else now
            self._since[kind] = reached - timedelta(seconds=LATE_S)
            if kind not in self._batches:
                for job in found:
                    self._pool.spawn(self._run_one, job)
            elif found:
                self._batches[kind].spawn(self._run_set, kind, found)
        return {kind: len(found) for kind, found in sets.items() if found}

    def _run_one(self, job: Job) -> None:
        try:
            verdict = self._handlers[job.kind](job)
        except Exception as error:  # noqa: BLE001 - the worker's loop: log, count, try later
            verdict = _failed(job, error)
        else:
            _count(job.kind, [verdict])
        self._give_back([(job, verdict)])
        self._room.set()

    def _run_set(self, kind: str, leased: list[Job]) -> None:
        handle: HandleSet = self._batch_handlers[kind]
        results: Sequence[Verdict | Exception] = apart(handle, leased)
        _count(kind, [result for result in results if not isinstance(result, Exception)])
        self._give_back(
            [
                (job, _failed(job, result) if isinstance(result, Exception) else result)
                for job, result in zip(leased, results, strict=True)
            ]
        )
        self._room.set()

    def _give_back(self, verdicts: list[tuple[Job, Verdict]]) -> None:
        results = self._settling.submit_all(verdicts)
        for (job, _), result in zip(verdicts, results, strict=True):
            if isinstance(result, Exception):  # the lease runs out by itself
                error = type(result).__name__
                log.get(__name__).warning(
                    "job.not_given_back", kind=job.kind, key=job.key, error=error
                )

    def _settle(self, verdicts: list[tuple[Job, Verdict]]) -> list[None]:
        draft = Draft()
        jobs.drop(draft, [job for job, verdict in verdicts if isinstance(verdict, Done)])
        jobs.give_back(
            draft, [(job, verdict) for job, verdict in verdicts if isinstance(verdict, Again)]
        )
        self._database.run(draft)
        return [None] * len(verdicts)


def _failed(job: Job, error: Exception) -> Again:
    """Log and count a failure; the job is tried again later, ever more seldom."""
    metrics.JOBS.labels(job.kind, "failed").inc()
    log.get(__name__).error("job.failed", kind=job.kind, key=job.key, exc_info=error)
    wait_s = min(2**job.attempts, BACKOFF_MAX_S)
    return Again(clock.now() + timedelta(seconds=wait_s), type(error).__name__)


def _count(kind: str, verdicts: Sequence[Verdict]) -> None:
    again = sum(isinstance(verdict, Again) for verdict in verdicts)
    for result, count in (("again", again), ("done", len(verdicts) - again)):
        if count:
            metrics.JOBS.labels(kind, result).inc(count)
