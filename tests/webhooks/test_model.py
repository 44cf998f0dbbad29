"""What a merchant is told, and when a delivery is tried again."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rizzpay.config import WebhookSettings
from rizzpay.core.tenant import Tenant
from rizzpay.webhooks.model import (
    PAYLOAD_BYTES_MAX,
    Attempt,
    DisabledReason,
    Endpoint,
    EndpointChanges,
    EndpointStatus,
    Event,
    GivenUp,
    Schedule,
    Succeeded,
    SwitchOff,
    Tried,
    TryAgain,
    change,
    decide,
    error_of,
    matches,
    payload,
    retry_after_s,
)

NOW = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)
TENANT = Tenant("mer_1", livemode=False)
SETTINGS = WebhookSettings()
SCHEDULE = Schedule(SETTINGS.schedule_s, SETTINGS.jitter_percent)
DAY_S = 86_400


def event(**changes):
    made = Event(
        id="evt_1",
        tenant=TENANT,
        sequence=7,
        type="payment.captured",
        object_id="pay_1",
        object_sequence=3,
        data={"object": "payment", "id": "pay_1", "amount": 50_000, "metadata": {"b": 1, "a": 2}},
        created_at=datetime(2026, 11, 21, 12, 0, 0, 123_456, tzinfo=UTC),
    )
    return replace(made, **changes)


def endpoint(**changes):
    made = Endpoint(
        id="whe_1",
        tenant=TENANT,
        url="https://shop.example/hook",
        description="",
        event_types=("*",),
        status=EndpointStatus.ENABLED,
        disabled_reason=None,
        previous_secret_expires_at=None,
        failing_since=None,
        version=1,
        created_at=NOW,
        updated_at=NOW,
    )
    return replace(made, **changes)


def tried(number=1, *, status=500, error="http_error", retry_after=None, failing_since=None):
    attempt = Attempt(at=NOW, status=status, duration_ms=3, error=error, response="")
    return Tried("dlv_1", number, attempt, NOW, retry_after, failing_since)


def test_the_payload_is_what_standard_webhooks_asks_for():
    assert json.loads(payload(event())) == {
        "id": "evt_1",
        "type": "payment.captured",
        "timestamp": "2026-11-21T12:00:00.123Z",
        "livemode": False,
        "sequence": 7,
        "object_sequence": 3,
        "data": {"object": event().data},
    }


def test_the_payload_does_not_hang_on_the_order_of_keys():
    turned = {name: event().data[name] for name in reversed(event().data)}
    turned["metadata"] = {"a": 2, "b": 1}
    assert payload(event(data=turned)) == payload(event())


def test_an_object_that_is_too_large_is_sent_without_its_fields():
    large = {"object": "payment", "id": "pay_1", "metadata": {str(n): "€" * 256 for n in range(40)}}
    body = payload(event(data=large))
    assert len(body) <= PAYLOAD_BYTES_MAX
    assert json.loads(body)["data"] == {
        "object": {"id": "pay_1", "object": "payment"},
        "truncated": True,
    }


@pytest.mark.parametrize(
    ("patterns", "wanted"),
    [
        (["*"], True),
        (["payment.*"], True),
        (["payment.captured"], True),
        (["refund.*", "payment.captured"], True),
        (["refund.*"], False),
        (["payment.capture"], False),
        (["pay.*"], False),
        (["payment."], False),
        ([], False),
    ],
)
def test_types_are_matched_by_name_by_group_or_all(patterns, wanted):
    assert matches(patterns, "payment.captured") is wanted


def test_an_endpoint_that_is_switched_off_takes_nothing():
    assert endpoint().takes("payment.captured")
    assert not endpoint(status=EndpointStatus.DISABLED).takes("payment.captured")


def test_a_change_to_the_same_is_no_change():
    assert change(endpoint(), EndpointChanges(url=endpoint().url), NOW) is not None
    assert change(endpoint(), EndpointChanges(url=endpoint().url), NOW) == endpoint()


def test_switching_on_forgets_the_failures():
    off = endpoint(
        status=EndpointStatus.DISABLED,
        disabled_reason=DisabledReason.FAILING,
        failing_since=NOW,
        version=4,
    )
    on = change(off, EndpointChanges(status=EndpointStatus.ENABLED), NOW)
    assert (on.status, on.disabled_reason, on.failing_since) == (
        EndpointStatus.ENABLED,
        None,
        None,
    )
    assert on.version == 5


def test_a_description_can_be_emptied():
    said = endpoint(description="old")
    assert change(said, EndpointChanges(description=""), NOW).description == ""


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (200, None),
        (204, None),
        (299, None),
        (301, "redirect_not_followed"),
        (307, "redirect_not_followed"),
        (400, "http_error"),
        (410, "gone"),
        (429, "http_error"),
        (500, "http_error"),
        (100, "http_error"),
    ],
)
def test_only_the_two_hundreds_are_success(status, error):
    assert error_of(status) == error


def test_success_ends_a_delivery():
    assert decide(tried(status=204, error=None), SCHEDULE, 5 * DAY_S) == Succeeded()


def test_gone_switches_the_endpoint_off():
    decision = decide(tried(status=410, error="gone"), SCHEDULE, 5 * DAY_S)
    assert decision == SwitchOff(DisabledReason.GONE)


def test_after_the_last_row_of_the_table_it_is_given_up():
    assert isinstance(decide(tried(9), SCHEDULE, 5 * DAY_S), TryAgain)
    assert decide(tried(10), SCHEDULE, 5 * DAY_S) == GivenUp()
    # nobody asks his way past the end of the table
    assert decide(tried(10, retry_after="60"), SCHEDULE, 5 * DAY_S) == GivenUp()


def test_five_days_without_success_switch_the_endpoint_off():
    almost = NOW - timedelta(days=5) + timedelta(seconds=1)
    assert isinstance(decide(tried(failing_since=almost), SCHEDULE, 5 * DAY_S), TryAgain)
    decision = decide(tried(failing_since=NOW - timedelta(days=5)), SCHEDULE, 5 * DAY_S)
    assert decision == SwitchOff(DisabledReason.FAILING)


def test_the_table_is_the_one_of_standard_webhooks():
    hours = [0, 5, 5 * 60, 30 * 60, *(h * 3600 for h in (2, 5, 10, 14, 20, 24))]
    assert list(SETTINGS.schedule_s) == hours


@given(
    delivery=st.text(min_size=1, max_size=30),
    number=st.integers(1, 9),
    jitter=st.integers(0, 50),
)
def test_a_retry_lies_within_the_jitter_and_is_always_the_same(delivery, number, jitter):
    schedule = Schedule(SETTINGS.schedule_s, jitter)
    wait = schedule.after(delivery, number, 0)
    assert wait is not None
    assert wait == schedule.after(delivery, number, 0)
    delay_s = SETTINGS.schedule_s[number]
    spread_s = delay_s * jitter / 100 + 0.001
    assert abs(wait.total_seconds() - delay_s) <= spread_s


def test_jitter_spreads_deliveries_over_the_whole_of_its_range():
    waits = sorted(SCHEDULE.after(f"dlv_{n}", 2, 0).total_seconds() for n in range(500))
    assert 240 <= waits[0] < 245
    assert 355 < waits[-1] <= 360
    gaps = [later - earlier for earlier, later in pairwise(waits)]
    assert max(gaps) < 5


@given(number=st.integers(1, 9), asked_s=st.integers(0, 200_000))
def test_a_receiver_is_never_tried_before_it_asked(number, asked_s):
    decision = decide(tried(number, status=503, retry_after=str(asked_s)), SCHEDULE, 5 * DAY_S)
    assert isinstance(decision, TryAgain)
    assert decision.at >= NOW + timedelta(seconds=min(asked_s, DAY_S))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("120", 120),
        (" 120 ", 120),
        ("0", 0),
        ("-5", 0),
        ("1e9", 0),
        ("99999999999999999999999", DAY_S),
        ("90000", DAY_S),
        ("soon", 0),
        ("", 0),
        ("²", 0),
        ("Sat, 21 Nov 2026 06:31:40 GMT", 100),
        ("Sat, 21 Nov 2026 06:31:40 -0000", 100),
        ("Sat, 21 Nov 2026 05:00:00 GMT", 0),
        ("Sat, 21 Nov 9999 05:00:00 GMT", DAY_S),
        ("Sat, 41 Nov 2026 05:00:00 GMT", 0),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_at_most_a_day(header, seconds):
    assert retry_after_s(header, NOW) == seconds


@given(st.text(max_size=40))
def test_any_retry_after_is_survived(header):
    assert 0 <= retry_after_s(header, NOW) <= DAY_S


@given(st.integers(0, DAY_S))
def test_every_date_of_the_next_day_is_read(seconds):
    at = NOW + timedelta(seconds=seconds)
    assert retry_after_s(format_datetime(at, usegmt=True), NOW) == seconds
