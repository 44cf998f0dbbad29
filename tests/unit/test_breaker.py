"""The circuit breaker as values: a table of moves, and random lives of one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rizzpay.core.money import Money
from rizzpay.gateways import port
from rizzpay.gateways.routing.breaker import Breaker, Heard, Policy, State, failed, moved

AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
POLICY = Policy(window_s=60, calls_min=20, failure_percent=50, open_s=30, probes=3)
RESTED = AT + timedelta(seconds=30)
CLOSED = Breaker(State.CLOSED, AT)
OPEN = Breaker(State.OPEN, AT, version=1)
HALF_OPEN = Breaker(State.HALF_OPEN, AT, probes_left=3, version=2)


@pytest.mark.parametrize(
    ("outcome", "is_failure"),
    [
        (port.NotSent("refused"), True),
        (port.Unknown("time-out"), True),
        (port.Declined("do_not_honour", "retry_other_method", "05"), False),
        (port.Declined("gateway_rejected_request", "contact_support", "400"), False),
        (port.Approved("gw_1", Money(100, "INR"), captured=True), False),
        (port.ActionRequired("gw_1", {"type": "redirect"}), False),
        (port.Processing("gw_1"), False),
    ],
)
def test_only_what_brought_no_outcome_is_a_failure(outcome, is_failure):
    assert failed(outcome) is is_failure


@pytest.mark.parametrize(
    ("before", "heard", "at", "after"),
    [
        (CLOSED, Heard(20, 10), AT, State.OPEN),
        (CLOSED, Heard(20, 9), AT, None),
        (CLOSED, Heard(19, 19), AT, None),
        (OPEN, Heard(99, 99), AT + timedelta(seconds=29), None),
        (OPEN, Heard(99, 99), RESTED, State.HALF_OPEN),
        (HALF_OPEN, Heard(), AT, None),
        (HALF_OPEN, Heard(), RESTED, State.HALF_OPEN),
        (replace(HALF_OPEN, probed=Heard(2, 0)), Heard(), AT, None),
        (replace(HALF_OPEN, probed=Heard(3, 0)), Heard(), AT, State.CLOSED),
        (replace(HALF_OPEN, probed=Heard(1, 1)), Heard(), AT, State.OPEN),
        (replace(HALF_OPEN, probed=Heard(9, 1)), Heard(), RESTED, State.OPEN),
    ],
)
def test_every_move_is_in_the_table(before, heard, at, after):
    found = moved(POLICY, before, heard, at)
    assert (found.state if found else None) is after
    if found:
        assert (found.version, found.since) == (before.version + 1, at)
        assert found.probes_left == (POLICY.probes if after is State.HALF_OPEN else 0)
        assert found.probed == Heard()


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(0, 30), st.integers(0, 100)), max_size=40)
)
def test_a_breaker_rests_before_it_is_tried_and_closes_only_after_probes(steps):
    it, now = CLOSED, AT
    for seconds, calls, percent in steps:
        now += timedelta(seconds=seconds)
        heard = Heard(calls, calls * percent // 100)
        if it.state is State.HALF_OPEN:
            it = replace(it, probed=heard)
        after = moved(POLICY, it, heard, now)
        if after is None:
            continue
        if it.state is State.OPEN:
            assert after.state is State.HALF_OPEN
            assert now - it.since >= timedelta(seconds=POLICY.open_s)
        if after.state is State.CLOSED:
            assert it.state is State.HALF_OPEN
            assert it.probed.failures == 0
        if after.state is State.OPEN and it.state is State.CLOSED:
            assert heard.calls >= POLICY.calls_min
        it = after
