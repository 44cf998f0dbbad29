"""One run from beginning to end: refuse what is unfit, send, settle, measure, prove."""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psycopg

from capacity import processes
from capacity.errors import CapacityError, Unreachable, WrongUse
from capacity.installation import Installation, Shop
from capacity.load import figures, merchants, preflight, proof, service
from capacity.load.engine import Engine, Seen, Tick
from capacity.load.figures import Generator, Proof, Run
from capacity.load.line import Dialler
from capacity.load.mixes import Collect, Create, Mix, Read, Refund, Wording

CPU_SHARE_MAX = 0.9  # of a core: above it the generator measures itself
LATE_MAX_MS = 10.0  # an arrival that we notice later than this is our fault,
LATE_SHARE_MAX = 0.05  # and so many of them make it no result
PATIENCE_S = 5.0  # for answers after the last request
# Open loop: so many connections that they are never the limit, and so few that none of them is idle
# for the five seconds after which HAProxy closes it.
OPEN_CONNECTIONS = (8, 256)
CONNECTIONS_A_RATE = 0.25
READABLE = 500  # payments made for the mix `read`, of each merchant that has a turn


@dataclass(frozen=True, slots=True)
class Wish:
    """What to run. Exactly one of `rate` (open loop) and `closed` connections decides."""

    mix: str = "create"
    rate: float | None = None
    connections: int = 64
    seconds: float = 10.0
    warm_up_s: float = 1.0
    merchants: int = 1
    zipf: float = 1.1
    proves: bool = True
    own_merchant: bool = True  # the one of the credentials is the first


def connections_for(rate: float) -> int:
    """Return how many connections an open loop of this rate gets when nobody says it."""
    fewest, most = OPEN_CONNECTIONS
    return min(most, max(fewest, round(rate * CONNECTIONS_A_RATE)))


@dataclass(slots=True)
class Session:
    """A database connection and what is checked once, kept over several runs."""

    installation: Installation
    conn: psycopg.Connection
    durable: dict[str, str]
    dialler: Dialler
    shops: dict[tuple[int, bool], list[Shop]] = field(default_factory=dict)

    @classmethod
    def open(cls, installation: Installation) -> "Session":
        """Check database and service; raises Unfit or Unreachable."""
        conn = preflight.connect(installation.conninfo())
        try:
            durable = preflight.durable(conn)
            dialler = Dialler(installation.host, installation.port, installation.ca_file)
            dialler.dial().close()
        except CapacityError:
            conn.close()
            raise
        return cls(installation, conn, durable, dialler)

    def close(self) -> None:
        """Close the database connection."""
        self.conn.close()

    def shops_for(self, wish: Wish) -> list[Shop]:
        """Return the merchants of a run, made once."""
        wanted = (wish.merchants, wish.own_merchant)
        if wanted not in self.shops:
            self.shops[wanted] = merchants.shops(
                self.installation, wish.merchants, own=wish.own_merchant
            )
        return self.shops[wanted]


@dataclass(slots=True)
class _Watch:
    """What is read before and after: CPU and the service's own figures."""

    session: Session
    before: processes.Used = field(init=False)
    figures: Mapping[str, float] = field(init=False)
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.figures = service.read(self.session.dialler, self.session.conn)
        self.before = processes.used(self.session.installation.pids())
        self.began = time.perf_counter()

    def end(self) -> tuple[processes.Spent, dict[str, float]]:
        pids = self.session.installation.pids()
        spent = processes.spent(self.before, processes.used(pids))
        after = service.read(self.session.dialler, self.session.conn)
        return spent, service.between(self.figures, after)


def run(session: Session, wish: Wish, tick: Tick | None = None) -> Run:
    """Run once; Ctrl-C ends it early, and what was sent until then is in the result."""
    sent = send(session, wish, tick)
    found = None
    if wish.proves and wish.mix != "read":
        found = proof.prove(session.conn, sent.case)
    return _document(sent, found)


