"""The `rizzpay` command: finds the subcommand that was asked for and hands over; nothing else.

A subcommand is a file of `rizzpay/commands/` whose `command` is a click command or group. It is
imported only when it is asked for, so that `rizzpay health` does not load the payment service.

Exit status: 0 done, 1 refused or a check did not pass, 2 wrong use or wrong set-up, 3 a part
(PostgreSQL, cache, HSM) does not answer.
"""

import importlib
import sys
from pathlib import Path
from typing import Any

import click

from rizzpay import __version__
from rizzpay.core.errors import Misconfigured, RizzPayError, Unavailable
from rizzpay.infra import log

COMMANDS = {
    "serve": "rizzpay.commands.serve",
    "work": "rizzpay.commands.work",
    "migrate": "rizzpay.commands.migrate",
    "hsmd": "rizzpay.commands.hsmd",
    "keys": "rizzpay.commands.keys",
    "merchants": "rizzpay.commands.merchants",
    "webhooks": "rizzpay.commands.webhooks",
    "unknown": "rizzpay.commands.unknown",
    "audit": "rizzpay.commands.audit",
    "compliance": "rizzpay.commands.compliance",
    "partitions": "rizzpay.commands.partitions",
    "health": "rizzpay.commands.health",
    "gateways": "rizzpay.commands.gateways",
    "routing": "rizzpay.commands.routing",
    "sandbox": "rizzpay.commands.sandbox",
    "upi-app": "rizzpay.commands.upi_app",
    "conformance": "rizzpay.commands.conformance",
}


class Failed(click.ClickException):
    """What the operator sees of an expected error: one sentence and an exit status."""

    exit_code = 1


class FailedSetUp(Failed):
    """The installation has to be changed first."""

    exit_code = 2


class FailedPart(Failed):
    """A part does not answer; the same command may work later."""

    exit_code = 3


def failure(error: RizzPayError) -> Failed:
    """Return what the operator is told; a refusal's code stands before its message."""
    sentence = ": ".join(str(part) for part in error.args if part)
    match error:
        case Misconfigured():
            return FailedSetUp(sentence)
        case Unavailable():
            return FailedPart(sentence)
        case _:
            return Failed(sentence)


class LazyGroup(click.Group):
    """A group whose commands are files that are read when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of COMMANDS, which is the order of a first start."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command; None makes click say that there is no such command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name]).command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command and turn what RizzPay raises on purpose into an exit status."""
        try:
            return super().invoke(ctx)
        except RizzPayError as error:
            raise failure(error) from None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rizzpay")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="RIZZPAY_CONFIG",
    default=Path("/etc/rizzpay/rizzpay.toml"),
    show_default=True,
    help="The installation's settings; also RIZZPAY_CONFIG.",
)
@click.pass_context
def main(ctx: click.Context, config: Path) -> None:
    """Run and look after a RizzPay installation."""
    # What a command prints is its result; a service sets its own log up.
    log.configure("warning", sys.stderr.buffer)
    ctx.obj = config


if __name__ == "__main__":
    main()
