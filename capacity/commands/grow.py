"""`rizzpay-capacity grow`: fill the tables, so that throughput at size can be measured."""

import json
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as Remaining

from capacity.growing import filling
from capacity.growing.filling import Plan, Report

GIB = 1024**3
LARGEST = 10  # tables shown


@click.command("grow")
@click.option(
    "--payments",
    type=click.IntRange(1, 1_000_000_000),
    required=True,
    help="How many made-up payments there shall be in all; what is there already counts.",
)
@click.option(
    "--config",
    "config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="RIZZPAY_CONFIG",
    required=True,
    help="The installation's rizzpay.toml; also RIZZPAY_CONFIG.",
)
@click.option(
    "--merchants",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    help="Merchants that are made for it.",
)
@click.option(
    "--merchant",
    "known",
    multiple=True,
    metavar="ID",
    help="A merchant of yours that gets payments too, and the largest share; may be repeated.",
)
@click.option("--zipf/--even", default=True, help="Shares as of shops in a town, or all the same.")
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=180,
    show_default=True,
    help="The time before now over which they are spread.",
)
@click.option(
    "--streams",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="Connections that write; as many as there are cores to spare.",
)
@click.option(
    "--json", "file", type=click.Path(path_type=Path), help="Also write the result to this file."
)
def command(config: Path, file: Path | None, known: tuple[str, ...], **wanted: int) -> None:
    """Add made-up payments with all that belongs to them, under the service's constraints.

    Refuses a production deployment and a database with live payments. Ctrl-C is safe: run it again
    and it goes on.
    """
    plan = Plan(
        payments=wanted["payments"],
        merchants=wanted["merchants"],
        zipf=bool(wanted["zipf"]),
        days=wanted["days"],
        streams=wanted["streams"],
        known=known,
    )
    where = filling.target(config)
    bar = Progress(
        "payments",
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        Remaining(),
        "{task.fields[rate]}",
        console=Console(stderr=True),
    )
    with bar:
        task = bar.add_task("payments", total=plan.payments, rate="")

        def show(done: int, rate: float) -> None:
            bar.update(task, completed=done, rate=f"{rate:,.0f} a second")

        report = filling.grow(where, plan, show)
    _print(report)
    if file is not None:
        file.write_text(json.dumps(asdict(report), indent=1) + "\n")
    click.get_current_context().exit(0 if report.complete else 1)


def _print(report: Report) -> None:
    rate = report.added / report.seconds if report.seconds else 0.0
    click.echo(
        f"{report.payments:,} payments, {report.added:,} of them now, in {report.seconds:,.0f} s"
        f" ({rate:,.0f} a second)"
    )
    for table in report.tables[:LARGEST]:
        click.echo(f"  {table.name:32} {table.rows:>12,} rows {table.total_bytes / GIB:8.2f} GiB")
    if report.unsealed:
        click.echo("rows of the audit trail are left for the worker to seal")
    if not report.complete:
        click.echo("interrupted; run it again and it goes on")
