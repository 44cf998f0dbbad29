"""`rizzpay routing simulate`: a day with outages by several strategies, in numbers and drawn."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from rizzpay.config import RoutingSettings
from rizzpay.core.money import BASIS_POINTS
from rizzpay.gateways import router
from rizzpay.gateways.routing import simulating
from rizzpay.gateways.routing.rules import Priority, Strategy, SuccessRate, VolumeSplit
from rizzpay.gateways.routing.simulating import GATEWAYS, Hour, Windows

# A gateway that few payments explore has a rate only when few answers are enough for one.
STRATEGIES: dict[str, Strategy] = {
    "priority": Priority(tuple(it.name for it in GATEWAYS)),
    "random": VolumeSplit({"first": 34, "second": 33, "third": 33}),
    "success_rate": SuccessRate(minimum=10, exploration_percent=10),
}
COLOURS = {"priority": "#b45309", "random": "#6b7280", "success_rate": "#0f766e"}
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 900, 380, 56, 46, 20, 44  # pixels
LOWEST = 40  # per cent at the foot of the picture


@click.command("simulate")
@click.option(
    "--payments",
    type=click.IntRange(24, 1_000_000),
    default=28_800,
    show_default=True,
    help="Payments of the day.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Another day.")
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), help="SVG to write.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(*, payments: int, seed: int, picture: Path | None, as_json: bool) -> None:
    """Route a day of payments through three gateways that fail at times, by three strategies.

    Rules, breaker and windows are the product's own. The same seed gives the same day.
    """
    settings = RoutingSettings()
    windows = Windows(router.policy_of(settings), settings.rates_window_s)
    days = {
        name: simulating.day(strategy, windows, payments=payments, seed=seed)
        for name, strategy in STRATEGIES.items()
    }
    figures = {name: _figures(hours) for name, hours in days.items()}
    if picture is not None:
        picture.write_text(_drawn(days))
    if as_json:
        click.echo(json.dumps({"seed": seed, "payments": payments, "strategies": figures}))
        return
    click.echo(f"{'strategy':14}{'approved %':>12}{'unknown':>9}{'cost %':>9}")
    for name, it in figures.items():
        rate, cost = it["approved_bp"] / 100, it["cost_bp"] / 100
        click.echo(f"{name:14}{rate:12.2f}{it['unknown']:9}{cost:9.2f}")


def _figures(hours: Sequence[Hour]) -> dict[str, Any]:
    """Return a day in numbers; shares in basis points, of all payments and of what was taken."""
    payments = sum(hour.payments for hour in hours)
    approved = sum(hour.approved for hour in hours)
    collected, cost = sum(hour.collected for hour in hours), sum(hour.cost for hour in hours)
    return {
        "approved": approved,
        "approved_bp": approved * BASIS_POINTS // payments,
        "unknown": sum(hour.unknown for hour in hours),
        "cost_bp": cost * BASIS_POINTS // max(1, collected),
    }


def _drawn(days: dict[str, list[Hour]]) -> str:
    """Draw the share of payments that succeeded, hour by hour, as SVG 1.1."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}">',
        '<g font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for gateway in GATEWAYS:
        for it in gateway.troubles:
            x = _x(it.from_min / 60)
            wide = round(_x(it.until_min / 60) - x, 1)
            tall = HEIGHT - TOP - BOTTOM
            parts.append(f'<rect x="{x}" y="{TOP}" width="{wide}" height="{tall}" fill="#fde8e8"/>')
            parts.append(f'<text x="{x}" y="{TOP - 6}" font-size="11">{gateway.name} is ill</text>')
    for percent in range(LOWEST, 101, 10):
        y = _y(percent)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="#e5e7eb"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{percent} %</text>')
    for hour in range(0, 25, 3):
        text = f'<text x="{_x(hour)}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">'
        parts.append(f"{text}{hour:02}:00</text>")
    for place, (name, hours) in enumerate(days.items()):
        points = " ".join(
            f"{_x(number + 0.5)},{_y(100 * hour.approved / max(1, hour.payments))}"
            for number, hour in enumerate(hours)
        )
        colour, x = COLOURS[name], LEFT + 150 * place
        line = f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        parts.append(line)
        parts.append(f'<text x="{x}" y="18" fill="{colour}" font-weight="bold">{name}</text>')
    return "\n".join([*parts, "</g>", "</svg>\n"])


def _x(hour: float) -> float:
    return round(LEFT + hour * (WIDTH - LEFT - RIGHT) / 24, 1)


def _y(percent: float) -> float:
    share = (max(percent, LOWEST) - LOWEST) / (100 - LOWEST)
    return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)
