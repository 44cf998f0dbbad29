"""`rizzpay merchants`: set merchants up, suspend them, give them tiers and keys.

Runs with the worker's role, which sees every merchant. A key's secret is printed once, when it
is made; nobody can show it again.
"""

import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from rizzpay import config
from rizzpay.commands.operator import operator
from rizzpay.core import clock
from rizzpay.core.tenant import Tenant
from rizzpay.infra import envelope
from rizzpay.infra.database import Database, Role
from rizzpay.infra.hsm.client import HsmClient
from rizzpay.merchants.model import ADMIN_SCOPES, SCOPES, TIERS, ApiKey, NewKey, NewMerchant
from rizzpay.merchants.service import Merchants
from rizzpay.upi.model import is_vpa

Line = dict[str, Any]

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
LIVE = click.option("--live/--test", "livemode", default=False, help="The mode of the key.")
TIER = click.option(
    "--tier",
    type=click.Choice([*TIERS, "enterprise"]),
    default="standard",
    show_default=True,
    help="standard 100 a minute, premium 500, enterprise as given.",
)
PER_MINUTE = click.option(
    "--requests-per-minute",
    type=click.IntRange(1, 10_000_000),
    help="For tier enterprise.",
)


@dataclass(frozen=True, slots=True)
class Desk:
    """What the commands work with; `actor` is how the audit trail names the operator."""

    merchants: Merchants
    actor: str


def open_desk(config_path: Path) -> Desk:
    """Open database and envelope; raises Misconfigured or Unavailable."""
    settings = config.load(config_path)
    database = Database(settings.database, Role.WORKER, size=1)
    click.get_current_context().call_on_close(database.close)
    keys = envelope.load(database, HsmClient(settings.hsm.socket))
    return Desk(Merchants(database, keys), operator())


def _mcc(_: click.Context, __: click.Parameter, code: str) -> str:
    if not re.fullmatch(r"[0-9]{4}", code):
        raise click.BadParameter("four digits, as in 5411")
    return code


def _vpa(_: click.Context, __: click.Parameter, vpa: str | None) -> str | None:
    if vpa is not None and not is_vpa(vpa):
        raise click.BadParameter("name@handle")
    return vpa


@click.group("merchants")
def command() -> None:
    """Set merchants up, suspend them, give them tiers and keys."""


@command.command("create")
@click.option("--name", required=True, help="What payers see.")
@click.option(
    "--mcc", required=True, callback=_mcc, help="Merchant category code, four digits (ISO 18245)."
)
@TIER
@PER_MINUTE
@click.option(
    "--fee-basis-points",
    type=click.IntRange(0, 10_000),
    default=200,
    show_default=True,
    help="Our fee in hundredths of a per cent of what is captured.",
)
@click.option(
    "--gst-basis-points",
    type=click.IntRange(0, 10_000),
    default=1800,
    show_default=True,
    help="GST in hundredths of a per cent of the fee.",
)
@click.option(
    "--late-authorization",
    type=click.Choice(["capture", "refund"]),
    default="capture",
    show_default=True,
    help="What to do with money that comes after a payment was over.",
)
@click.option(
    "--collect-exemption",
    type=click.Choice(["mcc_6012", "mcc_6211", "ios", "erupi", "pa_cb", "mandate_ops"]),
    help="Why UPI collect is permitted; leave out when it is not.",
)
@click.option("--upi-vpa", callback=_vpa, help="The VPA that UPI payments go to.")
@AS_JSON
@click.pass_obj
def create(config_path: Path, /, *, as_json: bool, **wanted: Any) -> None:
    """Set a merchant up. It has no key yet: make one with `keys create`."""
    desk = open_desk(config_path)
    merchant = desk.merchants.create(NewMerchant(**wanted), desk.actor, clock.now())
    _show(asdict(merchant), as_json=as_json)


@command.command("list")
@AS_JSON
@click.pass_obj
def list_all(config_path: Path, *, as_json: bool) -> None:
    """Show all merchants."""
    found = [asdict(merchant) for merchant in open_desk(config_path).merchants.all()]
    if as_json:
        click.echo(json.dumps({"merchants": found}))
    else:
        _print_table(found, ("id", "name", "mcc", "status", "tier", "requests_per_minute"))


@command.command("show")
@click.argument("merchant_id")
@AS_JSON
@click.pass_obj
def show(config_path: Path, merchant_id: str, *, as_json: bool) -> None:
    """Show a merchant."""
    _show(asdict(open_desk(config_path).merchants.get(merchant_id)), as_json=as_json)


@command.command("suspend")
@click.argument("merchant_id")
@AS_JSON
@click.pass_obj
def suspend(config_path: Path, merchant_id: str, *, as_json: bool) -> None:
    """Suspend a merchant: it can read, and make or change nothing, within two seconds."""
    _set_status(config_path, merchant_id, "suspended", as_json=as_json)


