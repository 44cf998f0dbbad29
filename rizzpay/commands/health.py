"""`rizzpay health`: is everything here, as the service's own readiness sees it?"""

import json
from pathlib import Path

import click
import msgspec

from rizzpay import config
from rizzpay.api.objects import ReadyObject
from rizzpay.api.readiness import Neighbours, Readiness
from rizzpay.gateways import catalog
from rizzpay.infra.cache import Cache
from rizzpay.infra.database import Database, Role
from rizzpay.infra.hsm.client import HsmClient
from rizzpay.infra.http_client import HttpClient

STATUS = {"ready": 0, "degraded": 1, "unavailable": 3}


@click.command("health")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def command(config_path: Path, *, as_json: bool) -> None:
    """Look at PostgreSQL, cache, HSM, disk, clock and gateways.

    Exit status: 0 ready, 1 degraded (payments go on), 3 unavailable.
    """
    settings = config.load(config_path)
    database = Database(settings.database, Role.APP, size=1)
    context = click.get_current_context()
    context.call_on_close(database.close)
    neighbours = Neighbours(
        database=database,
        cache=Cache(settings.cache),
        hsm=HsmClient(settings.hsm.socket),
        gateways=catalog.build(settings, HttpClient()),
    )
    found = Readiness(neighbours, settings.service).look()
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(found)))
    else:
        _print(found)
    context.exit(STATUS[found.status])


def _print(found: ReadyObject) -> None:
    click.echo(found.status)
    for name, check in found.checks.items():
        click.echo(f"  {name:20} {check.state:9} {check.detail}")
    for name, check in found.gateways.items():
        click.echo(f"  gateway {name:12} {check.state:9} {check.detail}")
