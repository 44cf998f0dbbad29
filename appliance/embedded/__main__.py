"""`python -m appliance.embedded serve`, which script/server runs: options and exit status."""

import sys
from pathlib import Path
from typing import Any

import click

from appliance.embedded.layout import DEFAULT_DATA
from appliance.embedded.serving import Options, serve
from appliance.embedded.settings import ANSWER_TIMEOUT_S
from rizzpay.core.errors import RizzPayError

EXIT_REFUSED = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run the whole of RizzPay on this machine."""


@main.command("serve")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=DEFAULT_DATA,
    show_default="var/dev in the clone",
    help="Where everything is kept.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65_535),
    default=8443,
    show_default=True,
    help="Port of the API on 127.0.0.1.",
)
@click.option(
    "--workers",
    type=click.IntRange(0, 64),
    default=0,
    show_default="by the number of cores",
    help="API workers.",
)
@click.option(
    "--postgres",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Directory of PostgreSQL's programs. Default: the wheel's, then Debian's.",
)
@click.option("--no-demo", is_flag=True, help="Take no demonstration payment.")
@click.option(
    "--upi-links",
    type=click.Choice(["acquirer", "own"]),
    default="acquirer",
    show_default=True,
    help="Who makes the links of UPI intent and QR.",
)
@click.option(
    "--answer-timeout-s",
    type=click.FloatRange(0.5, 60.0),
    default=ANSWER_TIMEOUT_S,
    show_default=True,
    help="How long an answer of the sandbox acquirer is waited for.",
)
@click.option(
    "--settings",
    "overlay",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A file like rizzpay.toml with what should differ, as other gateways.",
)
@click.option("--fresh", is_flag=True, help="Delete what an earlier run stored, and begin anew.")
def serve_command(*, no_demo: bool, fresh: bool, **others: Any) -> None:
    """Start PostgreSQL, Valkey, HSM, sandbox, workers and HAProxy; take a payment; stay up.

    Ctrl-C stops everything that was started. What was stored is there again next time. Prints a
    line that begins with `ready` and the address when it is.
    """
    options = Options(
        wants_demonstration=not no_demo,
        begins_anew=fresh,
        **others,  # click has checked their names and types
    )
    try:
        serve(options)
    except RizzPayError as error:
        print(f"script/server: {error}", file=sys.stderr)
        raise SystemExit(EXIT_REFUSED) from None


if __name__ == "__main__":
    main()
