"""`rizzpay partitions`: which month lies where, how large it is, and whether something is wrong.

Reads with the worker's role. `--keep` does at once what the worker does every hour.
"""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from rizzpay import config
from rizzpay.core import clock
from rizzpay.infra import partitions
from rizzpay.infra.database import Database, Role
from rizzpay.infra.partitions import Kept, Partition

MIB = 1024 * 1024


@click.command("partitions")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--keep", is_flag=True, help="First adopt, make ahead and drop what is due.")
@click.pass_obj
def command(config_path: Path, *, as_json: bool, keep: bool) -> None:
    """Show the partitions of events and deliveries.

    Exit status: 0 fine, 1 rows have no month yet or a table was busy; try --keep.
    """
    settings = config.load(config_path)
    database = Database(settings.database, Role.WORKER, size=1)
    context = click.get_current_context()
    context.call_on_close(database.close)
    now = clock.now()
    kept = partitions.keep(database, now, settings.retention) if keep else Kept()
    with database.transaction() as conn:
        found = partitions.partitions(conn)
    if as_json:
        rows = [asdict(one) for one in found]
        click.echo(json.dumps({"kept": asdict(kept), "partitions": rows}, default=_time))
    else:
        _print(found, kept)
    context.exit(1 if kept.put_off or any(partitions.rest_bytes(found).values()) else 0)


def _print(found: list[Partition], kept: Kept) -> None:
    for word, names in asdict(kept).items():
        for name in names:
            click.echo(f"{word.replace('_', ' ')} {name}")
    table = Table("partition", "from", "until", "rows, about", "MiB", "with indexes", box=None)
    for one in found:
        table.add_row(
            one.name,
            _day(one.since),
            _day(one.until),
            f"{one.rows_estimated:,}",
            f"{one.heap_bytes / MIB:,.1f}",
            f"{one.total_bytes / MIB:,.1f}",
        )
    Console().print(table)


def _day(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d}" if at else "-"


def _time(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)
