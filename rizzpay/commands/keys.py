"""`rizzpay keys`: make, show, check, rotate and retire the keys of the token and the database.

The commands ask rizzpay-hsmd; none of them sees a key. Rotation is in `key_rotation`.
"""

import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from rizzpay.audit import service as audit
from rizzpay.commands.key_desk import Desk, newest_version, open_desk, options
from rizzpay.commands.key_rotation import rotate
from rizzpay.core import clock
from rizzpay.core.ids import looks_like
from rizzpay.infra import data_keys
from rizzpay.infra.data_keys import WrappedKey
from rizzpay.infra.hsm import checking
from rizzpay.infra.hsm import inventory as labels
from rizzpay.infra.hsm.checking import Finding
from rizzpay.infra.hsm.inventory import Inventory
from rizzpay.infra.hsm.protocol import KeyInfo

Line = dict[str, Any]
STILL_USED = timedelta(days=1)  # running processes look for a new key every minute


@click.group("keys")
def command() -> None:
    """Make, show, check, rotate and retire keys."""


command.add_command(rotate)


@command.command("init")
@options
def init(config_path: Path, *, own_config: Path | None, as_json: bool) -> None:
    """Make the inventory's keys in the token and the data keys, where they are missing."""
    desk = open_desk(config_path, own_config)
    active = desk.ready().active
    made = []
    for family in desk.inventory.keys:
        if family not in active:
            label = labels.label_of(family, 1 + newest_version(desk.hsm.list_keys(), family))
            desk.generate(label)
            made.append(label)
    fresh = data_keys.ensure_data_keys(desk.database, desk.hsm, clock.now(), desk.note_made)
    if as_json:
        wrapped = [{"id": key.id, "purpose": key.purpose} for key in fresh]
        click.echo(json.dumps({"token_keys": made, "data_keys": wrapped}))
        return
    for label in made:
        click.echo(f"made {label} in the token")
    for key in fresh:
        click.echo(f"made {key.id} for {key.purpose}, wrapped by {key.kek_label}")
    if not made and not fresh:
        click.echo("every key is there")


@command.command("list")
@options
def list_all(config_path: Path, *, own_config: Path | None, as_json: bool) -> None:
    """Show the keys of the token with their attributes, and the data keys with their age."""
    desk = open_desk(config_path, own_config)
    status = desk.ready()
    now = clock.now()
    in_token = [_token_line(desk.inventory, key, now) for key in desk.hsm.list_keys()]
    wrapped = [_data_line(desk.inventory, key, now) for key in desk.data_keys()]
    if as_json:
        token = {"label": status.token_label, "model": status.model}
        click.echo(json.dumps({"token": token, "keys": in_token, "data_keys": wrapped}))
        return
    click.echo(f"token {status.token_label}, {status.model}")
    _print_columns(in_token, hidden=("flags",))
    click.echo("\ndata keys")
    _print_columns(wrapped, hidden=("owner", "created"))


def _token_line(inventory: Inventory, key: KeyInfo, now: datetime) -> Line:
    parts = labels.split(key.label)
    entry = inventory.keys.get(parts[0]) if parts else None
    status = "active" if key.active else "old" if key.has_secret else "retired"
    made = date.fromisoformat(key.created) if key.created else None
    return {
        "label": key.label,
        "status": status,
        "kind": entry.kind if entry else key.kind,
        "owner": entry.owner if entry else "not in the inventory",
        "created": key.created,
        "age_days": (now.date() - made).days if made else None,
        "cryptoperiod_days": entry.cryptoperiod_days if entry else None,
        "check_value": key.check_value,
        "flags": [flag for flag, value in key.flags.items() if value],
    }


def _data_line(inventory: Inventory, key: WrappedKey, now: datetime) -> Line:
    return {
        "id": key.id,
        "status": key.status,
        "purpose": key.purpose,
        "owner": inventory.data_keys[key.purpose].owner,
        "created": key.created_at.date().isoformat(),
        "age_days": (now - key.created_at).days,
        "cryptoperiod_days": inventory.data_keys[key.purpose].cryptoperiod_days,
        "kek_label": key.kek_label,
        "mechanism": key.mechanism,
    }


