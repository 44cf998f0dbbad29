"""`rizzpay keys rotate`: a new version of a key, and every data key wrapped by it.

A rotation of the KEK writes no data anew: only the wrapping of the data keys changes, one row a
transaction, while the service runs. It may be killed at any moment; the next run sees data keys
under an older version and goes on with them instead of making another version.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from rizzpay.audit import service as audit
from rizzpay.commands.key_desk import Desk, newest_version, open_desk, options
from rizzpay.core import clock
from rizzpay.infra import data_keys
from rizzpay.infra.data_keys import WrappedKey
from rizzpay.infra.database import Connection
from rizzpay.infra.hsm import checking
from rizzpay.infra.hsm import inventory as labels
from rizzpay.infra.hsm.inventory import DATA_KEK, Purpose
from rizzpay.infra.hsm.protocol import HsmRefused

LINES_MAX = 10  # of progress, where nobody looks at a bar


@dataclass(slots=True)
class Outcome:
    """What a rotation did, or would do."""

    active: str
    made: bool
    rewrapped: int = 0
    failed: dict[str, str] = field(default_factory=dict)  # data key id → why


@click.command("rotate")
@click.argument("label", required=False)
@click.option(
    "--data",
    "purpose",
    type=click.Choice([purpose.value for purpose in Purpose]),
    help="Rotate a data key.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done and change nothing.")
@options
def rotate(
    config_path: Path,
    label: str | None,
    *,
    purpose: str | None,
    dry_run: bool,
    own_config: Path | None,
    as_json: bool,
) -> None:
    """Make the next version of LABEL (kek-data, sig-audit, …) active, or a data key's.

    Old versions of a KEK unwrap, and old signing keys verify, until they are retired. All data
    keys are wrapped anew by a new KEK; an interrupted rotation goes on when run again.
    """
    desk = open_desk(config_path, own_config)
    if (label is None) == (purpose is None):
        raise click.UsageError("name a key, as in `rotate kek-data`, or --data PURPOSE")
    if purpose is not None:
        _rotate_data(desk, Purpose(purpose), dry_run=dry_run, as_json=as_json)
        return
    name = label or ""
    family = (labels.split(name) or (name, 0))[0]
    if family not in desk.inventory.keys:
        raise click.ClickException(f"{family} is not in the inventory")
    outcome = _rotate_token_key(desk, family, dry_run=dry_run)
    _report(outcome, dry_run=dry_run, as_json=as_json)
    if outcome.failed:
        raise click.exceptions.Exit(1)


def _rotate_data(desk: Desk, purpose: Purpose, *, dry_run: bool, as_json: bool) -> None:
    if dry_run:
        told = {"dry_run": True, "purpose": purpose}
        click.echo(json.dumps(told) if as_json else f"would make a data key for {purpose}")
        return
    key = data_keys.rotate(desk.database, desk.hsm, purpose, clock.now(), desk.note_made)
    if key is None:
        raise click.ClickException("another operator rotates this key now")
    told = {"dry_run": False, "purpose": purpose, "active": key.id}
    click.echo(json.dumps(told) if as_json else f"{key.id} is active for {purpose}")


def _rotate_token_key(desk: Desk, family: str, *, dry_run: bool) -> Outcome:
    active = desk.ready().active.get(family)
    if active is None:
        raise click.ClickException(f"the token has no {family}; run `rizzpay keys init`")
    rows = desk.data_keys() if family == DATA_KEK else []
    left = checking.wrapped_elsewhere(rows, active)
    made = not left  # data keys under an older version: the last rotation is not finished
    if made:
        active = labels.label_of(family, 1 + newest_version(desk.hsm.list_keys(), family))
        left = rows
    if dry_run:
        return Outcome(active, made, len(left))
    if made:
        desk.generate(active)
    outcome = Outcome(active, made)
    with _progress(len(left)) as advance:
        for row in left:
            _rewrap(desk, row, outcome)
            advance()
    return outcome


def _rewrap(desk: Desk, row: WrappedKey, outcome: Outcome) -> None:
    """Wrap one data key anew and commit; a damaged one stays as it is and is named."""

    def note(conn: Connection, key: WrappedKey) -> None:
        detail = {"from": key.kek_label, "to": outcome.active}
        audit.append(conn, [desk.entry("data_key.rewrapped", key.id, **detail)])

    try:
        mechanism, wrapped = desk.hsm.rewrap(
            row.kek_label, row.mechanism, row.wrapped, outcome.active
        )
    except HsmRefused as refused:
        outcome.failed[row.id] = refused.message
        return
    wrapping = (outcome.active, mechanism, wrapped)
    if data_keys.rewrap_one(desk.database, row, wrapping, clock.now(), note):
        outcome.rewrapped += 1


def _report(outcome: Outcome, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        told = {
            "dry_run": dry_run,
            "active": outcome.active,
            "made": outcome.made,
            "rewrapped": outcome.rewrapped,
            "failed": outcome.failed,
        }
        click.echo(json.dumps(told))
        return
    keys = f"{outcome.rewrapped} data keys"
    if dry_run:
        click.echo(f"would make {outcome.active}" if outcome.made else "would go on")
        click.echo(f"would wrap {keys} by {outcome.active}")
        return
    click.echo(f"{outcome.active} is active" + ("" if outcome.made else " (went on)"))
    click.echo(f"wrapped {keys} anew")
    for key_id, why in outcome.failed.items():
        click.echo(f"FAILED {key_id}: {why}", err=True)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """Yield a function to call after each row: a bar on a terminal, else some lines."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(total)
        return
    with Progress(console=console) as bar:
        task = bar.add_task("re-wrapping", total=total)
        yield lambda: bar.advance(task)


def _lines(total: int) -> Callable[[], None]:
    done = 0
    every = max(1, total // LINES_MAX)

    def advance() -> None:
        nonlocal done
        done += 1
        if done % every == 0 or done == total:
            click.echo(f"re-wrapped {done} of {total}", err=True)

    return advance
