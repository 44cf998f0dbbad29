"""What an operator is shown of the catalog is the catalog, which this suite proves."""

import json
import subprocess
import sys
from dataclasses import asdict

from rizzpay.gateways import catalog


def show(*arguments):
    command = [sys.executable, "-m", "rizzpay", "gateways", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_matrix_is_the_catalog():
    told = json.loads(show("--json"))
    assert list(told) == sorted(catalog.CAPABILITIES)
    for kind, capability in catalog.CAPABILITIES.items():
        wanted = {
            name: sorted(value) if isinstance(value, frozenset) else value
            for name, value in asdict(capability).items()
        }
        assert told[kind] == wanted


def test_a_person_reads_every_kind_and_every_capability():
    lines = show().splitlines()
    assert [line for line in lines if not line.startswith(" ")] == sorted(catalog.CAPABILITIES)
    for name in asdict(next(iter(catalog.CAPABILITIES.values()))):
        assert sum(line.strip().startswith(name.replace("_", " ")) for line in lines) >= len(
            catalog.CAPABILITIES
        )
