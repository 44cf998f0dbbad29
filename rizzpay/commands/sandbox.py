"""`rizzpay sandbox`: runs the sandbox acquirer in this process until it is told to stop."""

import json
from pathlib import Path
from typing import Any

import click

from rizzpay.config import read_secret
from rizzpay.sandbox.server import serve
from rizzpay.sandbox.settings import Settings

FILE = click.Path(path_type=Path, dir_okay=False)
PORT_MAX = 65_535


class Address(click.ParamType[tuple[str, int]]):
    """HOST:PORT; an IPv6 host stands in brackets."""

    name = "host:port"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Return host and port."""
        host, _, port = str(value).rpartition(":")
        if not host or not port.isdigit() or int(port) > PORT_MAX:
            self.fail("it is HOST:PORT, as in 127.0.0.1:8090", param, ctx)
        return host.strip("[]"), int(port)


@click.command("sandbox")
@click.option(
    "--listen",
    type=Address(),
    default="127.0.0.1:8090",
    show_default=True,
    help="Where to listen; port 0 takes a free one.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Directory of its memory; made when missing.",
)
@click.option("--key-id", default="sandbox", show_default=True, help="Who signs requests.")
@click.option("--secret-file", type=FILE, required=True, help="What requests are signed with.")
@click.option(
    "--callback-secret-file", type=FILE, required=True, help="What callbacks are signed with."
)
@click.option(
    "--callback-ca-file",
    type=click.Path(exists=True, dir_okay=False),
    help="Authorities of callbacks over https, beside the system's.",
)
@click.option(
    "--callback-url-prefix",
    "callback_url_prefixes",
    multiple=True,
    help="Where callbacks may go; repeatable. Default: loopback only.",
)
@click.option("--public-url", default="", help="Base of hosted pages. Default: http://LISTEN.")
@click.option(
    "--upi-payee-vpa",
    default="",
    help="Payee of UPI links that are made without asking the sandbox.",
)
@click.option(
    "--upi-callback-url",
    default="",
    help="Where a payment by such a link is told.",
)
@click.option(
    "--latency-ms",
    type=click.IntRange(0, 60_000),
    default=0,
    show_default=True,
    help="Every request waits so long before it is acted on.",
)
@click.option(
    "--slow-ms",
    type=click.IntRange(0, 600_000),
    default=2000,
    show_default=True,
    help="How slow the magic value slow is.",
)
@click.option(
    "--hang-s",
    type=click.FloatRange(0, 3600),
    default=30.0,
    show_default=True,
    help="How long a magic time-out keeps the connection open.",
)
@click.option(
    "--approve-after-ms",
    type=click.IntRange(0, 600_000),
    default=300,
    show_default=True,
    help="When a collect request is approved.",
)
@click.option(
    "--late-after-s",
    type=click.FloatRange(0, 864_000),
    default=900.0,
    show_default=True,
    help="When a late authorisation comes.",
)
@click.option("--json", "as_json", is_flag=True, help="Say that it is ready in JSON.")
def command(
    *,
    listen: tuple[str, int],
    secret_file: Path,
    callback_secret_file: Path,
    as_json: bool,
    **others: Any,
) -> None:
    """Run the sandbox acquirer: it behaves like a bank and moves no money.

    Prints `ready URL` when it listens. GET / of that URL lists the magic values.
    """
    settings = Settings(
        host=listen[0],
        port=listen[1],
        secret=read_secret(str(secret_file)),
        callback_secret=read_secret(str(callback_secret_file)),
        **others,  # click has checked their names and types
    )

    def ready(url: str) -> None:
        print(json.dumps({"event": "ready", "url": url}) if as_json else f"ready {url}", flush=True)

    serve(settings, ready)
