"""`rizzpay-capacity probe`: what is this machine? A JSON document on stdout or in a file."""

import json
import platform

import click


@click.command("probe")
def command() -> None:
    """Describe this machine as JSON."""
    click.echo(json.dumps({"kernel": platform.release()}))
