"""Amounts with decimals are exact, or they are not believed."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rizzpay.core.money import AMOUNT_MAX, Money
from rizzpay.gateways.amounts import money_of


@given(st.integers(0, AMOUNT_MAX), st.sampled_from(["INR", "JPY", "KWD"]))
def test_what_we_write_is_read_as_it_was(minor, currency):
    money = Money(minor, currency)
    assert money_of(Decimal(money.decimal()), currency) == money


@pytest.mark.parametrize(
    "text", ["0.001", "-0.01", "NaN", "Infinity", "1E+400", "1E-400", "90071992547409.92"]
)
def test_what_is_no_amount_is_not_believed(text):
    assert money_of(Decimal(text), "INR") is None


def test_a_currency_that_we_do_not_know_is_not_believed():
    assert money_of(Decimal(1), "XYZ") is None
    assert money_of(Decimal("1.5"), "JPY") is None
    assert money_of(Decimal(0), "INR") == Money(0, "INR")
