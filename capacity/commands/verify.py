"""`rizzpay-capacity verify`: does this machine run as planned?"""

from pathlib import Path

import click

from capacity import documents
from capacity.errors import WrongUse
from capacity.probe import whole as probing
from capacity.sizing.plan import Plan
from capacity.verify import databases, whole
from capacity.verify.findings import Verification
from capacity.verify.whole import Doors

EXIT_FINDINGS = 1


@click.command("verify")
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path),
    required=True,
    help="Document of `plan`, - for standard input.",
)
@click.option(
    "--database-file",
    type=click.Path(path_type=Path),
    help="File with PostgreSQL's URI or keywords. Default: PGSERVICE, PGHOST … of libpq, if set.",
)
@click.option(
    "--haproxy-socket",
    type=click.Path(path_type=Path),
    help="HAProxy's admin socket.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar="RIZZPAY_CONFIG",
    help="The installation's rizzpay.toml; also RIZZPAY_CONFIG.",
)
@click.option(
    "--root",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path("/"),
    show_default=True,
    help="Read proc/ and sys/ below this directory.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    *,
    plan_file: Path,
    database_file: Path | None,
    haproxy_socket: Path | None,
    config: Path | None,
    root: Path,
    as_json: bool,
) -> None:
    r"""Compare a plan with the machine: kernel, disks, cards, CPUs, programs.

    Each finding says what was wanted, what was found, and the file to look at. What could not be
    compared is listed, too. Exit status: 0 no finding, 1 findings, 2 wrong use, 3 a part that was
    named does not answer.

    \b
    rizzpay-capacity verify --plan plan.json
    PGSERVICE=rizzpay rizzpay-capacity verify --plan plan.json --json
    """
    plan = documents.read(plan_file, Plan)
    if absent := probing.missing(root):
        raise WrongUse(f"{root}: no recording of a machine: {', '.join(absent)} is missing")
    doors = Doors(root, databases.conninfo(database_file), haproxy_socket, config)
    found = whole.verify(plan, doors)
    if as_json:
        click.echo(documents.pretty(found), nl=False)
    else:
        _print(found)
    click.get_current_context().exit(EXIT_FINDINGS if found.findings else 0)


def _print(found: Verification) -> None:
    for finding in found.findings:
        click.echo(f"{finding.setting}: wanted {finding.wanted}, found {finding.found}")
        click.echo(f"    set in {finding.file}; seen in {finding.where}")
    for part in found.unchecked:
        click.echo(f"not checked: {part.what}: {part.reason}")
    click.echo(f"{found.checked} checked, {len(found.findings)} differ")
