"""The harness tells a payment that is lost, doubled or late from one that is not."""

import pytest

from tests.lab.books import Row, judge
from tests.lab.client import Outcome, longest_silence_s


def outcome(
    key, *, started_s=0.0, ended_s=1.0, status=201, payment_id="pay_1", state="captured"
):  # fmt: skip
    return Outcome(key, started_s, ended_s, 1, status, payment_id, state, {})


def steady(*times):
    """Return payments that were answered a moment after they were started."""
    return [outcome("k", started_s=at - 0.1, ended_s=at) for at in times]


KEPT = Row("k-1", "pay_1", "captured", 12_300)


def test_a_payment_that_the_database_holds_is_neither_lost_nor_doubled():
    verdict = judge([outcome("k-1")], [KEPT])
    assert (verdict.acknowledged, verdict.lost, verdict.doubled) == (1, [], [])


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [Row("k-1", "pay_1", "failed", 0)],
        [Row("k-1", "pay_2", "captured", 12_300)],
        [Row("k-2", "pay_1", "captured", 12_300)],
    ],
)
def test_an_acknowledged_payment_that_the_database_does_not_hold_as_told_is_lost(rows):
    assert judge([outcome("k-1")], rows).lost == ["k-1"]


def test_a_payment_that_nobody_acknowledged_cannot_be_lost():
    silent = outcome("k-1", status=None, payment_id=None, state=None)
    refused = outcome("k-2", status=503, payment_id=None, state="unavailable")
    assert judge([silent, refused], []).lost == []
    assert judge([silent, refused], []).acknowledged == 0


def test_two_payments_for_one_intent_are_doubled():
    again = Row("k-1", "pay_2", "captured", 12_300)
    assert judge([outcome("k-1")], [KEPT, again]).doubled == ["k-1"]


def test_a_payment_that_was_acknowledged_early_may_be_captured_later():
    assert judge([outcome("k-1", status=202, state="processing")], [KEPT]).lost == []


def test_the_outage_is_the_longest_time_between_two_acknowledgements():
    assert longest_silence_s(steady(0.5, 1.0, 1.5, 9.0, 9.5)) == 7.5


def test_an_answer_that_acknowledges_nothing_does_not_end_an_outage():
    refused = outcome("k", ended_s=2.5, status=503, payment_id=None)
    assert longest_silence_s([*steady(1.0, 4.0), refused]) == 3.0


def test_a_payment_that_is_late_when_all_are_sent_is_no_outage():
    late = outcome("k", started_s=0.7, ended_s=30.0)
    assert longest_silence_s([*steady(0.5, 1.0, 1.5), late]) == 0.5
