"""The page: one HTML file, no scripts, nothing loaded from elsewhere, light and dark. Pure."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from capacity.bench import table
from capacity.checking import judging
from capacity.report import charts

STYLE = """
:root{--bg:#fff;--fg:#1b1f24;--soft:#57606a;--line:#d0d7de;--card:#f6f8fa;--good:#116329;
--bad:#b3261e;--c0:#0969da;--c1:#bc4c00;--c2:#1a7f37;--c3:#8250df;--c4:#bf3989;--c5:#7d4e00;
--c6:#57606a;--c7:#0b7285}
@media (prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--soft:#9198a1;--line:#30363d;
--card:#161b22;--good:#3fb950;--bad:#ff7b72;--c0:#58a6ff;--c1:#ffa657;--c2:#3fb950;--c3:#bc8cff;
--c4:#ff7bce;--c5:#d29922;--c6:#8b949e;--c7:#39c5cf}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:60rem;padding:1.5rem 1rem 4rem;background:var(--bg);color:var(--fg);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
h1{font-size:1.6rem;margin:0 0 .5rem}h2{font-size:1.2rem;margin:2.2rem 0 .6rem}
p{margin:.4rem 0}.soft{color:var(--soft)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.35rem .6rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left;white-space:normal;min-width:11rem}
th{color:var(--soft);font-weight:600}
.good{color:var(--good);font-weight:600}.bad{color:var(--bad);font-weight:600}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.8rem 1rem;
margin:.8rem 0}
svg{display:block;width:100%;min-width:34rem;height:auto;background:var(--card);
border:1px solid var(--line);border-radius:8px}
svg text{fill:var(--fg);font:12px system-ui,sans-serif}svg .tick{fill:var(--soft)}
svg .axis{font-size:13px}svg .grid{stroke:var(--line);stroke-width:1}
svg .line{fill:none;stroke-width:2}svg .band{opacity:.18}
""" + "".join(f".s{n}{{stroke:var(--c{n})}}.f{n}{{fill:var(--c{n})}}\n" for n in range(8))

CHARTS = {
    "Throughput against latency": (
        "Right is more, up is slower. The open loop counts from the time at which a request should "
        "have been sent, so a stall is in it."
    ),
    "Latency percentiles": "What one request of two, of a hundred, of ten thousand waits for.",
    "CPU of a payment": (
        "Where the time of the cores goes. The generator shares the machine; on a server of "
        "its own it does not."
    ),
    "Scaling": (
        "The Universal Scalability Law over connections, with 90 % confidence by bootstrap. What "
        "lies right of the last point is extrapolated, not measured."
    ),
    "Growth": "What more payments in the tables cost.",
}


def page(documents: Sequence[Mapping[str, Any]], title: str) -> str:
    """Return the whole file."""
    runs = charts.runs_of(documents)
    parts = [f"<h1>{escape(title)}</h1>", _about(documents, runs)]
    parts += [_bench(one) for one in documents if _is(one, "bench")]
    parts += [_check(one) for one in documents if _is(one, "check")]
    drawn = {
        "Throughput against latency": charts.throughput(runs),
        "Latency percentiles": charts.percentiles(runs),
        "CPU of a payment": charts.cpu(runs),
        "Scaling": charts.scaling(documents),
        "Growth": charts.growth(documents) + charts.grown_throughput(documents),
    }
    for head, drawing in drawn.items():
        if drawing:
            parts.append(f"<h2>{head}</h2><p class=soft>{CHARTS[head]}</p>")
            parts.append(f"<div class=scroll>{drawing}</div>")
    if runs:
        parts.append(_runs(runs))
    body = "\n".join(part for part in parts if part)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n"
        "</body>\n</html>\n"
    )


def _is(document: Mapping[str, Any], verb: str) -> bool:
    return str(document.get("format", "")).startswith(f"rizzpay-capacity {verb}")


def _about(
    documents: Sequence[Mapping[str, Any]], runs: Sequence[tuple[str, Mapping[str, Any]]]
) -> str:
    facts: Mapping[str, Any] = next((one["machine"] for one in documents if _is(one, "bench")), {})
    said = []
    if facts:
        said.append(
            f"{facts['model']}, {facts['cores']} cores, {facts['memory_gib']} GiB, "
            f"kernel {facts['kernel']}"
        )
    if runs:
        first = runs[0][1]
        said.append(f"begun {first['started_at']}, {first['cores']} cores used")
        durable = first["durable"]
        said.append(
            "durable: "
            + ", ".join(
                f"{name} {durable[name]}"
                for name in ("fsync", "synchronous_commit", "full_page_writes")
            )
        )
    return "".join(f"<p class=soft>{escape(one)}</p>" for one in said)


def _bench(document: Mapping[str, Any]) -> str:
    rows = []
    for figure in table.FIGURES:
        one = document.get(figure.key)
        if one is None:
            continue
        sign = "≥" if figure.better == "more" else "≤"
        verdict = figure.verdict(one["median"])
        look = "bad" if verdict == "MISSED" else "good"
        rows.append(
            f"<tr><td>{escape(figure.name)}<td>{sign} {figure.bar:g} {figure.unit}"
            f"<td>{sign} {figure.goal:g} {figure.unit}<td>{one['median']:,.2f}"
            f"<td>{one['min']:,.2f} … {one['max']:,.2f}<td class={look}>{verdict}</tr>"
        )
    head = "<tr><th>figure<th>bar<th>goal<th>median<th>min … max<th>verdict</tr>"
    notes = "".join(f'<p class="bad">{escape(one)}</p>' for one in document["reasons"])
    rounds = len(document["rounds"])
    return (
        f"<h2>Against pgbench</h2><p class=soft>Medians of {rounds} alternating rounds, the same "
        f"PostgreSQL, generator on the same machine.</p>"
        f"<div class=scroll><table>{head}{''.join(rows)}</table></div>{notes}"
    )


def _check(document: Mapping[str, Any]) -> str:
    first, *rest = judging.lines(document)
    look = "good" if document["passed"] else "bad"
    told = "".join(f"<p>{escape(line)}</p>" for line in rest)
    return f'<h2>Check</h2><div class=card><p class="{look}">{escape(first)}</p>{told}</div>'


def _runs(runs: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    rows = []
    for name, run in runs:
        cuts = next(iter(run["latency_ms"].values()))["percentiles"]
        shown = "".join(
            f"<td>{cuts[share]:.1f}" if share in cuts else "<td>–" for share in ("50", "99", "99.9")
        )
        others = run["cpu_share"].get("others", 0.0)
        reasons = "; ".join(run["reasons"])
        result = (
            "<td class=good>yes" if run["result"] else f'<td class=bad title="{escape(reasons)}">no'
        )
        rows.append(
            f"<tr><td>{escape(name)}<td>{run['per_second']:,.0f}{shown}"
            f"<td>{others:.2f}<td>{run['stolen_share']:.2f}{result}</tr>"
        )
    head = (
        "<tr><th>run<th>a second<th>p50 ms<th>p99 ms<th>p99.9 ms<th>other work, cores"
        "<th>stolen, cores<th>result</tr>"
    )
    return f"<h2>All runs</h2><div class=scroll><table>{head}{''.join(rows)}</table></div>"
