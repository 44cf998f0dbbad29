"""Counts what gateways answer, shares the counts, knows who is up, moves the breakers.

A payment costs additions to integers of this process. Once a second `share` adds them to
PostgreSQL's, and takes a fresh view from there; decisions in between are made on the last one.
When PostgreSQL does not answer the view stays as it was: no payment is taken then anyway.
Greenlets may share it; threads may not write to it.
"""

from datetime import UTC, datetime, timedelta

from rizzpay.audit import service as audit
from rizzpay.audit.model import Entry
from rizzpay.core import clock
from rizzpay.core.errors import Refused
from rizzpay.gateways.health import store
from rizzpay.gateways.health.model import Downtime, Key, Rate, Standing, View
from rizzpay.gateways.routing import breaker
from rizzpay.gateways.routing.breaker import Breaker, Heard, Policy, State
from rizzpay.infra import log, metrics
from rizzpay.infra.database import Connection, Database

SLICE_S = 5  # of a window; what is counted in it comes and goes together
KEEP = timedelta(days=2)  # slices, for whoever looks at yesterday
NOBODY = Breaker(State.CLOSED, datetime.min.replace(tzinfo=UTC))
BEGINNING = View(NOBODY.since)
ACTOR = "routing"


class Health:
    """What this process knows of the gateways, and what it has to tell the others."""

    def __init__(self, database: Database, policy: Policy, rates_s: int) -> None:
        """Know nothing yet; `rates_s` is the window of success rates."""
        self.view = BEGINNING
        self.impaired = False
        self._database = database
        self._policy = policy
        self._rates_s = rates_s
        self._heard: dict[Key, list[int]] = {}  # calls, failures, approved, declined
        self._probed: dict[Key, tuple[int, Heard]] = {}  # by breaker version
        self._leave: dict[Key, int] = {}  # to send one payment, by breaker version

    # What payments say

    def answered(self, key: Key, *, failed: bool) -> None:
        """Count an answer to a request for money."""
        counts = self._counts(key)
        counts[0] += 1
        counts[1] += failed
        if self.impaired:
            self._note_probe(key, failed=failed)

    def concluded(self, key: Key, *, approved: bool) -> None:
        """Count what became of the money."""
        self._counts(key)[2 if approved else 3] += 1

    # What routing asks

    def standing(self, key: Key) -> Standing:
        """Return whether it is to be chosen; a half-open one is up for whoever has leave."""
        standing = self.view.standing(key)
        return Standing.UP if standing is Standing.HALF_OPEN and self.has_leave(key) else standing

    def has_leave(self, key: Key) -> bool:
        """Tell whether this process may send one payment to a half-open gateway."""
        known = self.view.breakers.get(key)
        return known is not None and self._leave.get(key) == known.version

    def use_leave(self, key: Key) -> None:
        """Use it up, if there is one."""
        self._leave.pop(key, None)

    # What runs beside payments

    def share(self) -> None:
        """Tell the others what was heard here and take a fresh view; raises Unavailable."""
        now = clock.now()
        heard, probed = self._heard, self._probed
        self._heard, self._probed = {}, {}
        try:
            with self._database.transaction() as conn:
                self._tell(conn, now, heard, probed)
                view = self._look(conn, now)
                leave = self._ask_leave(conn, view)
        except BaseException:
            self._take_back(heard)
            raise
        self.view, self._leave, self.impaired = view, leave, view.impaired

    def move(self) -> None:
        """Move breakers that are due; needs the worker's role. Any number of workers may."""
        now = clock.now()
        with self._database.transaction() as conn:
            known = store.breakers(conn)
            heard = store.heard(conn, now - timedelta(seconds=self._policy.window_s))
            for key in sorted(known.keys() | heard.keys()):
                before = known.get(key, NOBODY)
                after = breaker.moved(self._policy, before, heard.get(key, Heard()), now)
                moved = after is not None and store.move(conn, key, after)
                if after is not None and moved and after.state is not before.state:
                    _say(conn, key, after, heard.get(key, Heard()))
                metrics.BREAKER.labels(*key).set(_figure(after or before))

    def forget(self) -> None:
        """Remove what nobody asks for any more; needs the worker's role."""
        with self._database.transaction() as conn:
            store.forget(conn, clock.now() - KEEP)

    # What operators declare

    def downtimes(self) -> tuple[Downtime, ...]:
        """Return the downtimes that are or will be, as the database has them."""
        with self._database.transaction() as conn:
            return store.downtimes(conn, clock.now())

    def declare(self, wanted: Downtime) -> None:
        """Add a downtime; needs the worker's role. Raises Refused(invalid_request)."""
        if wanted.ends_at is not None and wanted.ends_at <= wanted.starts_at:
            raise Refused("invalid_request", "The downtime ends before it starts.", param="end")
        with self._database.transaction() as conn:
            store.declare(conn, wanted)
            detail = {
                "method": wanted.method,
                "starts_at": wanted.starts_at.isoformat(),
                "ends_at": wanted.ends_at.isoformat() if wanted.ends_at else None,
                "reason": wanted.reason,
                "downtime": wanted.id,
            }
            action = "gateway.downtime_declared"
            at, actor = wanted.declared_at, wanted.declared_by
            audit.append(conn, [Entry(at, actor, action, wanted.gateway, detail)])

    def end(self, downtime_id: str, actor: str) -> None:
        """End a downtime now; needs the worker's role. Raises Refused(not_found)."""
        now = clock.now()
        with self._database.transaction() as conn:
            if not store.end(conn, downtime_id, now):
                raise Refused("not_found", "There is no such downtime, or it is over.", param="id")
            action = "gateway.downtime_ended"
            audit.append(conn, [Entry(now, actor, action, downtime_id, {})])

    # Inside

    def _counts(self, key: Key) -> list[int]:
        counts = self._heard.get(key)
        if counts is None:
            counts = self._heard[key] = [0, 0, 0, 0]
        return counts

    def _note_probe(self, key: Key, *, failed: bool) -> None:
        known = self.view.breakers.get(key)
        if known is None or known.state is not State.HALF_OPEN:
            return
        version, before = self._probed.get(key, (known.version, Heard()))
        if version != known.version:
            before = Heard()
        heard = Heard(before.calls + 1, before.failures + failed)
        self._probed[key] = (known.version, heard)

    def _tell(
        self,
        conn: Connection,
        now: datetime,
        heard: dict[Key, list[int]],
        probed: dict[Key, tuple[int, Heard]],
    ) -> None:
        if heard:
            since = now.replace(microsecond=0, second=now.second - now.second % SLICE_S)
            fresh = {key: (Heard(*it[:2]), Rate(*it[2:])) for key, it in heard.items()}
            store.add(conn, since, fresh)
        for key, (version, it) in sorted(probed.items()):
            store.add_probed(conn, key, version, it)

    def _look(self, conn: Connection, now: datetime) -> View:
        return View(
            at=now,
            breakers=store.breakers(conn),
            downtimes=store.downtimes(conn, now),
            rates=store.rates(conn, now - timedelta(seconds=self._rates_s)),
        )

    def _ask_leave(self, conn: Connection, view: View) -> dict[Key, int]:
        """Return the leave of this process: what is left of the last, or one more a method."""
        leave = {}
        for key, it in sorted(view.breakers.items()):
            if it.state is not State.HALF_OPEN:
                continue
            had = self._leave.get(key) == it.version
            if had or (it.probes_left and store.take_probe(conn, key, it.version)):
                leave[key] = it.version
        return leave

    def _take_back(self, heard: dict[Key, list[int]]) -> None:
        """Count again what could not be told; probes that were lost are handed out anew."""
        for key, counts in heard.items():
            mine = self._counts(key)
            for place, count in enumerate(counts):
                mine[place] += count


def _say(conn: Connection, key: Key, after: Breaker, heard: Heard) -> None:
    gateway, method = key
    detail = {"method": method, "calls": heard.calls, "failures": heard.failures}
    action = f"gateway.breaker_{after.state.value}"
    audit.append(conn, [Entry(after.since, ACTOR, action, gateway, detail)])
    log.get(__name__).warning(action, gateway=gateway, **detail)


def _figure(it: Breaker) -> int:
    return {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}[it.state]
