"""`rizzpay-capacity load`: send payments, measure, and prove that none was lost or doubled."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from capacity import installation
from capacity.errors import WrongUse
from capacity.load import figures, running
from capacity.load.engine import Seen
from capacity.load.figures import Run
from capacity.load.mixes import NAMES
from capacity.load.running import Session, Wish


@click.command("load")
@click.option(
    "--credentials",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="credentials.json: base_url, ca_file, merchant_id, key_id, key_secret.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="RIZZPAY_CONFIG",
    required=True,
    help="The installation's rizzpay.toml; also RIZZPAY_CONFIG.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0.1, 1_000_000),
    help="Open loop: so many requests a second at random times, whatever the service does.",
)
@click.option(
    "--connections",
    type=click.IntRange(1, 20_000),
    help="Without --rate: closed loop, so many at once. With it: at most so many [by the rate].",
)
@click.option("--mix", type=click.Choice(NAMES), default="create", show_default=True)
@click.option("--seconds", type=click.FloatRange(0.5, 86_400), default=10.0, show_default=True)
@click.option(
    "--merchants",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="So many merchants; those that are missing are made, on an embedded appliance.",
)
@click.option(
    "--zipf",
    type=click.FloatRange(0.0, 4.0),
    default=1.1,
    show_default=True,
    help="How hot the hottest merchants are; 0: all the same.",
)
@click.option(
    "--json", "file", type=click.Path(path_type=Path), help="Write all figures to this file."
)
def command(credentials: Path, config: Path, file: Path | None, **asked: Any) -> None:
    r"""Send payments through the front door, then count them in the database.

    \b
    rizzpay-capacity load --credentials var/dev/credentials.json --config var/dev/rizzpay.toml \
        --rate 3000 --seconds 30 --json run.json

    Ctrl-C ends it early with a report of what was done. Exit status 1 when a payment is missing,
    and when the run is no result, for example because the generator was too slow.
    """
    if asked["rate"] is None and asked["connections"] is None:
        raise WrongUse("no target: give --rate N (open loop) or --connections N (closed loop)")
    found = installation.read(credentials, config)
    wish = Wish(
        mix=asked["mix"],
        rate=asked["rate"],
        connections=asked["connections"] or running.connections_for(asked["rate"]),
        seconds=asked["seconds"],
        merchants=asked["merchants"],
        zipf=asked["zipf"],
    )
    session = Session.open(found)
    try:
        done = running.run(session, wish, progress if sys.stderr.isatty() else None)
    finally:
        session.close()
    if sys.stderr.isatty():
        sys.stderr.write("\n")
    show(done)
    if file is not None:
        file.write_text(json.dumps(asdict(done), indent=1) + "\n")
    click.get_current_context().exit(0 if done.result else 1)


def progress(seen: Seen, seconds: float) -> None:
    """Write the live line."""
    last = seen.latencies[-1]
    newest = sorted(last[-2000:])
    shown = "no answer yet"
    if newest:
        p50, p99 = figures.at(newest, 50.0) * 1000, figures.at(newest, 99.0) * 1000
        shown = f"p50 {p50:6.1f} ms  p99 {p99:6.1f} ms"
    sys.stderr.write(
        f"\r{seconds:5.1f} s  {len(last) / max(seconds, 0.01):8,.0f}/s  "
        f"{shown}  refused {sum(map(len, seen.bad))}  "
    )
    sys.stderr.flush()


def show(run: Run) -> None:
    """Print a run for people."""
    wanted = f", wanted {run.wanted_per_s:g}/s" if run.wanted_per_s else ""
    click.echo(
        f"{run.mix}, {run.loop} loop, {run.connections} connections{wanted}: "
        f"{run.per_second:,.0f}/s over {run.seconds:.1f} s"
        + (f" and {run.settled_s:.1f} s until all was captured" if run.settled_s else "")
    )
    for step, latency in run.latency_ms.items():
        cuts = "  ".join(f"p{share} {value:.1f}" for share, value in latency.percentiles.items())
        click.echo(f"  {step:9} {latency.count:>9,} answers  {cuts} ms")
    click.echo(f"  answers   {run.statuses}  unsent {run.unsent}  unanswered {run.unanswered}")
    each = "  ".join(f"{name} {us:.0f}" for name, us in run.cpu_us_each.items())
    click.echo(f"  CPU µs each: {each}; stolen {run.stolen_share:.1%}")
    if run.proof:
        one = run.proof
        click.echo(
            f"  proof: {one.acknowledged:,} acknowledged, {one.found:,} found, {one.claims:,} by "
            f"their key, {one.captured:,} of {one.callbacks:,} captured, {one.refunds:,} refunds; "
            + ("the books balance" if not one.faults else "; ".join(one.faults))
        )
    if run.interrupted:
        click.echo("  interrupted: a part of the run")
    if not run.result:
        click.echo("  NO RESULT: " + "; ".join(run.reasons))
