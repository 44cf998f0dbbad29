"""The `rizzpay-capacity` command: finds the verb that was asked for and hands over; nothing else.

A verb is a file of `capacity/commands/` whose `command` is a click command. It is imported only
when it is asked for, so that `plan` does not load what `load` needs.
"""

import importlib
from typing import Any

import click

from capacity.errors import CapacityError

COMMANDS = {
    "probe": "capacity.commands.probe",
    "plan": "capacity.commands.plan",
    "render": "capacity.commands.render",
    "verify": "capacity.commands.verify",
    "load": "capacity.commands.load",
    "check": "capacity.commands.check",
    "bench": "capacity.commands.bench",
    "report": "capacity.commands.report",
    "grow": "capacity.commands.grow",
}


class LazyGroup(click.Group):
    """A group whose commands are files that are read when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of COMMANDS, which is the order of use."""
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
        """Run the command and turn what was raised on purpose into an exit status."""
        try:
            return super().invoke(ctx)
        except CapacityError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(error.exit_code)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="rizzpay", prog_name="rizzpay-capacity")
def main() -> None:
    r"""Say what this hardware will do as a payment server, tune it, and prove it.

    \b
    Exit status: 0 done or passed, 1 did not pass or findings,
    2 wrong use or an unfit set-up, 3 a part does not answer.
    """


if __name__ == "__main__":
    main()
