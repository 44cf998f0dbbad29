"""`rizzpay-capacity report`: one HTML file with plots from the JSON files of the other verbs."""

import json
from pathlib import Path
from typing import Any

import click

from capacity.errors import WrongUse
from capacity.report import page

KNOWN = ("rizzpay-capacity run", "rizzpay-capacity check", "rizzpay-capacity bench")


@click.command("report")
@click.option(
    "--json",
    "files",
    type=click.Path(path_type=Path, dir_okay=False),
    multiple=True,
    required=True,
    help="A file that load, check, bench or grow wrote; may be repeated.",
)
@click.option("--html", type=click.Path(path_type=Path), required=True, help="The file to write.")
@click.option("--title", default="RizzPay capacity", show_default=True)
def command(*, files: tuple[Path, ...], html: Path, title: str) -> None:
    """Draw throughput, latency, CPU, scaling and growth into one file that needs nothing else."""
    text = page.page([_read(file) for file in files], title)
    try:
        html.write_text(text)
    except OSError as error:
        raise WrongUse(f"{html}: {error.strerror}") from None


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text())
    except OSError as error:
        raise WrongUse(f"{file}: {error.strerror}") from None
    except ValueError as error:
        raise WrongUse(f"{file}: not JSON: {error}") from None
    if not isinstance(found, dict):
        raise WrongUse(f"{file}: a JSON object is needed")
    kind = str(found.get("format", ""))
    if not kind.startswith(KNOWN) and not {"payments", "tables"} <= found.keys():
        raise WrongUse(f"{file} is no file of load, check, bench or grow")
    return found
