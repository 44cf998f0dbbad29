"""Documents as the verbs write them, made through the same types, for tests of what reads them."""

from dataclasses import asdict, replace

from capacity.bench import rounds, table
from capacity.checking import judging
from capacity.checking.judging import Goal, Measured
from capacity.load import figures
from capacity.load.figures import Generator, Proof, Run

DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
RUN = Run(
    format=figures.FORMAT,
    mix="create",
    loop="closed",
    wanted_per_s=None,
    connections=64,
    merchants=4,
    zipf=1.1,
    payments_before=1000,
    seconds=8.0,
    settled_s=0.0,
    per_second=6000.0,
    offered=0,
    sent=48_000,
    unsent=0,
    unanswered=0,
    statuses={"create": {"201": 48_000}},
    refusals={},
    broken={},
    latency_ms={"create": figures.latency([0.005 + 0.00001 * i for i in range(1000)])},
    cpu_us_each={"haproxy": 30, "api": 90, "postgres": 80, "worker": 5, "valkey": 1,
                 "sandbox": 0, "hsmd": 0, "generator": 30, "others": 2},
    cpu_share={"haproxy": 0.2, "api": 0.6, "postgres": 0.5, "worker": 0.03, "valkey": 0.0,
               "sandbox": 0.0, "hsmd": 0.0, "generator": 0.2, "others": 0.01},
    stolen_share=0.0,
    cores=2,
    workers=1,
    worker_rss_mb=[80.0],
    generator=Generator(0.2, 30.0, 0.05, 0.1, 0.9, ""),
    service={"items_a_group": 30.0},
    durable=DURABLE,
    proof=Proof(48_000, 48_000, 48_000, 0, 0, 0, 48_000),
    interrupted=False,
    started_at="2026-11-21T13:00:00+00:00",
    result=True,
    reasons=[],
)  # fmt: skip
OPEN = replace(
    RUN, loop="open", wanted_per_s=3000.0, per_second=3000.0, offered=60_000, connections=256
)
GROW = {"payments": 5_000_000, "tables": [{"name": "payments", "rows": 1, "total_bytes": 10**9}]}


def ladder(law):
    """Runs at 1 to 64 connections whose throughput is a law's."""
    return [replace(RUN, connections=n, per_second=law(n)) for n in (1, 2, 4, 8, 16, 32, 64)]


GOAL = Goal(1000, 3, 40)


def check(goal=GOAL, at_target=OPEN, runs=(RUN,), by_workers=()):
    verdict = judging.judge(goal, Measured(at_target, runs, by_workers), [16])
    return {
        **asdict(verdict),
        "at_target": asdict(at_target),
        "ladder": [asdict(run) for run in runs],
    }


def bench(count=2):
    """A bench of `count` equal rounds."""
    pgbench = [{"clients": n, "tps": 4000.0 + n} for n in (8, 16, 32)]
    parts = {
        "create": RUN, "collect": replace(RUN, mix="collect", per_second=2000.0), "group_on": RUN,
        "group_off": replace(RUN, per_second=1500.0), "open": OPEN,
        "lone": replace(RUN, connections=1, per_second=400.0),
    }  # fmt: skip
    one = {"pgbench": pgbench, **{name: asdict(run) for name, run in parts.items()}}
    figures_ = [rounds.figures_of(one)] * count
    return {
        "format": rounds.FORMAT,
        **{row.key: table.summary([each[row.key] for each in figures_]) for row in table.FIGURES},
        "machine": {"model": "Test", "cores": 2, "memory_gib": 1.0, "kernel": "6"},
        "reasons": [],
        "rounds": [one] * count,
    }
