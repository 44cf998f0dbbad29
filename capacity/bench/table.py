"""The table of figures that the service has to reach: bar, goal, measured, verdict."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Figure:
    """One row; `better` says which way. Bar and goal are themselves good enough."""

    key: str
    name: str
    unit: str
    bar: float
    goal: float
    better: Literal["more", "less"]

    def verdict(self, value: float) -> str:
        """Return goal, bar or missed."""
        sign = 1 if self.better == "more" else -1
        if sign * value >= sign * self.goal:
            return "goal"
        return "bar" if sign * value >= sign * self.bar else "MISSED"


FIGURES = (
    Figure(
        "create_vs_pgbench", "create per second / pgbench TPC-B per second", "x", 1.0, 2.0, "more"
    ),
    Figure("collect_vs_pgbench", "collect per second / pgbench TPC-B", "x", 0.5, 1.0, "more"),
    Figure("group_commit_gain", "group commit on / off, create at 64", "x", 2.0, 3.0, "more"),
    Figure("python_us_per_create", "Python CPU a create, all API processes", "µs", 150, 80, "less"),
    Figure("p99_ms_at_3000", "p99 of create at 3,000/s, open loop", "ms", 40, 15, "less"),
    Figure("lone_p50_ms", "lone request, p50 through TLS", "ms", 6, 3, "less"),
    Figure("worker_rss_mb", "memory of an API worker under load", "MB", 150, 90, "less"),
)


def summary(runs: Sequence[float]) -> dict[str, Any]:
    """Return median, min, max and the runs themselves."""
    return {
        "median": round(statistics.median(runs), 3),
        "min": round(min(runs), 3),
        "max": round(max(runs), 3),
        "runs": [round(one, 3) for one in runs],
    }


def lines(document: Mapping[str, Any]) -> list[str]:
    """Return the table as text."""
    head = f"{'figure':46} {'bar':>6} {'goal':>6} {'median':>9}  {'min .. max':17} verdict"
    found = [head]
    for figure in FIGURES:
        one = document[figure.key]
        sign = "≥" if figure.better == "more" else "≤"
        found.append(
            f"{figure.name + ', ' + figure.unit:46} {sign}{figure.bar:>5g} {sign}{figure.goal:>5g} "
            f"{one['median']:>9.2f}  {one['min']:.2f} .. {one['max']:<9.2f} "
            f"{figure.verdict(one['median'])}"
        )
    return found


def missed(document: Mapping[str, Any]) -> list[str]:
    """Return the keys whose bar is missed."""
    return [
        figure.key
        for figure in FIGURES
        if figure.verdict(document[figure.key]["median"]) == "MISSED"
    ]
