"""Pass or fail, head-room, bottleneck and extrapolation from runs that were made. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from capacity import processes
from capacity.load.figures import Run
from capacity.scaling import usl
from capacity.scaling.usl import Fit

FORMAT = "rizzpay-capacity check 1"
HELD = 0.99  # of all that was due has to be answered at all; p99 says how soon
FULL = 0.92  # of all cores: nothing is left to give
WORKER_FULL = 0.9  # of a core, of one API worker: Python runs on one
COMMIT_SHARE = 0.5  # of the median latency: then commits are what is waited for
OWN = ("haproxy", "api", "postgres", "worker", "valkey", "sandbox", "hsmd")
# What may be used of a machine without queues growing long: M/M/c at 0.75 waits about a service
# time; capacity plans of banks use 0.7 to 0.8.
USABLE = 0.75
STOLEN = 0.05  # of the cores; `plan` warns at the same share
DOUBLING_LOSS = 0.25  # an assumption; see extrapolate


@dataclass(frozen=True, slots=True)
class Goal:
    """What was asked: `wanted` a second is the target times the peak."""

    target_tps: float
    peak: float
    p99_ms: float
    seconds: float = 20.0  # for so long the rate has to be held

    @property
    def wanted(self) -> float:
        """Return payments a second at the peak."""
        return self.target_tps * self.peak


@dataclass(frozen=True, slots=True)
class Extrapolation:
    """An honest guess for a machine with more cores; `basis` says what it rests on."""

    cores: int
    per_second: float | None
    low: float | None
    high: float | None
    basis: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The whole answer; `reasons` say why it did not pass."""

    format: str
    passed: bool
    goal: Goal
    reasons: list[str]
    head_room: float | None  # saturation over the wanted rate
    saturation: float | None
    bottleneck: str
    shares: dict[str, float]  # of the CPU of a payment, without the generator
    us_each: dict[str, float]
    cpu_us_per_payment: dict[str, float]  # at the target's rate: `plan --costs` takes it
    wal_bytes_per_payment: float | None
    fit: dict[str, Any] = field(default_factory=dict)
    worker_fit: dict[str, Any] = field(default_factory=dict)
    extrapolations: list[Extrapolation] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Measured:
    """The runs: at the target in open loop, a ladder of connections, and one of API workers."""

    at_target: Run
    ladder: Sequence[Run]
    by_workers: Sequence[tuple[int, Run]]


def judge(goal: Goal, measured: Measured, cores: Sequence[int]) -> Verdict:
    """Judge what was measured, and guess for machines with so many cores."""
    at_target, ladder = measured.at_target, measured.ladder
    reasons = list(at_target.reasons) if not at_target.result else []
    lost = at_target.unsent + at_target.unanswered
    if lost > (1 - HELD) * at_target.offered:
        reasons.append(f"{lost:,} of {at_target.offered:,} requests were not answered")
    p99 = at_target.latency_ms["create"].percentiles.get("99")
    if p99 is None or p99 > goal.p99_ms:
        reasons.append(f"p99 is {p99} ms, and {goal.p99_ms:g} ms are allowed")
    if at_target.interrupted:
        reasons.append("interrupted")
    good = [run for run in ladder if run.result]
    best = max(good, key=lambda run: run.per_second, default=None)
    fit = usl.fit([(run.connections, run.per_second) for run in good])
    by_workers = usl.fit(
        [(count, run.per_second) for count, run in measured.by_workers if run.result],
        wanted=max(cores, default=None),
    )
    shown = best or at_target
    us_each = {name: us for name, us in shown.cpu_us_each.items() if name in OWN}
    total = sum(us_each.values())
    return Verdict(
        format=FORMAT,
        passed=not reasons,
        goal=goal,
        reasons=reasons,
        head_room=round(best.per_second / goal.wanted, 2) if best else None,
        saturation=best.per_second if best else None,
        bottleneck=bottleneck(shown),
        shares={name: round(us / total, 3) if total else 0.0 for name, us in us_each.items()},
        us_each=us_each,
        cpu_us_per_payment={name: us for name, us in at_target.cpu_us_each.items() if name in OWN},
        wal_bytes_per_payment=_wal(at_target),
        fit=described(fit, "connections"),
        worker_fit=described(by_workers, "API workers"),
        extrapolations=[extrapolate(shown, count, by_workers) for count in cores],
    )


def _wal(run: Run) -> float | None:
    """Return bytes of write-ahead log for each payment; None when nobody counted them."""
    count = run.per_second * (run.seconds + run.settled_s)
    written = run.service.get("wal_bytes")
    return round(written / count) if written and count else None


