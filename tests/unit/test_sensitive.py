"""What looks like a card number, a CVV or an Aadhaar number, and what only seems to."""

import hashlib
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rizzpay.core import clock, ids, sensitive


def with_check_digit(digits: str) -> str:
    """Put the Luhn digit behind digits (ISO/IEC 7812-1, annex B), written another way."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return digits + str(-total % 10)


def padded(beginning: str, length: int) -> str:
    return with_check_digit(beginning + "0" * (length - 1 - len(beginning)))


CARDS = [
    "4111111111111111",  # published test numbers
    "4222222222222",
    "5555555555554444",
    "2223003122003222",
    "378282246310005",
    "6011111111111117",
    "30569309025904",
    "3530111333300000",
    padded("6304", 18),  # Maestro
    padded("508500", 16),  # RuPay
    padded("607400", 16),
    padded("817200", 16),
    padded("820000", 16),
    padded("652100", 16),
    padded("622200", 19),  # UnionPay
]
WRITTEN = ["{}", "x {} y", "card{}", "{}x", '"{}"', "({}).", "a=1&b={}", "{} 12/27 917"]


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize("written", WRITTEN)
def test_a_card_number_is_found_and_masked(card, written):
    text = written.format(card)
    assert sensitive.has_card_number(text)
    masked = sensitive.mask(text)
    assert card not in masked
    assert "[card]" in masked


@pytest.mark.parametrize("separator", [" ", "-", "  ", " - ", ".", "_", "\u00a0", "\u2013"])
def test_a_card_number_in_groups_is_found(separator):
    assert sensitive.has_card_number(separator.join(["4111", "1111", "1111", "1111"]))


def test_a_card_number_of_single_digits_is_found():
    assert sensitive.has_card_number(" ".join("4111111111111111"))


@pytest.mark.parametrize(
    "digits",
    ["４１１１１１１１１１１１１１１１", "٤١١١١١١١١١١١١١١١", "4111\u200b1111\u200b1111\u200b1111"],
)
def test_a_card_number_in_other_digits_is_found(digits):
    assert sensitive.has_card_number(digits)


def test_the_second_of_two_card_numbers_is_masked_too():
    masked = sensitive.mask("4111111111111111 then 5555555555554444")
    assert masked == "[card] then [card]"


@pytest.mark.parametrize("track", ["%B4111111111111111^RAO/A^2712", ";4111111111111111=2712101"])
def test_a_magnetic_track_is_found_and_masked(track):
    assert sensitive.has_card_number(track)
    assert "4111111111111111" not in sensitive.mask(track)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4111111111111112",  # wrong check digit
        "41111111111111112222",  # too long to be one
        "1732180000000",  # milliseconds
        "+919876543210",
        "919876543210123",
        "632512345678",  # an RRN
        "2026-11-21T10:30:00.123456",
        "50000 100000 250000",
        "INV-2026-000123-0001",
    ],
)
def test_other_numbers_are_not_card_numbers(text):
    assert not sensitive.has_card_number(text)
    assert sensitive.mask(text) == text


@given(st.uuids().map(str))
def test_a_uuid_is_not_a_card_number(text):
    assert not sensitive.has_card_number(text)


@given(st.binary(max_size=40).map(lambda data: hashlib.sha256(data).hexdigest()))
def test_a_digest_is_not_a_card_number(text):
    assert not sensitive.has_card_number(text)


def test_our_own_ids_are_not_card_numbers():
    now = clock.now()
    assert not any(sensitive.has_card_number(ids.new_id("payment", now)) for _ in range(5_000))


def test_one_uuid_is_no_hiding_place():
    assert sensitive.has_card_number(f"{uuid.UUID(int=7)} 4111111111111111")


@given(st.integers(400_000, 499_999), st.integers(0, 999_999_999))
def test_every_visa_number_with_its_check_digit_is_found(beginning, rest):
    card = with_check_digit(f"{beginning}{rest:09d}")
    assert sensitive.has_card_number(card)
    wrong = card[:-1] + str((int(card[-1]) + 1) % 10)
    assert not sensitive.has_card_number(wrong)


@given(st.text(max_size=300))
def test_no_text_breaks_the_search(text):
    sensitive.has_card_number(text)
    sensitive.has_aadhaar(text)
    assert isinstance(sensitive.mask(text), str)


@pytest.mark.parametrize("separator", ["-", " ", "a", ""])
def test_the_search_takes_no_time_that_a_request_could_notice(separator):
    text = separator.join("41" * 8_192)[:16_384]
    began = clock.monotonic_s()
    sensitive.has_card_number(text)
    assert clock.monotonic_s() - began < 0.5


@pytest.mark.parametrize(
    "name",
    [
        "cvv",
        "CVV2",
        "cvc",
        "card_cvc",
        "cvv_number",
        "security_code",
        "Security-Code",
        "pin",
        "UPI_PIN",
    ],
)
def test_a_field_for_a_cvv_or_pin_is_recognised(name):
    assert sensitive.is_cvv_name(name)


@pytest.mark.parametrize("name", ["pincode", "pin_code", "amount", "city", "opinion", "cover"])
def test_a_field_that_only_sounds_like_one_is_not(name):
    assert not sensitive.is_cvv_name(name)


@pytest.mark.parametrize("text", ["cvv: 123", "my CVV2=1234", "CVC 917"])
def test_a_spoken_cvv_is_found(text):
    assert sensitive.has_spoken_cvv(text)
    assert not sensitive.has_spoken_cvv("civic 917")


# Verhoeff's check digit by his own example: 236 gets 3.
@pytest.mark.parametrize("text", ["2363 2363 0005", "987654321096"])
def test_an_aadhaar_number_is_told_by_its_check_digit(text):
    digits = text.replace(" ", "")
    found = [d for d in "0123456789" if sensitive.has_aadhaar(digits[:-1] + d)]
    assert len(found) == 1
    grouped = digits[:4] + " " + digits[4:8] + " " + digits[8:-1] + found[0]
    assert sensitive.has_aadhaar(grouped)


def test_an_aadhaar_number_begins_with_two_or_more():
    assert not any(sensitive.has_aadhaar(f"12345678901{digit}") for digit in "0123456789")


@given(
    st.text("0123456789 -._;=%B^cvVC2:", max_size=60)
    | st.sampled_from(CARDS).map(lambda card: f"x {card[:4]} {card[4:]}")
    | st.text("0123456789", min_size=3, max_size=4).map(lambda cvv: f"my CvV2: {cvv}")
)
def test_the_quick_look_misses_nothing(text):
    found = sensitive.has_card_number(text) or sensitive.has_spoken_cvv(text)
    assert sensitive.may_be_card_data(text.encode()) or not found
