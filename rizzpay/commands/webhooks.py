"""`rizzpay webhooks`: look at deliveries, send events again, check a received webhook.

`deliveries` and `replay` run with the worker's role; `verify` needs neither database nor
settings, so that a merchant's developer can run it anywhere.
"""

import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table

from rizzpay import config
from rizzpay.commands.operator import operator
from rizzpay.core import clock, ids
from rizzpay.core.errors import Misconfigured
from rizzpay.core.tenant import Tenant
from rizzpay.infra.database import Database, Role
from rizzpay.webhooks import replaying, service, signing
from rizzpay.webhooks.model import Author, Delivery, DeliveryFilter, DeliveryStatus, EventFilter
from rizzpay.webhooks.replaying import Range
from rizzpay.webhooks.signing import Finding

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
LIVE = click.option("--live/--test", "livemode", default=False, help="The mode.  [default: test]")
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _id_of(kind: str) -> Any:
    """Return a check that an option or argument looks like an id of that kind."""

    def check(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
        if text is not None and not ids.looks_like(kind, text):
            raise click.BadParameter(f"{ids.PREFIXES[kind]}_ and 26 letters and digits")
        return text

    return check


def _moment(_: click.Context, __: click.Parameter, text: str | None) -> datetime | None:
    """Read an ISO 8601 time; without an offset it is UTC."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter("an ISO 8601 time, as in 2026-11-21T06:30:00Z") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


MERCHANT = click.argument("merchant_id", callback=_id_of("merchant"))
ENDPOINT = click.option("--endpoint", callback=_id_of("endpoint"), help="Only this endpoint.")


@click.group("webhooks")
def command() -> None:
    """Look at webhook deliveries, send events again, check a received webhook."""


@command.command("deliveries")
@MERCHANT
@LIVE
@ENDPOINT
@click.option("--event", callback=_id_of("event"), help="Only this event.")
@click.option(
    "--status", type=click.Choice([status.value for status in DeliveryStatus]), help="Only these."
)
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many."
)
@AS_JSON
@click.pass_obj
def deliveries(config_path: Path, /, **asked: Any) -> None:
    """List a merchant's deliveries, newest first, with every attempt."""
    status = asked["status"]
    wanted = DeliveryFilter(
        endpoint_id=asked["endpoint"],
        event_id=asked["event"],
        status=DeliveryStatus(status) if status else None,
    )
    tenant = Tenant(asked["merchant_id"], asked["livemode"])
    with _database(config_path).transaction(tenant) as conn:
        found = service.deliveries(conn, tenant, asked["limit"], wanted)
    if asked["as_json"]:
        _print({"deliveries": [msgspec.to_builtins(delivery) for delivery in found]})
        return
    table = Table("created", "event", "endpoint", "origin", "status", "attempts", "last", "next")
    for delivery in found:
        table.add_row(*_cells(delivery))
    Console(width=200).print(table)


@command.command("replay")
@MERCHANT
@LIVE
@ENDPOINT
@click.option("--event", callback=_id_of("event"), help="Send this event.")
@click.option("--from-sequence", type=click.IntRange(min=1), help="Send from this number on.")
@click.option("--to-sequence", type=click.IntRange(min=1), help="Send up to this number.")
@click.option("--since", callback=_moment, help="Send what happened at or after this time.")
@click.option("--until", callback=_moment, help="Send what happened before this time.")
@click.option("--type", "types", multiple=True, help="Only this type, as payment.*; repeatable.")
@click.option(
    "--undelivered-only", is_flag=True, help="Leave out what an endpoint has taken already."
)
@AS_JSON
@click.pass_obj
def replay(config_path: Path, /, **asked: Any) -> None:
    """Send one event, or a range of events, once more.

    Receivers see the same webhook-id and the same bytes as the first time. A range needs a
    beginning or an end, by number or by time.
    """
    limits = [asked[name] for name in ("from_sequence", "to_sequence", "since", "until")]
    in_range = any(limit is not None for limit in limits)
    if (asked["event"] is None) != in_range:
        raise click.UsageError("Name either --event or a range by number or time.")
    author = Author(Tenant(asked["merchant_id"], asked["livemode"]), operator())
    database = _database(config_path)
    replayed = (
        _replay_range(database, author, asked) if in_range else _replay_one(database, author, asked)
    )
    if asked["as_json"]:
        _print(msgspec.to_builtins(replayed))
    else:
        click.echo(f"{replayed.deliveries} deliveries of {replayed.events} events are on their way")


@command.command("verify")
@click.option("--body", type=FILE, required=True, help="The raw bytes of the request's body.")
@click.option("--headers", type=FILE, required=True, help="Its headers, one `name: value` a line.")
@click.option("--secret-file", type=FILE, required=True, help="A file with the whsec_… secret.")
@click.option(
    "--tolerance-s",
    type=click.IntRange(min=0),
    default=signing.TOLERANCE_S,
    show_default=True,
    help="How old or new it may be.",
)
@click.option("--any-age", is_flag=True, help="Do not look at its age, for one kept from before.")
@AS_JSON
def verify(**asked: Any) -> None:
    """Check the signature of a received webhook, and say why it does not match."""
    received = _headers(asked["headers"].read_text())
    now = clock.now()
    stamp = received.get("webhook-timestamp", "")
    if asked["any_age"] and stamp.isascii() and stamp.isdigit():
        now = datetime.fromtimestamp(int(stamp[:11]), UTC)
    secret = config.read_secret(str(asked["secret_file"]))
    try:
        verified = signing.verify(
            secret, received, asked["body"].read_bytes(), now, asked["tolerance_s"]
        )
    except ValueError as error:
        raise Misconfigured(f"{asked['secret_file']}: {error}") from None
    genuine = verified.finding is Finding.GENUINE
    if asked["as_json"]:
        _print({"genuine": genuine, "finding": verified.finding, "advice": verified.advice})
    else:
        click.echo(f"{verified.finding}: {verified.advice}")
    sys.exit(0 if genuine else 1)


@dataclass(frozen=True, slots=True)
class Total:
    """What a replay did."""

    events: int
    deliveries: int


def _replay_one(database: Database, author: Author, asked: dict[str, Any]) -> Total:
    with database.transaction(author.tenant) as conn:
        made = replaying.replay_event(conn, author, asked["event"], asked["endpoint"], clock.now())
    return Total(1, len(made))


def _replay_range(database: Database, author: Author, asked: dict[str, Any]) -> Total:
    """Send a range in batches, each a transaction of its own."""
    events = EventFilter(
        types=asked["types"] or ("*",),
        last_sequence=asked["to_sequence"],
        created_gte=asked["since"],
        created_lt=asked["until"],
    )
    wanted = Range(events, asked["endpoint"], asked["undelivered_only"])
    after: int | None = (asked["from_sequence"] or 1) - 1
    total = Total(0, 0)
    while after is not None:
        with database.transaction(author.tenant) as conn:
            batch = replaying.replay_range(conn, author, wanted, after, clock.now())
        total = Total(total.events + batch.events, total.deliveries + batch.deliveries)
        after = batch.last_sequence
    return total


def _database(config_path: Path) -> Database:
    database = Database(config.load(config_path).database, Role.WORKER, size=1)
    click.get_current_context().call_on_close(database.close)
    return database


def _headers(text: str) -> dict[str, str]:
    """Read `name: value` lines; what is no header, like a request line, is left out."""
    pairs = [line.split(":", 1) for line in text.splitlines() if ":" in line]
    return {name.strip().lower(): value.strip() for name, value in pairs}


def _cells(delivery: Delivery) -> list[str]:
    last = delivery.attempts[-1] if delivery.attempts else None
    return [
        delivery.created_at.isoformat(timespec="seconds"),
        delivery.event_id,
        delivery.endpoint_id,
        delivery.origin,
        delivery.status,
        str(len(delivery.attempts)),
        f"{last.error or 'taken'} {last.status or ''}".strip() if last else "",
        delivery.next_at.isoformat(timespec="seconds") if delivery.next_at else "",
    ]


def _print(shown: Any) -> None:
    click.echo(json.dumps(shown))
