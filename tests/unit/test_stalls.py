"""What counts as a stall of the event loop, and what the machine below it did."""

from pathlib import Path

import pytest

from rizzpay.infra.stalls import Theft

STAT = """cpu  30 0 30 300 0 0 0 {all} 0 0
cpu0 10 0 10 100 0 0 0 {one} 0 0
cpu1 20 0 20 200 0 0 0 {two} 0 0
intr 12345 0 0
ctxt 678
"""


def write(stat: Path, one: int, two: int) -> None:
    """Let the kernel say how many hundredths of a second each core lost."""
    stat.write_text(STAT.format(all=one + two, one=one, two=two))


def test_the_core_that_lost_most_counts_and_only_since_the_last_question(tmp_path):
    stat = tmp_path / "stat"
    write(stat, 100, 50)
    theft = Theft(stat)
    assert theft.since_last_s() == 0
    write(stat, 102, 59)
    assert theft.since_last_s() == pytest.approx(0.09)
    assert theft.since_last_s() == 0


def test_a_machine_that_does_not_say_loses_nothing(tmp_path):
    assert Theft(tmp_path / "none").since_last_s() == 0
    old = tmp_path / "stat"
    old.write_text("cpu 1 2 3 4 5 6 7\ncpu0 1 2 3 4 5 6 7\n")
    assert Theft(old).since_last_s() == 0


def test_the_kernel_of_this_machine_is_understood():
    assert Theft().since_last_s() >= 0
