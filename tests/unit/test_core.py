"""Money, ids, clock, secrets, errors and state tables: the blocks that everything stands on."""

import os
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rizzpay.core import clock, ids
from rizzpay.core.errors import Misconfigured, Refused, RizzPayError, Unavailable
from rizzpay.core.money import AMOUNT_MAX, EXPONENTS, Money, share
from rizzpay.core.secret import Secret
from rizzpay.core.states import IllegalTransition, Machine
from rizzpay.core.tenant import Tenant

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize("minor", [1.0, True, "100", None])
def test_money_is_a_whole_number(minor):
    with pytest.raises(TypeError):
        Money(minor, "INR")


def test_money_has_a_currency_that_we_know():
    with pytest.raises(ValueError, match="unknown currency"):
        Money(100, "BTC")


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(50_000, "INR"), "500.00"),
        (Money(1, "INR"), "0.01"),
        (Money(-105, "INR"), "-1.05"),
        (Money(1_234, "JPY"), "1234"),
        (Money(1_234, "KWD"), "1.234"),
    ],
)
def test_money_is_written_with_the_decimals_of_its_currency(money, text):
    assert money.decimal() == text


@given(st.integers(-AMOUNT_MAX, AMOUNT_MAX), st.sampled_from(sorted(EXPONENTS)))
def test_the_decimals_say_the_same_amount(minor, currency):
    assert Decimal(Money(minor, currency).decimal()).scaleb(EXPONENTS[currency]) == minor


@given(st.integers(0, AMOUNT_MAX), st.integers(0, 10_000))
def test_a_share_is_rounded_half_up(minor, basis_points):
    exact = Decimal(minor) * basis_points / 10_000
    assert share(minor, basis_points) == int(exact.to_integral_value(ROUND_HALF_UP))


@given(st.integers(0, AMOUNT_MAX), st.integers(0, 10_000))
def test_a_share_is_never_more_than_the_whole(minor, basis_points):
    assert 0 <= share(minor, basis_points) <= minor


@pytest.mark.parametrize(("minor", "basis_points"), [(-1, 200), (100, -1)])
def test_a_share_of_less_than_nothing_is_refused(minor, basis_points):
    with pytest.raises(ValueError, match="zero or more"):
        share(minor, basis_points)


def test_ids_of_one_moment_ascend_and_differ():
    made = [ids.new_id("payment", NOON) for _ in range(10_000)]
    assert made == sorted(set(made))


def test_ids_made_for_others_ascend_after_those_before():
    fresh = ids.Fresh(NOON)
    made = [ids.ulid(NOON), *(fresh[index] for index in range(1_000)), ids.ulid(NOON)]
    assert made == sorted(set(made))
    assert fresh[7] == made[8]


def test_an_id_is_written_as_the_ulid_specification_says():
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    for made in [ids.ulid(NOON) for _ in range(100)]:
        value = 0
        for sign in made:
            value = value * 32 + alphabet.index(sign)
        assert value >> 80 == int(NOON.timestamp() * 1000)


def test_a_process_and_its_child_draw_different_ids():
    ids.ulid(NOON)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, "".join([ids.ulid(NOON) for _ in range(50)]).encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reading, 26 * 50).decode()
    os.close(reading)
    os.close(writing)
    assert not {theirs[place : place + 26] for place in range(0, 1300, 26)} & {
        ids.ulid(NOON) for _ in range(50)
    }


@given(st.integers(0, 10**12), st.integers(1, 10**9))
def test_ids_sort_by_their_time(age_ms, later_ms):
    at = NOON + timedelta(milliseconds=age_ms)
    after = at + timedelta(milliseconds=later_ms)
    assert ids.ulid(at) < ids.ulid(after)


@pytest.mark.parametrize("kind", ids.PREFIXES)
def test_an_id_looks_like_its_kind_and_like_no_other(kind):
    made = ids.new_id(kind, NOON)
    alike = {other for other in ids.PREFIXES if ids.looks_like(other, made)}
    assert alike == {kind}


@pytest.mark.parametrize(
    "text", ["", "pay_", "pay_01M7YSMJ126YRY0YHWMS8SX91", "pay_01M7YSMJ126YRY0YHWMS8SX91U", "pay"]
)
def test_what_is_no_id_does_not_look_like_one(text):
    assert not ids.looks_like("payment", text)


def test_now_is_aware_and_does_not_run_backwards():
    before = clock.monotonic_s()
    assert clock.now().tzinfo is UTC
    assert clock.monotonic_s() >= before


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (datetime(2026, 11, 21, 18, 29, 59, tzinfo=UTC), date(2026, 11, 21)),
        (datetime(2026, 11, 21, 18, 30, tzinfo=UTC), date(2026, 11, 22)),
    ],
)
def test_the_business_day_ends_at_midnight_in_india(at, day):
    assert clock.business_date_ist(at) == day


def test_the_api_writes_whole_seconds():
    assert clock.unix_s(NOON + timedelta(milliseconds=999)) == int(NOON.timestamp())


def test_a_secret_shows_itself_only_when_asked():
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {secret!s}"
    assert secret.reveal() == "hunter2"
    assert secret == Secret("hunter2")


def test_what_is_raised_on_purpose_has_one_root():
    refused = Refused("not_found", param="id", extra={"payment_id": "pay_1"})
    assert (refused.code, refused.message, refused.param) == ("not_found", "", "id")
    assert refused.extra == {"payment_id": "pay_1"}
    assert str(Unavailable("hsm", "no token")) == "hsm: no token"
    assert str(Unavailable("hsm")) == "hsm"
    for error in (refused, Unavailable("hsm"), Misconfigured("x")):
        assert isinstance(error, RizzPayError)


class Light(StrEnum):
    RED = "red"
    GREEN = "green"


class Change(StrEnum):
    GO = "go"
    STOP = "stop"


def test_a_machine_makes_only_the_moves_of_its_table():
    machine = Machine({(Light.RED, Change.GO): Light.GREEN})
    assert machine.next(Light.RED, Change.GO) is Light.GREEN
    assert machine.allows(Light.RED, Change.GO)
    assert not machine.allows(Light.GREEN, Change.GO)
    with pytest.raises(IllegalTransition, match="stop is not legal in state red") as caught:
        machine.next(Light.RED, Change.STOP)
    assert (caught.value.state, caught.value.event) == (Light.RED, Change.STOP)


def test_tenants_of_two_modes_are_two():
    assert Tenant("mer_1", livemode=True) != Tenant("mer_1", livemode=False)
