"""A rolling upgrade under load, and the way back from a release that does not become healthy.

Part of script/test --lab. Every payment has its idempotency key and is sent again until somebody
acknowledges it; the client counts how often that was needed.
"""

import json
from dataclasses import asdict

import pytest

from tests.lab import drilling, upgrading
from tests.lab.cluster import Cluster
from tests.lab.lab import ROOT

pytestmark = pytest.mark.timeout(3600)

RESULTS = ROOT / "var" / "lab" / "upgrades.json"
GOOD, SICK = "0.2.0", "0.3.0"
# Answers after which certainly nothing was done, so that the same request may come again.
CLEAN = ("503 ", "429 ", "409 idempotency_in_progress", "425 ")


@pytest.fixture
def upgrade(desk, till, capsys):
    """A function that upgrades to a release, prints what it cost and keeps the figures."""

    def run(release):
        Cluster(desk.lab).wait_until_whole(drilling.WHOLE_S_MAX)
        done = upgrading.upgrade(desk, till, release)
        with capsys.disabled():
            print(f"\n{done.row()}")
        rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
        row = {name: value for name, value in asdict(done).items() if name != "said"}
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        kept = [one for one in rows if one["release"] != done.release]
        RESULTS.write_text(json.dumps([*kept, row], indent=2) + "\n")
        return done

    return run


def fails_nobody(done):
    """Assert that each payment was taken, each once, and that each repetition was a clean one."""
    assert not done.failed, done.row()
    assert (done.lost, done.doubled, done.imbalance) == (0, 0, 0), done.row()
    unclean = [what for what in done.retried if not what.startswith(CLEAN)]
    assert not unclean, done.row()


def test_an_upgrade_under_load_fails_no_payment(desk, upgrade):
    done = upgrade(upgrading.build(desk.lab, GOOD))
    assert done.succeeded, done.said[-4000:]
    assert upgrading.running(desk.lab) == {name: {GOOD} for name in desk.lab.hosts("apis")}
    fails_nobody(done)


def test_a_release_that_is_not_healthy_is_taken_back_from_every_host(desk, upgrade):
    sick = desk.lab.hosts("apis")[1]  # the first one has it already when the second says no
    done = upgrade(upgrading.build(desk.lab, SICK, sick_on=sick))
    assert not done.succeeded
    assert f"{SICK} did not become healthy on {sick}" in done.said, done.said[-4000:]
    assert upgrading.running(desk.lab) == {name: {GOOD} for name in desk.lab.hosts("apis")}
    fails_nobody(done)