def _print_columns(lines: Sequence[Line], hidden: Sequence[str] = ()) -> None:
    """Print a line a row, as wide as it is; --json has everything."""
    names = [name for name in (lines[0] if lines else ()) if name not in hidden]
    rows = [names, *([_cell(line[name]) for name in names] for line in lines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  " + "  ".join(cells).rstrip())


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


@command.command("verify")
@options
@click.pass_context
def verify(
    ctx: click.Context, config_path: Path, *, own_config: Path | None, as_json: bool
) -> None:
    """Compare token and data keys with the inventory and try every key; status 1 on findings."""
    desk = open_desk(config_path, own_config)
    found = _findings(desk)
    matrix = [
        {"name": row.name, "listed": row.listed, "works": row.works, "note": row.note}
        for row in desk.hsm.mechanisms()
    ]
    if as_json:
        told = [{"subject": finding.subject, "problem": finding.problem} for finding in found]
        click.echo(json.dumps({"ok": not found, "findings": told, "mechanisms": matrix}))
    else:
        click.echo("mechanisms of the inventory, tried in the token")
        _print_columns(matrix)
        for finding in found:
            click.echo(f"FINDING {finding.subject}: {finding.problem}")
        if not found:
            click.echo("every key is as the inventory says, and works")
    ctx.exit(1 if found else 0)


def _findings(desk: Desk) -> list[Finding]:
    today = clock.now().date()
    active = desk.ready().active
    rows = desk.data_keys()
    return [
        *checking.token_keys(desk.inventory, desk.hsm.list_keys(), today),
        *checking.mechanisms(desk.inventory, desk.hsm),
        *checking.use(desk.inventory, desk.hsm),
        *checking.data_keys(desk.inventory, rows, desk.hsm, today),
        *checking.unfinished(rows, active),
    ]


@command.command("retire")
@click.argument("label")
@click.option("--yes", is_flag=True, help="Do not ask; there is no way back.")
@options
def retire(
    config_path: Path, label: str, *, yes: bool, own_config: Path | None, as_json: bool
) -> None:
    """Destroy an old key for ever: LABEL of a version in the token, or the id of a data key.

    Of a signing key the public part stays, to verify with. What was sealed under a data key can
    never be opened again; API keys of a retired pepper and look-ups by a retired blind index
    stop working.
    """
    desk = open_desk(config_path, own_config)
    is_data_key = looks_like("data_key", label)
    (_refuse_data_key if is_data_key else _refuse_version)(desk, label)
    if not yes:
        click.confirm(f"Destroy {label} for ever?", abort=True, err=True)
    (_destroy_data_key if is_data_key else _destroy_version)(desk, label)
    click.echo(json.dumps({"retired": label}) if as_json else f"destroyed {label}")


def _refuse_version(desk: Desk, label: str) -> None:
    """Stop here when a version of a token key is still needed, or not there."""
    if label in desk.ready().active.values():
        raise click.ClickException(f"{label} is the active version; rotate it first")
    if not any(key.label == label and key.has_secret for key in desk.hsm.list_keys()):
        raise click.ClickException(f"the token has no key {label} with a secret part")
    with desk.database.transaction() as conn:
        under = data_keys.count_under(conn, label)
    if under:
        family = (labels.split(label) or (label, 0))[0]
        raise click.ClickException(
            f"{under} data keys are wrapped by {label}; run `rizzpay keys rotate {family}` first"
        )


def _refuse_data_key(desk: Desk, key_id: str) -> None:
    """Stop here when a data key still seals, or is not there."""
    key = next((key for key in desk.data_keys() if key.id == key_id), None)
    if key is None:
        raise click.ClickException(f"there is no data key {key_id}")
    if key.status == "active":
        raise click.ClickException(
            f"{key_id} is active; run `rizzpay keys rotate --data {key.purpose}` first"
        )
    later = [k.created_at for k in desk.data_keys() if k.purpose == key.purpose and k != key]
    stepped_down = min((at for at in later if at > key.created_at), default=key.created_at)
    if clock.now() - stepped_down < STILL_USED:
        raise click.ClickException(
            f"{key_id} was active until {stepped_down:%Y-%m-%d %H:%M} UTC, and a process that "
            "could not reach the HSM may still seal with it; wait a day"
        )


def _destroy_version(desk: Desk, label: str) -> None:
    desk.note("key.retirement_asked", label)
    desk.hsm.destroy(label)
    desk.note("key.retired", label)


def _destroy_data_key(desk: Desk, key_id: str) -> None:
    with desk.database.transaction() as conn:
        if not data_keys.retire(conn, key_id):
            raise click.ClickException(f"{key_id} was changed by another operator just now")
        audit.append(conn, [desk.entry("data_key.retired", key_id)])
