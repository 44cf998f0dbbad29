"""The machine that the proofs share: started once, both roles applied, everything taken away."""

import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest

from tests.vm.box import Box
from tests.vm.image import image
from tests.vm.machine import Machine, Network, missing


@pytest.fixture(scope="session")
def fresh():
    """A machine as it is delivered; the first user changes it."""
    if lacking := missing():
        pytest.fail(f"the machine needs {', '.join(lacking)}")
    directory = Path(tempfile.mkdtemp(prefix="rzvm", dir="/tmp"))
    network = Network(f"rzvm{os.getpid()}")
    machine = Machine(directory, network, image())
    try:
        began = time.monotonic()
        machine.start()
        print(f"the machine started in {time.monotonic() - began:.0f} s")
        yield Box(machine)
    finally:
        machine.stop()
        network.remove()
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def first_runs(fresh):
    """What the roles said when they ran for the first time: looking only, then in earnest."""
    runs = {}
    for role in ("network_bond", "raid10"):
        runs[role, "check"] = fresh.apply(role, "--check", "--diff")
        began = time.monotonic()
        runs[role, "apply"] = fresh.apply(role)
        print(f"{role} took {time.monotonic() - began:.0f} s")
        assert runs[role, "apply"].ok, runs[role, "apply"].text
    return runs


@pytest.fixture(scope="session")
def box(fresh, first_runs):
    """A machine with an array and a bond."""
    fresh.wait_until_whole()
    fresh.start_recorder()
    return fresh
