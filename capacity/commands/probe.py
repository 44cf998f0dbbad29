"""`rizzpay-capacity probe`: what is this machine? A JSON document on stdout or in a file."""

from pathlib import Path

import click

from capacity import documents
from capacity.errors import WrongUse
from capacity.probe import whole

LIVE = Path("/")


@click.command("probe")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, exists=True, file_okay=False, resolve_path=True),
    default=Path(),
    show_default="the current directory",
    help="Directory on the disk of PostgreSQL's data; its speed is measured.",
)
@click.option("--no-io", is_flag=True, help="Write nothing: leave the disk's speed out.")
@click.option(
    "--root",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=LIVE,
    show_default=True,
    help="Read proc/ and sys/ below this directory: a recording of another machine.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the document to this file instead of standard output.",
)
def command(*, data_dir: Path, no_io: bool, root: Path, output: Path | None) -> None:
    r"""Describe this machine as JSON: CPUs, NUMA, memory, disks, network, clock, limits.

    Needs no privileges and changes nothing. The speed of the disk is measured with a file of
    64 MiB without a name, in under five seconds. What cannot be read is null, and `unread` says
    why.

    \b
    rizzpay-capacity probe --data-dir /var/lib/postgresql --output machine.json
    rizzpay-capacity probe --no-io | rizzpay-capacity plan --target-tps 1000 --machine -
    """
    if absent := whole.missing(root):
        raise WrongUse(f"{root}: no recording of a machine: {', '.join(absent)} is missing")
    measures = not no_io and root == LIVE
    documents.write(whole.probe(root, data_dir if measures else None), output)
