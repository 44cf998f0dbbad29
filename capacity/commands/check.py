"""`rizzpay-capacity check`: does this box hold the target and its peak, and what stops it?"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from capacity import installation
from capacity.checking import judging, levels
from capacity.checking.judging import Goal
from capacity.errors import CapacityError, WrongUse
from capacity.load.running import Session


def _numbers(text: str) -> list[int]:
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        raise WrongUse(f"{text!r} is no list of numbers like 1,2,4") from None
    if not found or min(found) < 1:
        raise WrongUse(f"{text!r}: numbers above 0 are needed")
    return found


@click.command("check")
@click.option("--target-tps", type=click.FloatRange(1, 1_000_000), help="Payments a second.")
@click.option(
    "--peak",
    type=click.FloatRange(1, 100),
    default=3.0,
    show_default=True,
    help="How many times the target a festival brings.",
)
@click.option(
    "--credentials",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="credentials.json of the installation.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="RIZZPAY_CONFIG",
    required=True,
    help="The installation's rizzpay.toml; also RIZZPAY_CONFIG.",
)
@click.option(
    "--mix",
    type=click.Choice(["create", "collect"]),
    default="create",
    show_default=True,
    help="What a payment is: made, or made and captured by the acquirer's callback.",
)
@click.option("--p99-ms", type=click.FloatRange(0.1), default=40.0, show_default=True)
@click.option("--seconds", type=click.FloatRange(1, 3600), default=20.0, show_default=True)
@click.option(
    "--levels",
    "ladder",
    default="1,2,4,8,16,32,64,128",
    show_default=True,
    help="Connections of the closed loops, for saturation and the scaling law.",
)
@click.option(
    "--cores", default="16", show_default=True, help="Machines to extrapolate to, as in 16,32."
)
@click.option(
    "--json", "file", type=click.Path(path_type=Path), help="Write all figures to this file."
)
def command(  # noqa: PLR0913 - the options of a command
    *,
    target_tps: float | None,
    peak: float,
    credentials: Path,
    config: Path,
    ladder: str,
    cores: str,
    file: Path | None,
    **asked: Any,
) -> None:
    """Run the target times the peak, then load until saturation; say pass or fail, and why.

    Exit status 1 when it does not pass. On a box where the service already has customers, this is
    load: choose the hour.
    """
    if target_tps is None:
        raise WrongUse("no target: give --target-tps")
    goal = Goal(target_tps, peak, asked["p99_ms"], asked["seconds"])
    wanted, steps = _numbers(cores), _numbers(ladder)
    session = Session.open(installation.read(credentials, config))
    try:
        found = levels.measure(session, goal, asked["mix"], steps, _say)
    except KeyboardInterrupt:
        raise CapacityError("interrupted: no verdict") from None
    finally:
        session.close()
    verdict = asdict(judging.judge(goal, found, wanted))
    if file is not None:
        runs = {
            "at_target": asdict(found.at_target),
            "ladder": [asdict(run) for run in found.ladder],
            "by_workers": [{"workers": n, **asdict(run)} for n, run in found.by_workers],
        }
        file.write_text(json.dumps({**verdict, **runs}, indent=1) + "\n")
    click.echo("\n".join(judging.lines(verdict)))
    click.get_current_context().exit(0 if verdict["passed"] else 1)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