def bottleneck(run: Run) -> str:
    """Say in a sentence what this run could not have more of."""
    share = run.cpu_share
    largest = max((name for name in OWN if name in share), key=lambda name: share[name])
    busy = sum(share.values())
    if run.stolen_share > STOLEN * run.cores:
        return f"the hypervisor: {run.stolen_share:.2f} cores were stolen"
    if run.workers and share["api"] >= WORKER_FULL * run.workers and busy < FULL * run.cores:
        return f"API workers: {run.workers}, each busy for {share['api'] / run.workers:.0%}"
    if busy >= FULL * run.cores:
        test = share.get(processes.GENERATOR, 0.0) + share.get(processes.OTHERS, 0.0)
        return (
            f"CPU: {busy:.2f} of {run.cores} cores, the most for {largest} ({share[largest]:.2f}); "
            f"generator and others took {test:.2f}"
        )
    if run.service.get("pool_waiting", 0) > 0:
        return f"database connections: {run.service['pool_waiting']:g} requests wait for one"
    each_ms = run.service.get("flush_ms_mean", 0.0)
    p50 = run.latency_ms["create"].percentiles.get("50", 0.0)
    if each_ms and p50 and each_ms > COMMIT_SHARE * p50:
        return f"the disk: a flush of the log takes {each_ms:.2f} ms of {p50:.1f} ms"
    idle = 1 - busy / run.cores
    return f"nothing is full ({idle:.0%} idle): more connections would get more"


def extrapolate(run: Run, cores: int, workers: Fit) -> Extrapolation:
    """Guess for a machine with `cores`: by the law over API workers where there is one.

    Without it the CPU of a payment gives a range and no figure: at its upper end nothing is in
    anybody's way, at its lower end each doubling of the cores loses a quarter. The quarter is an
    assumption, not a measurement.
    """
    count = run.workers * cores / max(1, run.cores)
    if workers.law is not None and not workers.why_not and (band := workers.band(count)):
        return Extrapolation(
            cores=cores,
            per_second=round(workers.law.at(count)),
            low=round(band[0]),
            high=round(band[1]),
            basis=f"extrapolated, not measured: the law over API workers at {count:g} of them",
        )
    each = sum(us for name, us in run.cpu_us_each.items() if name in OWN)
    if each <= 0:
        return Extrapolation(cores, None, None, None, "no CPU of the service was seen")
    ideal = cores * USABLE * 1e6 / each
    doublings = max(0.0, math.log2(cores / max(1, run.cores)))
    return Extrapolation(
        cores=cores,
        per_second=None,
        low=round(ideal * (1 - DOUBLING_LOSS) ** doublings),
        high=round(ideal),
        basis=(
            f"extrapolated, not measured: {each:.0f} µs of CPU a payment here and {USABLE:.0%} of "
            f"{cores} cores like these; the low end assumes that each doubling loses a quarter; "
            f"the law over API workers is {workers.why_not or 'not measured'}"
        ),
    )


def described(fit: Fit, over: str) -> dict[str, Any]:
    """Return a fit as plain data, with its band at 1 to 256."""
    if fit.law is None:
        return {"over": over, "why_not": fit.why_not}
    levels = [2**power for power in range(9)]
    return {
        "why_not": fit.why_not,
        "over": over,
        "rate_of_one": round(fit.law.rate_of_one, 2),
        "contention": round(fit.law.contention, 6),
        "coherency": round(fit.law.coherency, 8),
        "peak": round(fit.law.peak, 1) if fit.law.peak else None,
        "r_squared": round(fit.r_squared, 4),
        "curve": [{"n": n, "at": round(fit.law.at(n), 1), "band": fit.band(n)} for n in levels],
    }


def lines(verdict: Mapping[str, Any]) -> list[str]:
    """Return the verdict as text."""
    goal = verdict["goal"]
    head = "PASS" if verdict["passed"] else "FAIL"
    wanted = goal["target_tps"] * goal["peak"]
    asked = f"{goal['target_tps']:g} × {goal['peak']:g}, p99 within {goal['p99_ms']:g} ms"
    found = [f"{head}: {wanted:,.0f} payments a second ({asked})"]
    found += [f"  because {reason}" for reason in verdict["reasons"]]
    if verdict["saturation"]:
        found.append(
            f"  saturation {verdict['saturation']:,.0f}/s, head-room {verdict['head_room']:.2f}"
        )
    found.append(f"  bottleneck: {verdict['bottleneck']}")
    each = sorted(verdict["us_each"].items(), key=lambda item: -item[1])
    found.append(
        "  CPU of a payment: " + ", ".join(f"{name} {us:.0f} µs" for name, us in each if us)
    )
    found += [_fit_line(verdict["fit"]), _fit_line(verdict["worker_fit"])]
    found += [
        f"  {one['cores']} cores: {one['low']:,.0f} to {one['high']:,.0f}/s ({one['basis']})"
        for one in verdict["extrapolations"]
        if one["high"]
    ]
    return found


def _fit_line(fit: Mapping[str, Any]) -> str:
    if fit["why_not"]:
        return f"  scaling over {fit['over']}: {fit['why_not']}"
    peak = f", falls after {fit['peak']:g}" if fit["peak"] else ""
    return (
        f"  scaling over {fit['over']}: one {fit['rate_of_one']:.0f}/s, contention "
        f"{fit['contention']:.3f}, coherency {fit['coherency']:.2g}{peak}, "
        f"R² {fit['r_squared']:.2f}"
    )
