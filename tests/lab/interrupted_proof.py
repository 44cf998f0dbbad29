"""An installation that is killed again and again comes to the same end.

Not part of script/test --lab: `script/test tests/lab/interrupted_proof.py`. The playbook is killed
with its children in the middle of a task, RIZZPAY_LAB_KILLS times, each time further on, and
started again; then it has to finish, take payments, and have nothing left to change.
"""

import os
import time

import pytest

from tests.lab import drilling
from tests.lab.client import acknowledged
from tests.lab.cluster import Cluster
from tests.lab.commands import run
from tests.lab.lab import Lab
from tests.lab.plays import PLAYBOOK, play, play_and_kill
from tests.lab.till import Till
from tests.lab.waiting import wait_until

pytestmark = pytest.mark.timeout(5400)

NAME = "interrupted"
INVENTORY = os.environ.get("RIZZPAY_LAB_INVENTORY", "single")
KILLS = int(os.environ.get("RIZZPAY_LAB_KILLS", "6"))
PER_SECOND, PAYMENTS = 10.0, 50


@pytest.fixture(scope="module")
def lab():
    """Fresh machines."""
    made = Lab(NAME, INVENTORY)
    try:
        made.up()
        yield made
    finally:
        made.down()


def test_an_installation_that_is_killed_comes_to_the_same_end(lab, capsys):
    listed = run(*lab.playbook(PLAYBOOK, "--list-tasks"), **lab.controller())
    total = listed.count("\tTAGS: [")
    assert total > KILLS
    killed_at = []
    for number in range(1, KILLS + 1):
        begun_s = time.monotonic()
        task = play_and_kill(lab, f"interrupted-{number}", number * total // (KILLS + 1))
        with capsys.disabled():
            print(f"\nkilled after {time.monotonic() - begun_s:.0f} s in {task!r}", end="")
        killed_at.append(task)
    assert None not in killed_at
    assert len(set(killed_at)) == KILLS

    play(lab, "interrupted-last")
    Cluster(lab).wait_until_whole(drilling.WHOLE_S_MAX)
    with Till(lab) as till:
        paying = till.pay("after", PER_SECOND)
        try:
            wait_until(lambda: len(acknowledged(paying.noted())) >= PAYMENTS, "payments",
                       timeout_s=60)  # fmt: skip
        finally:
            paying.stop()
    assert play(lab, "interrupted-again") == dict.fromkeys(lab.machines, 0)
