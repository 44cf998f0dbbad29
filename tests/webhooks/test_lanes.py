"""Lanes: a slow receiver slows only itself."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from rizzpay.webhooks.lanes import REMEMBERED_MAX, Lanes, Limits, Pace

NOW = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)
LIMITS = Limits(new=2, quick=4, slow=1, all_slow=3, merchant=6)


def fill(lanes, endpoint_id, merchant_id="mer_1", tries=20):
    """Take as many places as there are."""
    places = [lanes.enter(endpoint_id, merchant_id) for _ in range(tries)]
    return [place for place in places if place is not None]


def learned(*endpoints, took_s):
    """Return lanes that have seen one attempt of each endpoint."""
    lanes = Lanes(LIMITS)
    for endpoint_id in endpoints:
        place = lanes.enter(endpoint_id, endpoint_id)
        lanes.leave(place, Pace(took_s, took_s))
    return lanes


def test_a_new_endpoint_gets_few_places_and_a_quick_one_more():
    assert len(fill(Lanes(LIMITS), "whe_1")) == 2
    assert len(fill(learned("whe_1", took_s=0.1), "whe_1")) == 4
    assert len(fill(learned("whe_1", took_s=9.0), "whe_1")) == 1


def test_a_place_given_back_can_be_taken_again():
    lanes = Lanes(LIMITS)
    for place in fill(lanes, "whe_1"):
        lanes.leave(place, None)
    assert len(fill(lanes, "whe_1")) == 2


def test_one_slow_answer_makes_a_quick_endpoint_slow():
    lanes = learned("whe_1", took_s=0.1)
    lanes.leave(lanes.enter("whe_1", "mer_1"), Pace(15.0, 15.0))
    assert len(fill(lanes, "whe_1")) == 1


def test_slow_endpoints_of_all_merchants_share_their_places():
    names = [f"whe_{n}" for n in range(10)]
    lanes = learned(*names, took_s=15.0)
    taken = sum(len(fill(lanes, name, name)) for name in names)
    assert taken == 3
    assert fill(lanes, "whe_quick", "mer_2")


def test_an_endpoint_that_became_quick_leaves_the_slow_ones():
    lanes = learned("whe_1", took_s=15.0)
    for _ in range(8):
        lanes.leave(lanes.enter("whe_1", "mer_1"), Pace(0.01, 0.01))
    assert len(fill(lanes, "whe_1")) == 4


def test_a_merchant_with_many_endpoints_has_a_limit_too():
    names = [f"whe_{n}" for n in range(10)]
    lanes = learned(*names, took_s=0.1)
    assert sum(len(fill(lanes, name, "mer_1")) for name in names) == 6
    assert fill(lanes, "whe_other", "mer_2")


def test_those_who_wait_get_different_moments_in_their_order():
    lanes = learned("whe_1", took_s=0.4)
    moments = [lanes.come_back("whe_1", NOW) for _ in range(20)]
    assert moments[0] > NOW
    assert all(later - earlier <= timedelta(seconds=0.1) for earlier, later in pairwise(moments))
    assert moments[-1] - moments[0] >= timedelta(seconds=1.5)
    assert moments == sorted(moments)


def test_nobody_waits_longer_than_a_minute_and_not_all_come_back_at_once():
    lanes = learned("whe_1", took_s=15.0)
    waits_s = [(lanes.come_back("whe_1", NOW) - NOW).total_seconds() for _ in range(100)]
    assert max(waits_s) <= 60
    far_s = sorted(wait_s for wait_s in waits_s[4:])
    assert far_s[0] >= 30
    assert max(later - earlier for earlier, later in pairwise(far_s)) < 1


def test_moments_given_out_at_another_speed_are_forgotten():
    lanes = Lanes(LIMITS)
    place = lanes.enter("whe_1", "mer_1")
    for _ in range(50):
        lanes.come_back("whe_1", NOW)
    assert lanes.come_back("whe_1", NOW) > NOW + timedelta(seconds=1)
    lanes.leave(place, Pace(0.01, 0.01))
    assert lanes.come_back("whe_1", NOW) < NOW + timedelta(seconds=0.1)


def test_what_is_known_of_very_many_endpoints_is_not_kept_for_ever():
    lanes = Lanes(LIMITS)
    for number in range(REMEMBERED_MAX + 1):
        lanes.leave(lanes.enter(f"whe_{number}", f"mer_{number}"), Pace(9.0, 9.0))
    assert len(fill(lanes, "whe_0")) == 2  # it is new again


def test_our_own_slowness_does_not_make_a_receiver_slow():
    lanes = Lanes(LIMITS)
    lanes.leave(lanes.enter("whe_1", "mer_1"), Pace(answer_s=0.1, held_s=5.0))
    assert len(fill(lanes, "whe_1")) == 4
    first, second = lanes.come_back("whe_1", NOW), lanes.come_back("whe_1", NOW)
    assert second - first == timedelta(seconds=5.0 / 4)
