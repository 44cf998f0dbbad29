"""Each control is shown failing on a deliberately broken host, and passing when it is mended.

Not part of the ordinary run: needs an installed site. RIZZPAY_BREAK_SITE is its inventory, and
RIZZPAY_BREAK_HOST the host to break, which is never one of a bank's. Of several it is the one that
holds the virtual address, for strangers meet only that, and the primary, for only it takes writes.
RIZZPAY_BREAK_CONTROLS may name the controls to try, with blanks between.
"""

import os
from pathlib import Path

import pytest

from rizzpay.compliance import collecting
from rizzpay.compliance.collecting import Task
from rizzpay.compliance.model import Status
from tests.compliance.samples import HERE
from tests.compliance.seeds import SEEDS

INVENTORY = os.environ.get("RIZZPAY_BREAK_SITE", "")
NAME = os.environ.get("RIZZPAY_BREAK_HOST", "")
CONTROLS = os.environ.get("RIZZPAY_BREAK_CONTROLS", "").split() or list(SEEDS)
BREAKING = "tests.compliance.breaking"
CAUGHT_MIN = 20

pytestmark = [
    pytest.mark.skipif(not (INVENTORY and NAME), reason="RIZZPAY_BREAK_SITE names no inventory"),
    pytest.mark.timeout(3600),
]


def tried(evidence: Path, controls: list[str]) -> dict[str, Status]:
    """Try controls on the host to break; return their verdicts."""
    found = collecting.run(Task(HERE, Path(INVENTORY), NAME, controls), evidence, lambda *_: None)
    return {check.control: check.status for check in found.checks}


def test_every_seed_is_caught_by_its_control_and_mended(tmp_path, monkeypatch, capsys):
    before = tried(tmp_path / "before", CONTROLS)
    passing = [name for name in CONTROLS if before.get(name) == Status.PASSED]
    troubles = tmp_path / "troubles"
    with monkeypatch.context() as patch:
        patch.setenv("PYTEST_PLUGINS", BREAKING)
        patch.setenv("RIZZPAY_BREAK_TROUBLES", str(troubles))
        broken = tried(tmp_path / "broken", passing)
    after = tried(tmp_path / "after", passing)

    caught = [name for name in passing if broken[name] == Status.FAILED]
    with capsys.disabled():
        print(f"\n{len(caught)} of {len(passing)} seeds were caught by their control")
    wrong = troubles.read_text().splitlines() if troubles.exists() else []
    wrong += [f"{name}: {broken[name]} while broken" for name in passing if name not in caught]
    wrong += [f"{name}: {after[name]} afterwards" for name in passing if after[name] != "passed"]
    assert not wrong, "\n".join(wrong)
    assert len(caught) >= min(CAUGHT_MIN, len(CONTROLS))
