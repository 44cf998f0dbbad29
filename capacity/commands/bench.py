"""`rizzpay-capacity bench`: our payments against raw pgbench, on a small appliance of its own."""

import json
import sys
import time
from pathlib import Path

import click

from capacity.bench import appliance, rounds, table
from capacity.errors import CapacityError

# One for each core, as on a server. Measured in turn on two cores, 2026-11-21: with one, groups are
# twice as large and a collect costs some 6 % less; but what stalls it stalls everybody, so that p99
# at 3,000/s is two to three times higher, and creates are no faster.
WORKERS = 2


@click.command("bench")
@click.option("--quick", is_flag=True, help="Two rounds in under four minutes instead of five.")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=WORKERS,
    show_default=True,
    help="API workers of the appliance.",
)
@click.option(
    "--json", "file", type=click.Path(path_type=Path), help="Write all figures to this file."
)
def command(*, quick: bool, workers: int, file: Path | None) -> None:
    """Start a small appliance, compare its payments with pgbench's transactions, stop it.

    Everything runs on this machine and on the same PostgreSQL, alternating: pgbench at its best of
    8, 16 and 32 clients, `create` and `collect` through HAProxy with TLS 1.3, `create` without
    group commit, at 3,000/s in open loop, and alone. Exit status 1 when a bar is missed or a
    run is no result. The full run takes under twenty minutes.
    """
    began = time.monotonic()

    def say(text: str) -> None:
        sys.stderr.write(f"{time.monotonic() - began:6.1f} s  {text}\n")
        sys.stderr.flush()

    try:
        say("starting a small appliance")
        with appliance.running(workers) as running:
            found = rounds.run(running, rounds.QUICK if quick else rounds.FULL, say)
    except KeyboardInterrupt:
        raise CapacityError("interrupted before there was a figure") from None
    found["workers"] = workers
    found["seconds"] = round(time.monotonic() - began, 1)
    if file is not None:
        file.write_text(json.dumps(found, indent=1) + "\n")
    if not found["rounds"]:
        raise CapacityError("interrupted before there was a figure")
    click.echo("\n".join(table.lines(found)))
    click.echo(f"durable: {', '.join(f'{k} {v}' for k, v in found['durable'].items())}")
    for reason in found["reasons"]:
        click.echo(f"NO RESULT: {reason}")
    if found["interrupted"]:
        click.echo(f"interrupted after {len(found['rounds'])} rounds")
    good = found["result"] and not table.missed(found)
    click.get_current_context().exit(0 if good else 1)
