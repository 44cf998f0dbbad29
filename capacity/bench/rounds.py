"""What a round measures, in which order, and how rounds become the figures of the table.

A round is: pgbench with 8, 16 and 32 clients (the best counts); `create` at saturation; `collect`;
`create` at 64 connections with group commit, then without; `create` at 3,000/s in open loop; one
connection alone. All on the same PostgreSQL with the same settings, the generator on the same
machine. Ratios are made within a round, so that a machine that slows down slows both sides.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from capacity import machine_facts
from capacity.bench import table
from capacity.bench.appliance import Appliance
from capacity.bench.pgbench import CLIENTS, Pgbench, find
from capacity.load import running
from capacity.load.figures import Run
from capacity.load.running import Session, Wish

FORMAT = "rizzpay-capacity bench 1"
SATURATION = (64, 128, 256)  # connections that are tried; the better one is taken
GROUP_CONNECTIONS = 64
RATE = 3000.0
RATE_CONNECTIONS = 256
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Length:
    """How long a bench is: rounds, and seconds of each part."""

    rounds: int
    pgbench_s: float
    closed_s: float
    collect_s: float
    open_s: float
    lone_s: float
    merchants: int


QUICK = Length(rounds=2, pgbench_s=4, closed_s=4, collect_s=4, open_s=6, lone_s=2, merchants=4)
FULL = Length(rounds=5, pgbench_s=8, closed_s=8, collect_s=8, open_s=10, lone_s=3, merchants=8)


@dataclass(slots=True)
class Bench:
    """A bench under way: what it measures with, and what it has found."""

    appliance: Appliance
    session: Session
    pgbench: Pgbench
    length: Length
    say: Say
    connections: int = GROUP_CONNECTIONS

    def prepare(self) -> None:
        """Fill pgbench's database, make the merchants, warm up, choose the connections."""
        self.say("pgbench: filling its database")
        self.pgbench.prepare()
        self.say(f"making {self.length.merchants} merchants")
        rates = {}
        for connections in SATURATION:
            self._run(f"warming up, {connections} connections", connections=connections, seconds=1)
            found = self._run(
                f"create with {connections} connections", connections=connections, seconds=3
            )
            rates[connections] = found.per_second
        self.connections = max(rates, key=lambda one: rates[one])

    def round(self, number: int) -> dict[str, Any]:
        """Measure everything once; returns raw figures."""
        length = self.length
        self.say(f"round {number} of {length.rounds}")
        order = CLIENTS if number % 2 else tuple(reversed(CLIENTS))
        found: dict[str, Any] = {
            "pgbench": [self._pgbench(clients) for clients in order],
            "create": asdict(self._run("create", seconds=length.closed_s)),
            "collect": asdict(self._run("collect", mix="collect", seconds=length.collect_s)),
        }
        found["group_on"] = found["create"]
        if self.connections != GROUP_CONNECTIONS:
            found["group_on"] = asdict(
                self._run(
                    "create, group commit on",
                    connections=GROUP_CONNECTIONS,
                    seconds=length.closed_s,
                )
            )
        found["open"] = asdict(
            self._run(
                f"create at {RATE:g}/s",
                rate=RATE,
                connections=RATE_CONNECTIONS,
                seconds=length.open_s,
            )
        )
        found["lone"] = asdict(self._run("one alone", connections=1, seconds=length.lone_s))
        self.appliance.commit_together(on=False)
        try:
            found["group_off"] = asdict(
                self._run(
                    "create, group commit off",
                    connections=GROUP_CONNECTIONS,
                    seconds=length.closed_s,
                )
            )
        finally:
            self.appliance.commit_together(on=True)
        self._run("warming up again", seconds=0.5)
        return found

    def _pgbench(self, clients: int) -> dict[str, Any]:
        pids = self.session.installation.pids()
        self.pgbench.settle()
        found = self.pgbench.measure(clients, self.length.pgbench_s, pids)
        self.say(f"  pgbench, {clients} clients: {found['tps']:,.0f}/s")
        return found

    def _run(self, what: str, **wanted: Any) -> Run:
        wish = Wish(
            merchants=self.length.merchants,
            own_merchant=False,
            **{"connections": self.connections, **wanted},
        )
        self.pgbench.settle()
        found = running.run(self.session, wish)
        if found.interrupted:
            raise KeyboardInterrupt
        p99 = found.latency_ms["create"].percentiles.get("99", 0.0)
        self.say(
            f"  {what}: {found.per_second:,.0f}/s, p99 {p99:.1f} ms"
            + ("" if found.result else f"; NO RESULT: {'; '.join(found.reasons)}")
        )
        return found


def run(appliance: Appliance, length: Length, say: Say) -> dict[str, Any]:
    """Run the whole bench on an appliance; returns the document. Ctrl-C ends it after a round."""
    found = appliance.installation()
    session = Session.open(found)
    try:
        database = found.settings["database"]
        pgbench = Pgbench(
            find(), database["host"], database["port"], appliance.superuser_password()
        )
        bench = Bench(appliance, session, pgbench, length, say)
        bench.prepare()
        rounds: list[dict[str, Any]] = []
        interrupted = False
        try:
            for number in range(1, length.rounds + 1):
                rounds.append(bench.round(number))  # noqa: PERF401 - what is done stays
        except KeyboardInterrupt:
            interrupted = True
        return document(rounds, bench, interrupted=interrupted)
    finally:
        session.close()


def document(rounds: list[dict[str, Any]], bench: Bench, *, interrupted: bool) -> dict[str, Any]:
    """Return the figures of the table, and everything that they were made of."""
    reasons = [
        f"round {number}, {part}: {reason}"
        for number, one in enumerate(rounds, 1)
        for part in ("create", "collect", "group_on", "group_off", "open", "lone")
        for reason in one[part]["reasons"]
    ]
    figures = [figures_of(one) for one in rounds]
    summaries = (
        {row.key: table.summary([one[row.key] for one in figures]) for row in table.FIGURES}
        if figures
        else {}
    )
    return {
        "format": FORMAT,
        **summaries,
        "interrupted": interrupted,
        "result": bool(rounds) and not reasons and not interrupted,
        "reasons": reasons,
        "durable": bench.session.durable,
        "machine": machine_facts.facts(),
        "connections": bench.connections,
        "length": asdict(bench.length),
        "rounds": rounds,
    }


def figures_of(one: dict[str, Any]) -> dict[str, float]:
    """Return the figures of a round."""
    best = max(run["tps"] for run in one["pgbench"])
    group_off = one["group_off"]["per_second"]
    return {
        "create_vs_pgbench": one["create"]["per_second"] / best,
        "collect_vs_pgbench": one["collect"]["per_second"] / best,
        "group_commit_gain": one["group_on"]["per_second"] / group_off if group_off else 0.0,
        "python_us_per_create": one["create"]["cpu_us_each"]["api"],
        "p99_ms_at_3000": one["open"]["latency_ms"]["create"]["percentiles"]["99"],
        "lone_p50_ms": one["lone"]["latency_ms"]["create"]["percentiles"]["50"],
        "worker_rss_mb": max(one["create"]["worker_rss_mb"]),
    }
