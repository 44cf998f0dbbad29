"""Pass or fail, the bottleneck, and what other machines would do."""

from dataclasses import replace

import pytest

from capacity.checking import judging
from capacity.checking.judging import Goal
from capacity.load.running import saturated
from capacity.scaling.usl import Law
from tests.capacity import sample_runs as samples
from tests.capacity.sample_runs import OPEN, RUN


def test_a_box_that_answers_in_time_passes_with_its_head_room():
    found = samples.check()
    assert found["passed"]
    assert found["head_room"] == 2.0
    assert judging.lines(found)[0].startswith("PASS: 3,000")


@pytest.mark.parametrize(
    ("at_target", "said"),
    [
        (replace(OPEN, unsent=900, unanswered=100), "1,000 of 60,000 requests"),
        (replace(OPEN, result=False, reasons=["the proof failed"]), "the proof failed"),
        (replace(OPEN, interrupted=True), "interrupted"),
    ],
)
def test_a_box_that_does_not_hold_fails_and_says_why(at_target, said):
    found = samples.check(at_target=at_target)
    assert not found["passed"]
    assert any(said in reason for reason in found["reasons"])
    assert judging.lines(found)[0].startswith("FAIL")


def test_a_latency_above_the_limit_fails():
    found = samples.check(goal=Goal(1000, 3, 10.0))
    assert any("p99 is" in reason for reason in found["reasons"])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"cpu_share": {**RUN.cpu_share, "api": 0.95}, "cores": 4}, "API workers: 1"),
        ({"cpu_share": {**RUN.cpu_share, "api": 0.8, "postgres": 0.9}}, "the most for postgres"),
        ({"stolen_share": 0.5}, "hypervisor"),
        ({"service": {"pool_waiting": 3}}, "database connections: 3"),
        ({"service": {"flush_ms_mean": 6.0}}, "the disk"),
        ({}, "nothing is full"),
    ],
)
def test_the_bottleneck_is_what_is_full(changed, said):
    assert said in judging.bottleneck(replace(RUN, **changed))


def test_two_levels_of_workers_are_not_enough_for_a_law():
    found = samples.check(by_workers=[(1, RUN), (2, RUN)])
    guess = found["extrapolations"][0]
    assert guess["per_second"] is None
    assert "not identifiable" in guess["basis"]
    assert "not measured" in guess["basis"]
    assert 0 < guess["low"] < guess["high"]


def test_enough_levels_of_workers_give_a_law_with_its_band():
    law = Law(1000.0, 0.02, 0.0001)
    runs = [(n, replace(RUN, workers=8, cores=8, per_second=law.at(n))) for n in range(1, 9)]
    best = replace(RUN, workers=8, cores=8, per_second=law.at(8))
    found = samples.check(runs=(best,), by_workers=runs)
    guess = found["extrapolations"][0]
    assert guess["per_second"] == pytest.approx(law.at(16), rel=0.01)
    assert "extrapolated, not measured" in guess["basis"]


def test_a_generator_that_is_full_says_so():
    assert "core itself" in saturated(0.93, [], 1000)
    assert "by its own fault" in saturated(0.3, [0.02] * 100, 1000)
    assert saturated(0.3, [0.001] * 1000, 1000) == ""
