"""`rizzpay unknown`: every rupee whose fate is open, its age, its next enquiry, what is known.

Runs with the worker's role. It moves no money and settles nothing: it shows, and it has the
worker ask a gateway sooner than its schedule says.
"""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table

from rizzpay import config
from rizzpay.commands.operator import operator
from rizzpay.core import clock, ids
from rizzpay.core.money import Money
from rizzpay.infra.database import Database, Role
from rizzpay.payments.review import desk
from rizzpay.payments.review.model import Fate, Matter, Total, Wanted

AGE = re.compile(r"([0-9]{1,6})([smhd])")
UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
SUBJECTS = ("payment", "attempt", "capture", "refund", "case")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


class AgeType(click.ParamType[timedelta]):
    """A number and s, m, h or d."""

    name = "age"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Return the span; 90s, 10m, 6h, 2d."""
        match = AGE.fullmatch(str(value))
        if match is None:
            self.fail("write it as 90s, 10m, 6h or 2d", param, ctx)
        return timedelta(seconds=int(match[1]) * UNIT_S[match[2]])


def _subject(_: click.Context, __: click.Parameter, text: str) -> str:
    """Refuse what cannot be the id of something that is open."""
    if not any(ids.looks_like(kind, text) for kind in SUBJECTS):
        raise click.BadParameter("the id of a payment, an attempt, a refund or a case")
    return text


@click.group("unknown")
def command() -> None:
    """Show money whose fate is open, and have its gateway asked again."""


@command.command("list")
@click.option("--older-than", type=AgeType(), default="1m", show_default=True, help="As 90s or 6h.")
@click.option("--merchant", help="Only this merchant, by id.")
@click.option("--gateway", help="Only this gateway, by its name in the settings.")
@click.option("--fate", type=click.Choice([fate.value for fate in Fate]), help="Only this fate.")
@click.option("--live/--test", "livemode", default=None, help="Only this mode.  [default: both]")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="At most."
)
@AS_JSON
@click.pass_obj
def list_(config_path: Path, /, **asked: Any) -> None:
    """List what is open, the oldest first; totals count what is not listed, too."""
    now = clock.now()
    wanted = Wanted(
        since_before=now - asked["older_than"],
        merchant_id=asked["merchant"],
        livemode=asked["livemode"],
        gateway=asked["gateway"],
        fate=Fate(asked["fate"]) if asked["fate"] else None,
    )
    with _database(config_path).transaction() as conn:
        found = desk.open_matters(conn, wanted, asked["limit"])
        totals = desk.totals(conn, wanted)
    if asked["as_json"]:
        click.echo(json.dumps(msgspec.to_builtins({"matters": found, "totals": totals})))
        return
    if found:
        _print(found, now)
    for total in totals:
        click.echo(_sentence(total))
    if not totals:
        click.echo("Nothing is open.")


@command.command("ask")
@click.argument("object_id", metavar="ID", callback=_subject)
@AS_JSON
@click.pass_obj
def ask(config_path: Path, /, object_id: str, *, as_json: bool) -> None:
    """Have the worker ask the gateway now about ID, a payment, attempt, refund or case.

    Its schedule goes on as it was. What the gateway says is in the payment afterwards.
    """
    with _database(config_path).transaction() as conn:
        asked = desk.ask_now(conn, object_id, operator())
    names = [matter.object_id for matter in asked]
    if as_json:
        click.echo(json.dumps({"asked": names}))
    else:
        click.echo(f"The worker asks about {', '.join(names)}.")


def _database(config_path: Path) -> Database:
    database = Database(config.load(config_path).database, Role.WORKER, size=1)
    click.get_current_context().call_on_close(database.close)
    return database


def _print(matters: list[Matter], now: datetime) -> None:
    table = Table(
        *("object", "payment", "what", "fate", "amount", "gateway", "age"),
        *("asked", "next enquiry", "case", "evidence"),
    )
    for matter in matters:
        table.add_row(*_cells(matter, now))
    Console(width=220).print(table)


def _cells(matter: Matter, now: datetime) -> list[str]:
    soon = matter.next_enquiry_at
    return [
        matter.object_id,
        matter.payment_id if matter.payment_id != matter.object_id else "",
        matter.what,
        matter.fate,
        f"{_money(matter.amount, matter.currency)}{'' if matter.livemode else ' test'}",
        matter.gateway,
        _span(now - matter.since),
        str(matter.enquiries),
        "never" if soon is None else "now" if soon <= now else f"in {_span(soon - now)}",
        matter.case_reason or "",
        matter.evidence or "",
    ]


def _sentence(total: Total) -> str:
    mode = "live" if total.livemode else "test"
    return f"{mode} {total.fate}: {total.count} with {_money(total.amount, total.currency)}"


def _money(amount: int, currency: str) -> str:
    return f"{Money(amount, currency).decimal()} {currency}"


def _span(span: timedelta) -> str:
    """Return a span in its largest unit, rounded down."""
    seconds = max(0, int(span.total_seconds()))
    unit = next((name for name in "dhm" if seconds >= UNIT_S[name]), "s")
    return f"{seconds // UNIT_S[unit]} {unit}"
