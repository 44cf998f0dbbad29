"""`rizzpay-capacity plan`: what should run where on this machine, and with which settings?"""

import json
from pathlib import Path

import click

from capacity import documents
from capacity.errors import WrongUse
from capacity.machine import Machine
from capacity.probe import whole as probing
from capacity.sizing import costs as costing
from capacity.sizing import whole
from capacity.sizing.plan import Costs, Plan

EXIT_REFUSED = 1


@click.command("plan")
@click.option(
    "--target-tps",
    type=int,
    required=True,
    help="Payments a second on an ordinary day.",
)
@click.option(
    "--peak",
    type=float,
    default=3.0,
    show_default=True,
    help="The festival: so many times an ordinary day.",
)
@click.option(
    "--machine",
    "machine_file",
    type=click.Path(path_type=Path),
    help="Document of `probe`, - for standard input. Default: this machine, its disk unmeasured.",
)
@click.option(
    "--costs",
    "costs_file",
    type=click.Path(path_type=Path),
    help="Document of `check`: CPU per payment as measured here. Default: built-in figures.",
)
@click.option(
    "--debian",
    type=int,
    default=12,
    show_default=True,
    help="Release that will run: 12 (PostgreSQL 15, HAProxy 2.6) or 13 (17, 3.0).",
)
@click.option(
    "--api-hosts",
    type=int,
    default=1,
    show_default=True,
    help="Hosts like this one that run the service: PostgreSQL has room for all of them.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the document to this file instead of standard output.",
)
def command(  # noqa: PLR0913 - the options of a command
    *,
    target_tps: int,
    peak: float,
    machine_file: Path | None,
    costs_file: Path | None,
    debian: int,
    api_hosts: int,
    output: Path | None,
) -> None:
    r"""Decide which core does what, and every size: pools, PostgreSQL, HAProxy, Valkey, kernel.

    The plan is JSON; each value has its unit, its reason and its source. A machine that does not
    hold the target gets the plan of what it does hold, refusals, and exit status 1.

    \b
    rizzpay-capacity plan --target-tps 1000 --peak 3 --machine machine.json --output plan.json
    rizzpay-capacity probe | rizzpay-capacity plan --target-tps 500 --machine -
    """
    wanted = whole.target(target_tps, peak, debian, api_hosts)
    found = whole.plan(_machine(machine_file), wanted, _costs(costs_file))
    documents.write(found, output)
    _tell(found)
    click.get_current_context().exit(EXIT_REFUSED if found.refusals else 0)


def _machine(file: Path | None) -> Machine:
    return probing.probe(Path("/"), None) if file is None else documents.read_machine(file)


def _costs(file: Path | None) -> Costs:
    if file is None:
        return costing.DEFAULTS
    try:
        found = json.loads(file.read_bytes())
    except OSError as error:
        raise WrongUse(f"{file}: {error.strerror}") from None
    except ValueError as error:
        raise WrongUse(f"{file}: not JSON: {error}") from None
    if not isinstance(found, dict):
        raise WrongUse(f"{file}: not a document of `check`: a JSON object is needed")
    return costing.measured(found, file.name)


def _tell(found: Plan) -> None:
    """Say on standard error what a reader must not overlook in a long document."""
    notices = [("refused", notice) for notice in found.refusals]
    notices += [("warning", notice) for notice in found.warnings]
    for word, notice in notices:
        click.echo(f"{word}: {notice.text} [{notice.code}]", err=True)
