"""The report as one HTML page: needs nothing else, prints, and can be read by ear; pure."""

from collections.abc import Iterator, Sequence
from html import escape

from rizzpay.compliance.model import NO_HOST, OPEN, Evidence, Result, Status
from rizzpay.compliance.report import Report

WORDS = {
    Status.PASSED: "passed",
    Status.FAILED: "FAILED",
    Status.ERROR: "NOT TRIED",
    Status.WAIVED: "waived",
    Status.NOT_APPLICABLE: "not applicable",
    Status.NEEDS_ATTESTATION: "needs attestation",
}
# What has to be looked at first stands first.
ORDER = (
    Status.FAILED,
    Status.ERROR,
    Status.NEEDS_ATTESTATION,
    Status.WAIVED,
    Status.NOT_APPLICABLE,
    Status.PASSED,
)
STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff;
  max-width: 72rem; margin: 0 auto; padding: 1rem; }
a.skip { position: absolute; left: -99rem; } a.skip:focus { left: 1rem; background: #fff; }
:focus-visible { outline: 3px solid #1a56b0; outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem; }
caption { text-align: left; font-weight: 600; padding: .25rem 0; }
th, td { border: 1px solid #767676; padding: .3rem .5rem; text-align: left; vertical-align: top; }
th { background: #f0f0f0; }
.failed, .error { font-weight: 700; color: #8a0000; } .passed { color: #0b5a1e; }
.waived, .needs-attestation { color: #6b4400; font-weight: 600; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #f5f5f5; padding: .5rem; }
code { overflow-wrap: anywhere; }
@media print { details { display: block; } nav { display: none; } article { break-inside: avoid; } }
"""


def encode(report: Report) -> bytes:
    """Return the bytes of the page."""
    return "\n".join(_page(report)).encode() + b"\n"


def _page(report: Report) -> Iterator[str]:
    title = f"RizzPay compliance report {escape(report.id)}"
    yield f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{title}</title>'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<style>{STYLE}</style></head>\n<body>"
    yield '<a class="skip" href="#results">Skip to the results</a>'
    yield f"<header><h1>{title}</h1>"
    verdict = (
        "Nothing failed and nothing was left untried."
        if report.clean
        else "Controls failed or could not be tried: see below."
    )
    yield f'<p class="{"passed" if report.clean else "failed"}">{verdict}</p></header>\n<main>'
    yield from _head(report)
    yield from _hosts(report)
    yield from _changes(report)
    yield '<section id="results"><h2>Results</h2>'
    for status in ORDER:
        yield from _group(report, status)
    yield "</section></main>\n<footer><p>The digest of every file of this report is signed in"
    yield " <code>signature.json</code>; <code>rizzpay compliance verify</code> checks it.</p>"
    yield "</footer>\n</body>\n</html>"


def _head(report: Report) -> Iterator[str]:
    facts = {
        "Made": report.made_at,
        "Tried": f"{report.started_at} to {report.finished_at}",
        "Inventory": report.inventory + (f", limited to {report.limit}" if report.limit else ""),
        "Catalogue": f"{len(report.controls)} controls, SHA-256 {report.catalogue_sha256}",
        "Tools": ", ".join(f"{name} {version}" for name, version in sorted(report.tools.items())),
    }
    yield "<section><h2>Summary</h2>"
    yield _table("This report", (), [(name, escape(text)) for name, text in facts.items()])
    rows = [(WORDS[status], str(report.summary.get(status, 0))) for status in ORDER]
    yield _table("Verdicts, a control on a host each", ("Verdict", "Number"), rows)
    yield "</section>"


def _hosts(report: Report) -> Iterator[str]:
    rows = [
        (
            escape(host.name),
            escape(", ".join(host.groups)),
            escape(host.system or "did not answer"),
            escape(host.kernel),
            escape(host.release),
        )
        for host in report.hosts
    ]
    yield "<section><h2>Hosts</h2>"
    yield _table("Hosts of the inventory", ("Host", "Groups", "System", "Kernel", "Release"), rows)
    yield "</section>"


def _changes(report: Report) -> Iterator[str]:
    if report.compared is None:
        return
    yield f"<section><h2>Since report {escape(report.compared.report)}</h2>"
    rows = [
        (escape(one.control), escape(one.host), one.before or "none", one.after or "none")
        for one in report.compared.changed
    ]
    if rows:
        yield _table("Verdicts that changed", ("Control", "Host", "Before", "Now"), rows)
    else:
        yield "<p>No verdict changed.</p>"
    yield "</section>"


def _group(report: Report, status: Status) -> Iterator[str]:
    results = [result for result in report.results if result.status is status]
    if not results:
        return
    word = WORDS[status].capitalize()
    yield f'<section id="{status}"><h3>{word} ({len(results)})</h3>'
    for result in results:
        yield from _article(report, result)
    yield "</section>"


def _article(report: Report, result: Result) -> Iterator[str]:
    control = report.controls[result.control]
    where = "" if result.host == NO_HOST else f" on {escape(result.host)}"
    yield f"<article><h4>{escape(result.control)}{where}: {escape(control.title)}</h4>"
    yield f'<p><span class="{result.status}">{WORDS[result.status]}</span>, {control.severity}.'
    yield f" {escape(result.reason)}</p>"
    yield f"<p>{escape(control.rationale)} <em>{escape('; '.join(control.refs))}</em></p>"
    if result.status in OPEN:
        yield f"<p><strong>Remedy:</strong> {escape(control.remedy)}</p>"
    if result.evidence:
        told = f"Evidence of {escape(result.at)}, {len(result.evidence)} commands"
        yield f"<details><summary>{told}</summary>"
        yield from map(_evidence, result.evidence)
        yield "</details>"
    yield "</article>"


def _evidence(one: Evidence) -> str:
    head = f"<code>{escape(one.command)}</code> ended with {one.exit_status}; output SHA-256"
    return f"<p>{head} <code>{one.sha256}</code></p><pre>{escape(one.excerpt)}</pre>"


def _table(caption: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a table; without columns the first cell of each row heads it. Cells are HTML."""
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    lines = [f"<caption>{caption}</caption>", f"<tr>{head}</tr>" if head else ""]
    for first, *rest in rows:
        cells = "".join(f"<td>{cell}</td>" for cell in rest)
        lines.append(f'<tr><th scope="row">{first}</th>{cells}</tr>')
    return f"<table>{''.join(lines)}</table>"
