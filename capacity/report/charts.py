"""Which figures stand in which chart; takes the documents as they were read, returns SVG. Pure.

A document that lacks what a chart needs is left out of it; a chart without documents is "".
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from capacity.report import svg
from capacity.report.svg import Axis, Series

Document = Mapping[str, Any]
COMPONENTS = ("haproxy", "api", "postgres", "worker", "valkey", "sandbox", "hsmd", "generator")
SHOWN = ("haproxy", "api", "postgres", "worker", "valkey", "other parts", "generator")
NINES = ("50", "75", "90", "95", "99", "99.9", "99.99")

PARTS = {  # of a round of `bench`
    "create": "create",
    "collect": "collect",
    "open": "create at 3,000/s",
    "lone": "one connection",
    "group_off": "no group commit",
}


def runs_of(documents: Sequence[Document]) -> list[tuple[str, Document]]:
    """Return every run in these documents with a name: of load, check and bench."""
    found: list[tuple[str, Document]] = []
    for document in documents:
        kind = str(document.get("format", ""))
        if kind.startswith("rizzpay-capacity run"):
            found.append((name_of(document), document))
        elif kind.startswith("rizzpay-capacity check"):
            found.append(("at the target", document["at_target"]))
            found += [(name_of(run), run) for run in document["ladder"]]
        elif kind.startswith("rizzpay-capacity bench"):
            for number, one in enumerate(document["rounds"], 1):
                found += [(f"{title}, round {number}", one[part]) for part, title in PARTS.items()]
    return found


def name_of(run: Document) -> str:
    """Return what tells a run from others."""
    if run["loop"] == "open":
        return f"{run['mix']} at {run['wanted_per_s']:g}/s"
    many = "" if run["connections"] == 1 else "s"
    return f"{run['mix']}, {run['connections']} connection{many}"


def throughput(runs: Sequence[tuple[str, Document]]) -> str:
    """Return throughput against latency, for closed loops of `create` and for open ones."""
    series = []
    for title, loop in (("closed loop", "closed"), ("open loop", "open")):
        for share in ("50", "99"):
            points = sorted(
                (run["per_second"], cut)
                for name, run in runs
                if run["mix"] == "create" and run["loop"] == loop
                if not name.startswith((PARTS["group_off"], PARTS["lone"]))
                if (cut := _cut(run, share))
            )
            if points:
                joined = loop == "closed" and len(points) > 2  # noqa: PLR2004
                series.append(Series(f"p{share}, {title}", points, joined=joined))
    x, y = Axis("payments a second"), Axis("latency, ms (log)", log=True)
    return svg.lines("Throughput against latency", series, x, y)


def percentiles(runs: Sequence[tuple[str, Document]]) -> str:
    """Return latency by percentile, of at most eight runs; medians over rounds come first."""
    places = [(-math.log10(1 - float(share) / 100), share) for share in NINES]
    series = []
    for name, run in _representative(runs):
        cuts = next(iter(run["latency_ms"].values()))["percentiles"]
        points = [(at, cuts[share]) for at, share in places if share in cuts]
        if points:
            series.append(Series(name, points))
    x = Axis("percentile", labels=[(at, f"{share} %") for at, share in places])
    return svg.lines("Latency percentiles", series[:6], x, Axis("latency, ms (log)", log=True))


def cpu(runs: Sequence[tuple[str, Document]]) -> str:
    """Return CPU of a payment by component, stacked; what others did on the machine is left out."""
    rows = []
    for name, run in _representative(runs):
        each = run["cpu_us_each"]
        parts = [(part, each.get(part, 0.0)) for part in SHOWN if part in COMPONENTS]
        rest = sum(each.get(part, 0.0) for part in ("sandbox", "hsmd"))
        parts.insert(-1, ("other parts", rest))
        rows.append((name, parts))
    return svg.bars("CPU of a payment by component", rows, "µs of CPU a payment")


def scaling(documents: Sequence[Document]) -> str:
    """Return the fitted laws with their bands, and the points that they were fitted to."""
    series = []
    for document in documents:
        if not str(document.get("format", "")).startswith("rizzpay-capacity check"):
            continue
        measured = [(run["connections"], run["per_second"]) for run in document["ladder"]]
        series.append(Series("measured", sorted(measured), joined=False))
        curve = document["fit"].get("curve", [])
        if curve:
            last = 2 * max(n for n, _ in measured)
            near = [one for one in curve if one["n"] <= last]
            series.append(
                Series(
                    "fitted law, 90 % band",
                    [(one["n"], one["at"]) for one in near],
                    [(one["n"], *one["band"]) for one in near if one["band"]],
                    marked=False,
                )
            )
    x, y = Axis("connections (log)", log=True), Axis("payments a second")
    return svg.lines("Scaling law over connections", series, x, y)


def growth(documents: Sequence[Document]) -> str:
    """Return the size of the tables by the payments in them, of `grow` documents."""
    points = sorted(
        (document["payments"] / 1e6, sum(t["total_bytes"] for t in document["tables"]) / 1024**3)
        for document in documents
        if "tables" in document
    )
    series = [Series("all tables with indexes", points)] if points else []
    x, y = Axis("payments in the tables, millions"), Axis("size, GiB")
    return svg.lines("Growth of the tables", series, x, y)


def grown_throughput(documents: Sequence[Document]) -> str:
    """Return throughput by table size, of runs that say how many payments there were."""
    points = sorted(
        (run["payments_before"] / 1e6, run["per_second"])
        for _, run in runs_of(documents)
        if run["mix"] == "create" and run["loop"] == "closed" and run.get("payments_before")
    )
    series = [Series("create", points, joined=False)] if points else []
    x, y = Axis("payments in the table, millions"), Axis("payments a second")
    return svg.lines("Throughput with the size of the table", series, x, y)


def _representative(runs: Sequence[tuple[str, Document]]) -> list[tuple[str, Document]]:
    """Return one run for each kind: the middle one by throughput of those with the same name."""
    kinds: dict[str, list[Document]] = {}
    for name, run in runs:
        kinds.setdefault(name.partition(", round")[0], []).append(run)
    return [
        (name, sorted(found, key=lambda run: run["per_second"])[len(found) // 2])
        for name, found in kinds.items()
    ]


def _cut(run: Document, share: str) -> float | None:
    cut: float | None = next(iter(run["latency_ms"].values()))["percentiles"].get(share)
    return cut
