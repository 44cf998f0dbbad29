"""`rizzpay migrate`: bring the database to this release's schema."""

import json
import sys
from pathlib import Path

import click

from rizzpay import config
from rizzpay.infra import migrations

# In an installed release they lie beside the packages, in a checkout beside this one.
PLACES = (Path(sys.prefix), Path(__file__).resolve().parents[2])
DEFAULT_DIRECTORY = next(
    (place for root in PLACES if (place := root / "sql" / "migrations").is_dir()),
    PLACES[0] / "sql" / "migrations",
)


@click.command("migrate")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--dry-run", is_flag=True, help="Say what would be applied and change nothing.")
@click.option(
    "--directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=DEFAULT_DIRECTORY,
    help="Where the migrations lie.",
)
@click.pass_obj
def command(config_path: Path, *, as_json: bool, dry_run: bool, directory: Path) -> None:
    """Apply pending migrations, one transaction each, as the owner's role."""
    settings = config.load(config_path).database
    if dry_run:
        done = migrations.pending(settings, directory)
    else:
        done = migrations.apply(
            settings,
            directory,
            lambda migration: None if as_json else click.echo(f"applied {migration.name}"),
        )
    names = [migration.name for migration in done]
    if as_json:
        click.echo(json.dumps({"dry_run": dry_run, "migrations": names}))
    elif dry_run:
        click.echo("\n".join(f"would apply {name}" for name in names) or "nothing to apply")
    elif not names:
        click.echo("nothing to apply")
