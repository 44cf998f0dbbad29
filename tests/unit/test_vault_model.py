"""Normal forms of what payers are found by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rizzpay.core.tenant import Tenant
from rizzpay.vault import model

SHOP = Tenant("mer_A", livemode=False)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("+91 98765-43210", "+919876543210"),
        ("9876543210", "+919876543210"),
        ("098765 43210", "+919876543210"),
        ("919876543210", "+919876543210"),
        ("0091 98765 43210", "+919876543210"),
        ("+44 (20) 7946 0000", "+442079460000"),
        ("100", "+100"),
        ("", "+"),
    ],
)
def test_telephone_numbers_have_one_form(text, normal):
    assert model.normal_phone(text) == normal


@given(st.text())
def test_a_normal_form_is_its_own_normal_form(text):
    for form in model.NORMAL_FORMS.values():
        assert form(form(text)) == form(text)


def test_addresses_are_compared_in_lower_case():
    assert model.normal_email(" Asha@Example.COM ") == "asha@example.com"
    assert model.normal_vpa("Asha@OKbank\n") == "asha@okbank"


def test_a_sealed_value_is_bound_to_column_row_and_merchant():
    assert model.context("email", "cus_1", SHOP) == "payers|email|cus_1|mer_A"


def test_equal_values_of_two_merchants_have_different_indexes():
    other = Tenant("mer_B", livemode=False)
    assert model.index_text("email", "A@b.c", SHOP) == "mer_A|a@b.c"
    assert model.index_text("email", "a@b.c", other) != model.index_text("email", "a@b.c", SHOP)
