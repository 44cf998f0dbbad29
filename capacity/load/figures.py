"""What a run found, as plain data: the document that `check` and `report` read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

FORMAT = "rizzpay-capacity run 1"
SHARES = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99)  # percentiles of every run


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds; `percentiles` by name, as "99.9"; null where nothing was answered."""

    count: int
    mean: float | None
    max: float | None
    percentiles: dict[str, float]


@dataclass(frozen=True, slots=True)
class Generator:
    """The generator's own part. `saturated` says why the run is no result, or is empty."""

    cpu_share: float  # of one core
    us_each: float
    waited_share: float  # of the time it wanted to run, and the machine had no core for it
    late_p50_ms: float  # how late it noticed that a request was due
    late_p99_ms: float
    saturated: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What the database says about what was acknowledged; `faults` is empty when all is well."""

    acknowledged: int
    found: int
    claims: int
    captured: int  # of payments whose callback was acknowledged
    callbacks: int
    refunds: int
    written: int  # payments that this run wrote, also those that nobody was told of
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Run:
    """One run. `per_second` counts the last step of the mix; for `collect`, what was captured."""

    format: str
    mix: str
    loop: str
    wanted_per_s: float | None
    connections: int
    merchants: int
    zipf: float
    payments_before: int  # in the table, by PostgreSQL's own estimate
    seconds: float
    settled_s: float  # until the worker had applied everything; 0 where nothing is left to it
    per_second: float
    offered: int
    sent: int
    unsent: int
    unanswered: int
    statuses: dict[str, dict[str, int]]
    refusals: dict[str, int]  # by status and code
    broken: dict[str, int]
    latency_ms: dict[str, Latency]
    cpu_us_each: dict[str, float]
    cpu_share: dict[str, float]  # cores
    stolen_share: float
    cores: int
    workers: int
    worker_rss_mb: list[float]
    generator: Generator
    service: dict[str, float]  # from /metrics and pg_stat: batches, waits, commits
    durable: dict[str, str]
    proof: Proof | None
    interrupted: bool
    started_at: str
    result: bool  # false: the figures mean nothing, and `reasons` says why
    reasons: list[str]


def latency(seconds: Iterable[float]) -> Latency:
    """Return the percentiles (nearest rank) of latencies in seconds."""
    ordered = sorted(seconds)
    count = len(ordered)
    if not count:
        return Latency(0, None, None, {})
    return Latency(
        count=count,
        mean=round(sum(ordered) / count * 1000, 3),
        max=round(ordered[-1] * 1000, 3),
        percentiles={f"{share:g}": round(at(ordered, share) * 1000, 3) for share in SHARES},
    )


def at(ordered: Sequence[float], share: float) -> float:
    """Return a percentile of an ordered sequence that is not empty: the nearest rank."""
    rank = -(-len(ordered) * share // 100)
    return ordered[min(len(ordered), max(1, int(rank))) - 1]
