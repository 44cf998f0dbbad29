"""`rizzpay routing`: take gateways away for a time, and look at how payments were routed.

Runs with the worker's role. What is declared here is in the trail with the operator's name, and
every process follows within about a second.
"""

import getpass
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table

from rizzpay import config
from rizzpay.commands import routing_day
from rizzpay.core import clock, ids
from rizzpay.core.errors import Refused
from rizzpay.gateways import catalog, router
from rizzpay.gateways.health import Downtime, Health
from rizzpay.gateways.routing import deciding
from rizzpay.gateways.rule_sets import RuleSets
from rizzpay.infra.database import Database, Role
from rizzpay.infra.http_client import HttpClient
from rizzpay.payments import decisions

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
MOMENT = click.DateTime(["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"])
NOT_KEPT = (
    "Nothing is kept of this attempt: there is none, or it went by the order of the settings while "
    "every gateway was well and no rules were in force."
)
COLUMNS = ("id", "gateway", "method", "starts_at", "ends_at", "reason", "declared_by")


@dataclass(frozen=True, slots=True)
class Desk:
    """What the commands work with; `actor` is how the audit trail names the operator."""

    gateways: catalog.Gateways
    health: Health
    database: Database
    actor: str


def open_desk(config_path: Path) -> Desk:
    """Open the database and read the settings; raises Misconfigured or Unavailable."""
    settings = config.load(config_path)
    database = Database(settings.database, Role.WORKER, size=1)
    click.get_current_context().call_on_close(database.close)
    gateways = catalog.build(settings, HttpClient())
    return Desk(
        gateways,
        router.build(settings.routing, database, gateways).health,
        database,
        f"operator:{os.environ.get('SUDO_USER') or getpass.getuser()}",
    )


@click.group("routing")
def command() -> None:
    """Take gateways away for a time, and look at how payments were routed."""


command.add_command(routing_day.command)


@command.group("downtime")
def downtime() -> None:
    """Declare, show and end times in which a gateway takes no payments."""


@downtime.command("declare")
@click.argument("gateway")
@click.option("--method", help="Only this method, as `rizzpay gateways` names it. Default: all.")
@click.option("--start", type=MOMENT, help="UTC. Default: now.")
@click.option("--end", type=MOMENT, help="UTC. Default: until it is ended.")
@click.option("--reason", required=True, help="For colleagues, merchants and the trail.")
@AS_JSON
@click.pass_obj
def declare(  # noqa: PLR0913 - one option each
    config_path: Path,
    gateway: str,
    *,
    method: str | None,
    start: datetime | None,
    end: datetime | None,
    reason: str,
    as_json: bool,
) -> None:
    """Take a gateway away: no new payment goes there, what is under way goes on."""
    desk = open_desk(config_path)
    _check_place(desk.gateways, gateway, method)
    now = clock.now()
    wanted = Downtime(
        id=ids.new_id("downtime", now),
        gateway=gateway,
        method=method,
        starts_at=start.replace(tzinfo=UTC) if start else now,
        ends_at=end.replace(tzinfo=UTC) if end else None,
        reason=_one_line(reason),
        declared_by=desk.actor,
        declared_at=now,
    )
    desk.health.declare(wanted)
    _show([_line(wanted)], as_json=as_json)


@downtime.command("list")
@AS_JSON
@click.pass_obj
def list_downtimes(config_path: Path, *, as_json: bool) -> None:
    """Show the downtimes that are or will be."""
    desk = open_desk(config_path)
    _show([_line(it) for it in desk.health.downtimes()], as_json=as_json)


@downtime.command("end")
@click.argument("downtime_id")
@AS_JSON
@click.pass_obj
def end_downtime(config_path: Path, downtime_id: str, *, as_json: bool) -> None:
    """End a downtime now; one that has not begun never will."""
    desk = open_desk(config_path)
    desk.health.end(downtime_id, desk.actor)
    click.echo(json.dumps({"ended": downtime_id}) if as_json else f"{downtime_id} is over")


@command.command("replay")
@click.argument("attempt_id")
@AS_JSON
@click.pass_obj
def replay(config_path: Path, attempt_id: str, *, as_json: bool) -> None:
    """Decide again how an attempt was routed, from what was kept, and compare.

    Exit status: 0 the same, 1 another one, or nothing is kept of this attempt.
    """
    desk = open_desk(config_path)
    with desk.database.transaction() as conn:
        record = decisions.get(conn, attempt_id)
    if record is None:
        raise Refused("not_found", NOT_KEPT)
    rule_set = router.NO_RULES
    if record.version:
        rule_set = RuleSets(desk.database).of(record.version).rule_set
    made = deciding.again(record, {record.version: rule_set})
    told = {
        "identical": made == record.decision,
        "version": record.version,
        "inputs": msgspec.to_builtins(record.inputs),
        "decision": msgspec.to_builtins(record.decision),
        "replayed": msgspec.to_builtins(made),
    }
    if as_json:
        click.echo(json.dumps(told))
    else:
        _print_replay(told)
    click.get_current_context().exit(0 if told["identical"] else 1)


def _print_replay(told: dict[str, Any]) -> None:
    decision, inputs = told["decision"], told["inputs"]
    click.echo("identical" if told["identical"] else "NOT identical")
    click.echo(f"  rules      version {told['version']}, {decision['rule'] or 'none met'}")
    click.echo(f"  strategy   {decision['strategy']}: {decision['why']}")
    click.echo(f"  gateways   {', '.join(decision['gateways'])}")
    click.echo(f"  eligible   {', '.join(inputs['eligible'])}")
    for gateway, standing in inputs["ill"].items():
        click.echo(f"  left out   {gateway}: {standing}")
    if not told["identical"]:
        click.echo(f"  replayed   {', '.join(told['replayed']['gateways'])}")


def _check_place(gateways: catalog.Gateways, name: str, method: str | None) -> None:
    """Raise Refused(invalid_request) for what the settings do not have."""
    if name not in gateways:
        known = ", ".join(gateways.by_name) or "none"
        raise Refused("invalid_request", f"There is no gateway {name}; there are: {known}.")
    methods = gateways.get(name).capability.methods
    if method is not None and method not in methods:
        raise Refused("invalid_request", f"{name} takes {', '.join(sorted(methods))}.")


def _one_line(reason: str) -> str:
    text = " ".join(reason.split())
    if not 1 <= len(text) <= 200:  # noqa: PLR2004 - as the table says
        raise Refused("invalid_request", "The reason has 1 to 200 characters.")
    return text


def _line(it: Downtime) -> dict[str, Any]:
    return {
        "id": it.id,
        "gateway": it.gateway,
        "method": it.method,
        "starts_at": it.starts_at.isoformat(timespec="seconds"),
        "ends_at": it.ends_at.isoformat(timespec="seconds") if it.ends_at else None,
        "reason": it.reason,
        "declared_by": it.declared_by,
    }


def _show(lines: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"downtimes": lines}))
        return
    table = Table()
    for name in COLUMNS:
        table.add_column(name.replace("_", " "), overflow="fold")
    for line in lines:
        table.add_row(*("" if line[name] is None else str(line[name]) for name in COLUMNS))
    Console().print(table)
