"""`rizzpay gateways`: what each kind of gateway can do, as the contract suite has proved it."""

import json
from dataclasses import fields

import click

from rizzpay.gateways.catalog import CAPABILITIES, Capability

Shown = list[str] | bool


@click.command("gateways")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(*, as_json: bool) -> None:
    """Show the kinds that a section of the settings can name, and what they can do.

    `card` is a card by its token, `card_page` one that the gateway's own page asks for.
    """
    found = {kind: _shown(CAPABILITIES[kind]) for kind in sorted(CAPABILITIES)}
    if as_json:
        click.echo(json.dumps(found))
        return
    for kind, shown in found.items():
        click.echo(kind)
        for name, value in shown.items():
            click.echo(f"  {name.replace('_', ' '):18} {_text(value)}")


def _text(value: Shown) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) or "none"


def _shown(capability: Capability) -> dict[str, Shown]:
    values = {field.name: getattr(capability, field.name) for field in fields(capability)}
    return {
        name: sorted(value) if isinstance(value, frozenset) else value
        for name, value in values.items()
    }