def send(session: Session, wish: Wish, tick: Tick | None = None) -> "Sent":
    """Send, wait until all is settled, and return what was seen; the proof comes after it."""
    preflight.descriptors(wish.connections)
    shops, dialler = session.shops_for(wish), session.dialler
    wording = Wording(dialler.authority, shops, f"cap{secrets.token_hex(6)}n")
    turns = merchants.turns(len(shops), wish.zipf)
    since, before = proof.clock(session.conn), proof.about_how_many(session.conn)
    mix = _mix(session, wish, wording, turns)
    engine = Engine(dialler, mix, wish.connections, turns, tick or _silent)
    began = datetime.now(UTC)
    watch = _Watch(session)
    interrupted = False
    try:
        try:
            if _warm_up(engine, wish):
                watch = _Watch(session)
            seen = _loop(engine, wish)
        except KeyboardInterrupt:
            interrupted, seen = True, engine.seen
        spent, own = watch.end()
        _drain(engine)
    finally:
        engine.close()
    settled_s = 0.0
    if wish.mix == "collect":
        settled_s = proof.settle(session.conn, mix.acknowledged.captures)
        spent, own = watch.end()
    until = proof.clock(session.conn)
    doubtful = engine.lost + mix.acknowledged.refused
    case = proof.Case(wording, shops, since, until, mix.acknowledged, doubtful)
    return Sent(session, wish, mix, seen, spent, own, settled_s, case, interrupted, began, before)


def _warm_up(engine: Engine, wish: Wish) -> bool:
    """Warm the service up before a closed loop; its payments are proved, but not measured.

    Not before `collect`: the worker would still be busy with them.
    """
    if wish.rate is not None or wish.warm_up_s <= 0 or wish.mix == "collect":
        return False
    engine.closed(wish.warm_up_s)
    engine.begin_anew()
    return True


def _loop(engine: Engine, wish: Wish) -> Seen:
    if wish.rate is None:
        return engine.closed(wish.seconds)
    return engine.open(wish.seconds, wish.rate)


def _drain(engine: Engine) -> None:
    """Wait for the last answers; a service that is gone by now is in the figures already."""
    try:
        engine.drain(PATIENCE_S)
    except Unreachable:
        return


@dataclass(frozen=True, slots=True)
class Sent:
    """A run before its proof: what was seen, what it cost, and what has to be proved."""

    session: Session
    wish: Wish
    mix: Mix
    seen: Seen
    spent: processes.Spent
    service: dict[str, float]
    settled_s: float
    case: proof.Case
    interrupted: bool
    began: datetime
    before: int  # payments in the table, about


def _document(out: Sent, found: Proof | None) -> Run:
    seen, wish, spent = out.seen, out.wish, out.spent
    counted, taken_s = seen.in_window, seen.seconds
    if wish.mix == "collect":  # until the last one was captured
        counted, taken_s = len(out.mix.acknowledged.captures), spent.seconds
    per_second = counted / taken_s if taken_s else 0.0
    generator = _generator(out, counted)
    reasons = _reasons(out, generator, found, per_second)
    pids = out.session.installation.pids()
    parts = {**spent.parts_s, processes.OTHERS: spent.others_s}
    return Run(
        format=figures.FORMAT,
        mix=wish.mix,
        loop="closed" if wish.rate is None else "open",
        wanted_per_s=wish.rate,
        connections=wish.connections,
        merchants=wish.merchants,
        zipf=wish.zipf,
        payments_before=out.before,
        seconds=round(seen.seconds, 3),
        settled_s=round(out.settled_s, 3),
        per_second=round(per_second, 1),
        offered=seen.offered,
        sent=seen.sent,
        unsent=seen.unsent,
        unanswered=seen.unanswered,
        statuses={
            name: {str(status): count for status, count in sorted(seen.statuses[step].items())}
            for step, name in enumerate(out.mix.steps)
        },
        refusals=dict(seen.refusals),
        broken=dict(seen.broken),
        latency_ms={
            name: figures.latency(seen.latencies[step]) for step, name in enumerate(out.mix.steps)
        },
        cpu_us_each={
            name: round(used_s / counted * 1e6, 1) if counted else 0.0
            for name, used_s in parts.items()
        },
        cpu_share={name: round(used_s / spent.seconds, 4) for name, used_s in parts.items()},
        stolen_share=round(spent.stolen_s / spent.seconds, 4),
        cores=processes.cores(),
        workers=len(pids.get("api", [])),
        worker_rss_mb=[round(one, 1) for one in processes.memory_mb(pids.get("api", []))],
        generator=generator,
        service=out.service,
        durable=out.session.durable,
        proof=found,
        interrupted=out.interrupted,
        started_at=out.began.isoformat(timespec="seconds"),
        result=not reasons,
        reasons=reasons,
    )


