"""The lab of the proofs on booted machines: made once a session, and taken down.

RIZZPAY_LAB_NAME names a lab that stands already, which is used and left standing;
RIZZPAY_LAB_INVENTORY the inventory of one that is made, `ha` by default.
"""

import os
import time

import pytest

from tests.lab.desk import Desk
from tests.lab.lab import Lab
from tests.lab.till import Till

STANDING = os.environ.get("RIZZPAY_LAB_NAME", "")
INVENTORY = os.environ.get("RIZZPAY_LAB_INVENTORY", "ha")


@pytest.fixture(scope="session")
def lab():
    """Machines that are booted; nothing else, unless they stood before."""
    if STANDING:
        yield Lab.find(STANDING)
        return
    made, begun = Lab("proof", INVENTORY), time.monotonic()
    try:
        made.up(filled=os.environ.get("RIZZPAY_LAB_BARE") != "1")
        yield made
    finally:
        made.down()
        print(f"\nthe lab stood for {(time.monotonic() - begun) / 60:.0f} minutes")


@pytest.fixture(scope="session")
def desk(lab):
    """The operator's desk, and the service on the machines: installed now if nobody has."""
    operator = Desk(lab).lay_out()
    first = lab.machines[lab.hosts("apis")[0]]
    if first.attempt("test", "-e", "/opt/rizzpay/current").returncode != 0:
        operator.play("site.yml")
    return operator


@pytest.fixture(scope="session")
def till(desk):
    """The merchant outside, on an installed lab."""
    with Till(desk.lab) as outside:
        yield outside
