"""`rizzpay conformance`: plays a gateway's public API, to test a connector without its vendor."""

import json
from pathlib import Path

import click

from rizzpay.commands.sandbox import FILE, Address
from rizzpay.config import read_secret
from rizzpay.sandbox.cashfree import server as cashfree
from rizzpay.sandbox.conformance import Settings, serve
from rizzpay.sandbox.razorpay import server as razorpay
from rizzpay.sandbox.stripe import server as stripe

KINDS = {
    "cashfree": cashfree.create_app,
    "razorpay": razorpay.create_app,
    "stripe": stripe.create_app,
}


@click.command("conformance")
@click.argument("kind", type=click.Choice(sorted(KINDS)))
@click.option(
    "--listen",
    type=Address(),
    default="127.0.0.1:8091",
    show_default=True,
    help="Where to listen; port 0 takes a free one.",
)
@click.option("--key-id", default="conformance", show_default=True, help="Name of the account.")
@click.option("--secret-file", type=FILE, required=True, help="Secret of the account.")
@click.option("--webhook-secret-file", type=FILE, required=True, help="What signs webhooks.")
@click.option("--webhook-url", default="", help="Where webhooks go. Default: nowhere.")
@click.option("--json", "as_json", is_flag=True, help="Say that it is ready in JSON.")
def command(  # noqa: PLR0913 - one option each
    *,
    kind: str,
    listen: tuple[str, int],
    key_id: str,
    secret_file: Path,
    webhook_secret_file: Path,
    webhook_url: str,
    as_json: bool,
) -> None:
    """Speak the wire format of a gateway's public API; move no money.

    Prints `ready URL` when it listens. The memory ends with the process.
    """
    settings = Settings(
        host=listen[0],
        port=listen[1],
        key_id=key_id,
        secret=read_secret(str(secret_file)),
        webhook_secret=read_secret(str(webhook_secret_file)),
        webhook_url=webhook_url,
    )

    def ready(url: str) -> None:
        print(json.dumps({"event": "ready", "url": url}) if as_json else f"ready {url}", flush=True)

    serve(settings, KINDS[kind], ready)
