"""The proof on booted machines: script/test --lab runs it, and nothing else does.

The machines of `inventories/ha`, the unchanged playbook over ssh, and the drills; after it come
the proofs of `upgrade_proof.py` on the same machines. It leaves
var/lab/drills.json, and no machine. RIZZPAY_LAB_DRILLS names the drills to run, all by default;
RIZZPAY_LAB_BARE=1 starts from machines without any of the packages.
"""

import os

import pytest

from tests.lab import drilling
from tests.lab.cluster import Cluster
from tests.lab.drills import DRILLS
from tests.lab.plays import play

CHOSEN = os.environ.get("RIZZPAY_LAB_DRILLS", "").split() or [drill.name for drill in DRILLS]
pytestmark = pytest.mark.timeout(3600)


def test_a_fresh_site_can_be_asked_what_would_change(lab):
    drilling.RESULTS.unlink(missing_ok=True)
    assert set(play(lab, "check-fresh", "--check", "--diff")) == set(lab.machines)


def test_the_playbook_installs_the_site(lab):
    assert min(play(lab, "install").values()) > 0
    Cluster(lab).wait_until_whole(drilling.WHOLE_S_MAX)


def test_the_second_run_changes_nothing(lab):
    assert play(lab, "again") == dict.fromkeys(lab.machines, 0)


def test_an_installed_site_would_not_change(lab):
    assert play(lab, "check-installed", "--check", "--diff") == dict.fromkeys(lab.machines, 0)


@pytest.mark.parametrize(
    "drill", [one for one in DRILLS if one.name in CHOSEN], ids=lambda one: one.name
)
def test_no_payment_is_lost_when(drill, lab, till, capsys):
    result = drilling.run(drill, Cluster(lab), till)
    drilling.write(result, drilling.RESULTS)
    with capsys.disabled():
        print(f"\n{drilling.table([result])}")
    assert result.kept_every_payment, result
    assert result.bugs == 0, result
    assert result.rejoined, result
    assert result.outage_s <= result.goal_s, result
