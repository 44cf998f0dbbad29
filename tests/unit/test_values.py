"""Values of the hot path are frozen, and the functions of dataclasses know them."""

import dataclasses

import msgspec
import pytest

from tests.unit.test_payment_decisions import new_payment


def test_both_ways_to_copy_are_the_same():
    payment = new_payment()
    copy = msgspec.structs.replace(payment, version=7, rrn="123456789012")
    assert copy == dataclasses.replace(payment, version=7, rrn="123456789012")
    assert (copy.version, copy.rrn, copy.id) == (7, "123456789012", payment.id)
    assert payment.version != 7


def test_a_value_cannot_be_changed():
    with pytest.raises(AttributeError):
        new_payment().version = 8


def test_a_field_that_does_not_exist_is_a_bug():
    with pytest.raises(TypeError):
        msgspec.structs.replace(new_payment(), colour="red")
