"""Lanes: a slow receiver slows only itself."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from rizzpay.webhooks.lanes import Lanes, Limits

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
        lanes.leave(place, took_s)
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


def test_slow_endpoints_of_all_merchants_share_their_places():
    names = [f"whe_{n}" for n in range(10)]
    lanes = learned(*names, took_s=15.0)
    taken = sum(len(fill(lanes, name, name)) for name in names)
    assert taken == 3
    assert fill(lanes, "whe_quick", "mer_2")


def test_an_endpoint_that_became_quick_leaves_the_slow_ones():
    lanes = learned("whe_1", took_s=15.0)
    lanes.leave(lanes.enter("whe_1", "mer_1"), 0.01)
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


def test_nobody_waits_longer_than_a_minute_to_look_again():
    lanes = learned("whe_1", took_s=15.0)
    assert max(lanes.come_back("whe_1", NOW) for _ in range(100)) == NOW + timedelta(minutes=1)