@command.command("activate")
@click.argument("merchant_id")
@AS_JSON
@click.pass_obj
def activate(config_path: Path, merchant_id: str, *, as_json: bool) -> None:
    """Let a suspended merchant work again."""
    _set_status(config_path, merchant_id, "active", as_json=as_json)


@command.command("tier")
@click.argument("merchant_id")
@TIER
@PER_MINUTE
@AS_JSON
@click.pass_obj
def tier(
    config_path: Path,
    merchant_id: str,
    *,
    tier: str,
    requests_per_minute: int | None,
    as_json: bool,
) -> None:
    """Change how often a merchant may call."""
    desk = open_desk(config_path)
    merchant = desk.merchants.set_tier(
        merchant_id, tier, requests_per_minute, desk.actor, clock.now()
    )
    _show(asdict(merchant), as_json=as_json)


@command.group("keys")
def keys() -> None:
    """Make, show and revoke a merchant's keys."""


@keys.command("create")
@click.argument("merchant_id")
@LIVE
@click.option("--label", default="", help="What the key is for.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(sorted(SCOPES | ADMIN_SCOPES)),
    help="What it may do; repeatable. Default: everything but routing.",
)
@click.option(
    "--allow",
    "allowed_cidrs",
    multiple=True,
    help="Network that it may be used from, as in 203.0.113.0/24; repeatable. Default: anywhere.",
)
@click.option(
    "--expires-at",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="When it stops working, UTC.",
)
@AS_JSON
@click.pass_obj
def create_key(  # noqa: PLR0913 - one option each
    config_path: Path,
    merchant_id: str,
    *,
    livemode: bool,
    label: str,
    scopes: tuple[str, ...],
    allowed_cidrs: tuple[str, ...],
    expires_at: datetime | None,
    as_json: bool,
) -> None:
    """Make a key and print its secret, this once."""
    desk = open_desk(config_path)
    desk.merchants.get(merchant_id)
    until = expires_at.replace(tzinfo=UTC) if expires_at is not None else None
    new = NewKey(label, scopes or tuple(sorted(SCOPES)), allowed_cidrs, until)
    made = desk.merchants.create_key(
        Tenant(merchant_id, livemode), new, SCOPES | ADMIN_SCOPES, desk.actor, clock.now()
    )
    _show({**_key_line(made.key), "secret": made.secret.reveal()}, as_json=as_json)


@keys.command("list")
@click.argument("merchant_id")
@LIVE
@AS_JSON
@click.pass_obj
def list_keys(config_path: Path, merchant_id: str, *, livemode: bool, as_json: bool) -> None:
    """Show a merchant's keys of one mode, revoked ones too."""
    found = open_desk(config_path).merchants.keys(Tenant(merchant_id, livemode))
    lines = [_key_line(key) for key in found]
    if as_json:
        click.echo(json.dumps({"keys": lines}))
    else:
        _print_table(lines, ("id", "label", "scopes", "expires_at", "revoked_at", "last_used_at"))


@keys.command("revoke")
@click.argument("key_id")
@click.option("--merchant", "merchant_id", required=True, help="Whose key it is.")
@AS_JSON
@click.pass_obj
def revoke_key(config_path: Path, key_id: str, *, merchant_id: str, as_json: bool) -> None:
    """Revoke a key; it stops working everywhere within two seconds."""
    desk = open_desk(config_path)
    tenant = Tenant(merchant_id, key_id.startswith("rk_live_"))
    key = desk.merchants.revoke_key(tenant, key_id, desk.actor, clock.now())
    _show(_key_line(key), as_json=as_json)


def _set_status(config_path: Path, merchant_id: str, status: str, *, as_json: bool) -> None:
    desk = open_desk(config_path)
    merchant = desk.merchants.set_status(merchant_id, status, desk.actor, clock.now())
    _show(asdict(merchant), as_json=as_json)


def _key_line(key: ApiKey) -> Line:
    return {
        "id": key.id,
        "merchant_id": key.tenant.merchant_id,
        "livemode": key.tenant.livemode,
        "label": key.label,
        "scopes": list(key.scopes),
        "allowed_cidrs": list(key.allowed_cidrs),
        "created_at": key.created_at.isoformat(),
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
        "revoked_at": key.revoked_at.isoformat() if key.revoked_at else None,
        "last_used_at": key.last_used_at.isoformat() if key.last_used_at else None,
    }


def _show(line: Line, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(line))
        return
    width = max(len(name) for name in line)
    for name, value in line.items():
        click.echo(f"{name.replace('_', ' '):{width}}  {_cell(value)}")


def _print_table(lines: list[Line], names: tuple[str, ...]) -> None:
    table = Table()
    for name in names:
        table.add_column(name.replace("_", " "), overflow="fold")
    for line in lines:
        table.add_row(*(_cell(line[name]) for name in names))
    Console().print(table)


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(value)
    return "" if value is None else str(value)
