"""Each control is shown failing on a deliberately broken host, and passing when it is mended.

Not part of the ordinary run: needs an installed site. RIZZPAY_BREAK_SITE is its inventory, and
RIZZPAY_BREAK_HOST the host to break, which is never one of a bank's.
"""

import os
from pathlib import Path

import pytest

from rizzpay.compliance import collecting
from rizzpay.compliance.collecting import Task
from rizzpay.compliance.model import Status
from tests.compliance.samples import HERE
from tests.compliance.seeds import SEEDS
from tests.compliance.site import Site

INVENTORY = os.environ.get("RIZZPAY_BREAK_SITE", "")
NAME = os.environ.get("RIZZPAY_BREAK_HOST", "")
CAUGHT_MIN = 20

pytestmark = [
    pytest.mark.skipif(not (INVENTORY and NAME), reason="RIZZPAY_BREAK_SITE names no inventory"),
    pytest.mark.timeout(3600),
]


def tried(directory: Path, controls: list[str]) -> dict[str, Status]:
    """Try controls on the host to break; return their verdicts."""
    task = Task(HERE, Path(INVENTORY), NAME, controls)
    evidence = directory / f"evidence-{len(list(directory.iterdir()))}"
    found = collecting.run(task, evidence, lambda *_: None)
    return {check.control: check.status for check in found.checks}


def test_every_seed_is_caught_by_its_control_and_mended(tmp_path):
    host = Site.read(INVENTORY).connect(NAME, str(tmp_path))
    passing = [name for name, status in tried(tmp_path, list(SEEDS)).items() if status == "passed"]
    wrong = {}
    for name in passing:
        assert host.run("sh -c %s", SEEDS[name].hurt).succeeded, name
        try:
            wrong[name] = tried(tmp_path, [name])[name]
        finally:
            assert host.run("sh -c %s", SEEDS[name].heal).succeeded, name
    missed = [name for name, status in wrong.items() if status is not Status.FAILED]
    assert not missed, f"did not notice: {', '.join(missed)}"
    after = tried(tmp_path, passing)
    assert [name for name, status in after.items() if status != "passed"] == []
    assert len(passing) >= CAUGHT_MIN, f"only {len(passing)} controls passed before"
