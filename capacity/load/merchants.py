"""Many merchants with a key each, and how often each one is the next: a few are hot.

Made with the service's own command, as an operator does. Their keys are kept in a file of mode
0600 beside the credentials, so that the next run has them.
"""

import itertools
import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from capacity.errors import Unfit
from capacity.installation import Installation, Shop

REQUESTS_PER_MINUTE = "10000000"  # the most that the service lets anybody have
TURNS = 8192  # a cycle of whose turn it is; longer than any hot streak
COMMAND_S = 120.0
AT_ONCE = 2


def shops(installation: Installation, count: int, *, own: bool = True) -> list[Shop]:
    """Return so many merchants; makes those that are not there yet. Raises Unfit.

    The first is the merchant of the credentials, unless `own` is false.
    """
    first = [installation.shop] if own else []
    file = installation.credentials_file.with_name("capacity-merchants.json")
    known = _known(file)
    missing = count - len(first) - len(known)
    if missing > 0:
        if not installation.embedded:
            raise Unfit("merchants for a load are not made in a production deployment")
        with ThreadPoolExecutor(AT_ONCE) as pool:
            names = [f"Load {len(known) + number}" for number in range(1, missing + 1)]
            known += pool.map(lambda name: _make(installation, name), names)
        _keep(file, known)
    return (first + known)[:count]


def turns(count: int, zipf: float) -> list[int]:
    """Return a cycle of merchants: the n-th is as frequent as 1/n to the power of `zipf`."""
    if count == 1:
        return [0]
    weights = list(itertools.accumulate(1 / rank**zipf for rank in range(1, count + 1)))
    chance = random.Random(count)  # noqa: S311 - whose turn it is, no key
    return chance.choices(range(count), cum_weights=weights, k=TURNS)


def _known(file: Path) -> list[Shop]:
    return [Shop(**one) for one in json.loads(file.read_text())] if file.exists() else []


def _keep(file: Path, known: Sequence[Shop]) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        json.dump([asdict(one) for one in known], opened, indent=1)


def _make(installation: Installation, name: str) -> Shop:
    made = _rizzpay(
        installation,
        *("merchants", "create", "--json", "--name", name, "--mcc", "5411"),
        *("--tier", "enterprise", "--requests-per-minute", REQUESTS_PER_MINUTE),
    )
    key = _rizzpay(installation, "merchants", "keys", "create", "--json", made["id"])
    return Shop(made["id"], key["id"], key["secret"])


def _rizzpay(installation: Installation, *arguments: str) -> dict[str, str]:
    command = [sys.executable, "-m", "rizzpay", "--config", str(installation.config_file)]
    done = subprocess.run(  # noqa: S603 - our own program
        [*command, *arguments], capture_output=True, text=True, timeout=COMMAND_S, check=False
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Unfit(f"rizzpay {' '.join(arguments[:2])}: {said[-1] if said else done.returncode}")
    found: dict[str, str] = json.loads(done.stdout)
    return found