def _generator(out: Sent, counted: int) -> Generator:
    spent, seen = out.spent, out.seen
    cpu_s = spent.parts_s[processes.GENERATOR]
    share = cpu_s / max(seen.seconds, 1e-9)
    late = sorted(seen.lateness)
    return Generator(
        cpu_share=round(share, 4),
        us_each=round(cpu_s / counted * 1e6, 1) if counted else 0.0,
        waited_share=round(spent.generator_waited_s / spent.seconds, 4),
        late_p50_ms=round(figures.at(late, 50.0) * 1000, 3) if late else 0.0,
        late_p99_ms=round(figures.at(late, 99.0) * 1000, 3) if late else 0.0,
        saturated=saturated(share, late, seen.offered),
    )


def saturated(cpu_share: float, lateness: Sequence[float], offered: int) -> str:
    """Say why the generator was too slow for its own load; empty when it was not.

    `lateness` are seconds between the time at which a request was due and the time at which we
    noticed, of those that a free connection waited for.
    """
    if cpu_share >= CPU_SHARE_MAX:
        return f"it used {cpu_share:.0%} of a core itself"
    slow = sum(1 for one in lateness if one * 1000 > LATE_MAX_MS)
    if offered and slow > LATE_SHARE_MAX * offered:
        return f"{slow / offered:.0%} of the requests were late by its own fault"
    return ""


def _reasons(out: Sent, generator: Generator, proved: Proof | None, per_second: float) -> list[str]:
    """Return why the figures are no result; empty when they are one."""
    found = []
    if generator.saturated:
        found.append(f"the generator was saturated before the service: {generator.saturated}")
    if proved and proved.faults:
        found.append("the proof failed: " + "; ".join(proved.faults))
    if per_second == 0:
        found.append("nothing was answered with success")
    answers = sum(sum(counts.values()) for counts in out.seen.statuses)
    good = sum(len(one) for one in out.seen.latencies) - out.seen.unsent - out.seen.unanswered
    if answers and good < 0.99 * answers:
        refused = ", ".join(f"{count} × {what}" for what, count in out.seen.refusals.items())
        found.append(f"only {good} of {answers} answers were a success: {refused}")
    return found


def _mix(session: Session, wish: Wish, wording: Wording, turns: list[int]) -> Mix:
    makers: dict[str, Callable[[], Mix]] = {
        "create": lambda: Create(wording),
        "collect": lambda: Collect(wording, *session.installation.callback_gateway()),
        "refund": lambda: Refund(wording),
        "read": lambda: Read(wording, _readable(session, wording, turns)),
    }
    if wish.mix not in makers:
        raise WrongUse(f"there is no mix {wish.mix}")
    return makers[wish.mix]()


def _readable(session: Session, wording: Wording, turns: list[int]) -> list[tuple[int, int, bytes]]:
    """Make payments to be read, as hot as their merchants are."""
    mix = Create(wording)
    engine = Engine(session.dialler, mix, 8, turns, _silent)
    try:
        while len(mix.acknowledged.payments) < READABLE:
            before = len(mix.acknowledged.payments)
            engine.closed(0.25)
            if len(mix.acknowledged.payments) == before:
                break
        engine.drain(PATIENCE_S)
    finally:
        engine.close()
    return mix.acknowledged.payments


def _silent(seen: Seen, seconds: float) -> None:
    del seen, seconds
