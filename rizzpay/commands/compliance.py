"""`rizzpay compliance`: try the controls on every host of an inventory, report, sign, verify.

`run`, `list` and `verify` belong on the machine from which the site is administered; `verify`
needs neither network nor installation. `sign` belongs on a host with the HSM: `run` calls it there.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

import rizzpay
from rizzpay.compliance import collecting, publishing, reading, report, sealing, signing
from rizzpay.compliance.model import NO_HOST, OPEN, Status
from rizzpay.compliance.page import ORDER, WORDS
from rizzpay.compliance.report import Report
from rizzpay.core import clock
from rizzpay.core.errors import Misconfigured

CONTROLS = Path(rizzpay.__file__).resolve().parents[1] / "tests" / "compliance"
COLOURS = {
    Status.PASSED: "green",
    Status.FAILED: "bold red",
    Status.ERROR: "bold red",
    Status.WAIVED: "yellow",
    Status.NEEDS_ATTESTATION: "yellow",
    Status.NOT_APPLICABLE: "dim",
}

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
DIRECTORY = click.option(
    "--controls-from",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="RIZZPAY_CONTROLS",
    default=CONTROLS,
    help="The release's tests/compliance; also RIZZPAY_CONTROLS.",
)


@click.group("compliance")
def command() -> None:
    """Show that every host is as it has to be: controls, evidence, signed report."""


@command.command("list")
@DIRECTORY
@AS_JSON
def list_all(controls_from: Path, *, as_json: bool) -> None:
    """Show the catalogue of controls."""
    controls = reading.catalogue(controls_from / "catalogue")
    if as_json:
        rows = {name: _control_view(control) for name, control in controls.items()}
        click.echo(json.dumps({"controls": rows, "sha256": report.digest_of(controls)}))
        return
    for name, control in controls.items():
        click.echo(f"{name:<14}{control.severity:<10}{control.title}")
        click.echo(f"{'':<24}{'; '.join(control.refs)}")
    people = sum(bool(control.attestation) for control in controls.values())
    click.echo(f"{len(controls)} controls, {people} of them need a person")


@command.command("run")
@click.option(
    "-i",
    "--inventory",
    type=click.Path(path_type=Path),
    required=True,
    help="The Ansible inventory of the site.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("compliance-reports"),
    show_default=True,
    help="Keep reports here, a directory each.",
)
@click.option(
    "--waivers",
    "waiver_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Dated exceptions, in TOML.",
)
@click.option("--limit", default="", help="Only hosts of this Ansible pattern.")
@click.option("--control", "only", multiple=True, help="Only this id; may be repeated.")
@click.option("--diff", is_flag=True, help="Compare with the newest report in --output.")
@click.option(
    "--sign-on",
    default="",
    metavar="HOST",
    help="Have this host's HSM sign; otherwise the first host of the group apis.",
)
@click.option("--unsigned", is_flag=True, help="Do not sign: for a trial, proves nothing.")
@DIRECTORY
@AS_JSON
def run(
    *,
    inventory: Path,
    output: Path,
    waiver_file: Path | None,
    controls_from: Path,
    as_json: bool,
    **choice: Any,
) -> None:
    """Try every control on every host it is about and write a signed report.

    Exit status 1 when a control failed or could not be tried.
    """
    now = clock.now()
    controls = reading.catalogue(controls_from / "catalogue")
    waivers = reading.waivers(waiver_file, controls, now.date()) if waiver_file else ()
    controls = _chosen(controls, choice["only"])
    before = publishing.newest(output) if choice["diff"] else None
    task = collecting.Task(controls_from, inventory, choice["limit"], tuple(choice["only"]))
    with tempfile.TemporaryDirectory() as directory, _progress(shown=not as_json) as progress:
        collected = collecting.run(task, Path(directory) / "evidence", progress)
    made = report.build(collected, controls, waivers, clock.now(), inventory.name)
    if before is not None:
        made = report.compare(made, before)
    place = publishing.write(made, output)
    if not choice["unsigned"]:
        signer = choice["sign_on"] or _signer(made)
        statement = publishing.statement(made, place, clock.now())
        publishing.seal(place, statement, sealing.ask(task, signer, statement))
    _tell(made, place, as_json=as_json)
    if not made.clean:
        raise click.exceptions.Exit(1)


@command.command("verify")
@click.argument("directory", metavar="REPORT", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--fingerprint",
    default="",
    help="SHA-256 of the key that has to have signed, as written down at the key ceremony.",
)
@AS_JSON
def verify(directory: Path, *, fingerprint: str, as_json: bool) -> None:
    """Check that nothing of REPORT, a directory, was changed since it was signed.

    Needs no network and no installation. Exit status 1 when anything is wrong.
    """
    place = directory if directory.is_dir() else directory.parent
    signed = signing.verify(place, fingerprint)
    told = {
        "report": signed.statement.report,
        "signed_at": signed.statement.signed_at,
        "clean": signed.statement.clean,
        "key_label": signed.seal.key_label,
        "fingerprint": signing.fingerprint(signed.seal),
        "pinned": bool(fingerprint),
        "files": sorted(signed.statement.files),
    }
    if as_json:
        click.echo(json.dumps(told))
        return
    click.echo(f"report {told['report']}, signed {told['signed_at']} by {told['key_label']}")
    click.echo(f"fingerprint of the key: {told['fingerprint']}")
    if not fingerprint:
        click.echo("compare it with the one that was written down, or give it with --fingerprint")
    click.echo("nothing was changed since")


@command.command("sign")
@AS_JSON
@click.pass_obj
def sign(config_path: Path, *, as_json: bool) -> None:
    """Sign the statement on standard input with the HSM of this host, and note it in the trail.

    For root and the service's accounts on a host with the HSM; `run` calls it there.
    """
    statement = signing.read_statement(sys.stdin.read())
    seal = sealing.sign_here(config_path, statement)
    if as_json:
        click.echo(json.dumps(seal))
    else:
        click.echo("\n".join(f"{name} {value}" for name, value in seal.items()))


@command.command("public-key")
@AS_JSON
@click.pass_obj
def public_key(config_path: Path, *, as_json: bool) -> None:
    """Print the fingerprint of the key that signs reports: write it down at the key ceremony."""
    label, fingerprint = sealing.active_key(config_path)
    told = {"label": label, "fingerprint": fingerprint}
    click.echo(json.dumps(told) if as_json else f"{label} {fingerprint}")


def _chosen(controls: Any, only: tuple[str, ...]) -> Any:
    unknown = sorted(set(only) - set(controls))
    if unknown:
        raise Misconfigured(f"the catalogue knows no {', '.join(unknown)}")
    return {name: controls[name] for name in controls if not only or name in only}


def _signer(made: Report) -> str:
    for host in made.hosts:
        if "apis" in host.groups and host.release:
            return host.name
    raise Misconfigured("no host of the group apis can sign; name one with --sign-on")


def _control_view(control: Any) -> dict[str, Any]:
    return {name: getattr(control, name) for name in control.__struct_fields__}


@contextmanager
def _progress(*, shown: bool) -> Iterator[collecting.Progress]:
    """Show a bar to whoever watches a terminal; nobody else."""
    if not (shown and sys.stderr.isatty()):
        yield lambda _, __: None
        return
    columns = ("trying controls", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("checks", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)


def _tell(made: Report, place: Path, *, as_json: bool) -> None:
    if as_json:
        summary = {str(status): count for status, count in made.summary.items()}
        wrong = [
            {"control": one.control, "host": one.host, "status": one.status, "reason": one.reason}
            for one in made.results
            if one.status in OPEN
        ]
        told = {"report": str(place), "clean": made.clean, "summary": summary, "open": wrong}
        click.echo(json.dumps(told))
        return
    console = Console(highlight=False, soft_wrap=True)
    table = Table("control", "host", "verdict", "severity", "why", title=f"report {made.id}")
    for status in ORDER:
        if status in {Status.PASSED, Status.NOT_APPLICABLE}:
            continue
        for one in made.results:
            if one.status is status:
                word = f"[{COLOURS[status]}]{WORDS[status]}[/]"
                severity = made.controls[one.control].severity
                where = "" if one.host == NO_HOST else one.host
                table.add_row(one.control, where, word, severity, one.reason.replace("[", "\\["))
    if table.row_count:
        console.print(table)
    for changed in made.compared.changed if made.compared else ():
        console.print(f"{changed.control} {changed.host}: {changed.before} → {changed.after}")
    counted = ", ".join(
        f"{made.summary.get(status, 0)} {WORDS[status].lower()}" for status in ORDER
    )
    console.print(f"{len(made.controls)} controls on {len(made.hosts)} hosts: {counted}")
    console.print(f"written to {place}")
