"""The Universal Scalability Law: known parameters come back, and what is unknown is said to be."""

import random

import pytest

from capacity.scaling import usl
from capacity.scaling.usl import Law

LEVELS = (1, 2, 4, 8, 16, 32, 64)


def test_known_parameters_come_back():
    law = Law(1000.0, 0.03, 0.0005)
    found = usl.fit([(n, law.at(n)) for n in LEVELS])
    assert found.law is not None
    assert found.why_not == ""
    assert found.law.rate_of_one == pytest.approx(1000, rel=1e-6)
    assert found.law.contention == pytest.approx(0.03, rel=1e-6)
    assert found.law.coherency == pytest.approx(0.0005, rel=1e-6)
    assert found.r_squared == pytest.approx(1)
    assert found.law.peak == pytest.approx((0.97 / 0.0005) ** 0.5)


def test_perfect_scaling_has_no_contention():
    found = usl.fit([(n, 500.0 * n) for n in LEVELS])
    assert found.law == Law(
        pytest.approx(500), pytest.approx(0, abs=1e-9), pytest.approx(0, abs=1e-9)
    )


def test_the_band_of_a_noisy_measurement_holds_the_truth():
    law = Law(1000.0, 0.05, 0.001)
    chance = random.Random(7)
    points = [(n, law.at(n) * chance.uniform(0.95, 1.05)) for n in LEVELS for _ in range(3)]
    found = usl.fit(points, wanted=64)
    low, high = found.band(64)
    assert low < law.at(64) < high < 1.5 * low
    assert found.why_not == ""


@pytest.mark.parametrize("levels", [(), (1,), (1, 2), (1, 2, 4)])
def test_three_levels_say_nothing(levels):
    found = usl.fit([(n, 100.0 * n) for n in levels], wanted=16)
    assert found.law is None
    assert found.why_not.startswith("not identifiable")


def test_what_could_be_anything_far_out_is_not_identifiable():
    points = [(1, 100.0), (2, 150.0), (3, 330.0), (4, 300.0)]
    found = usl.fit(points, wanted=1000)
    assert found.why_not.startswith("not identifiable")
