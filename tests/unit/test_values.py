"""Copies of values: the same as the standard library makes, only faster."""

import dataclasses

import pytest

from rizzpay.core.values import changed
from tests.unit.test_payment_decisions import new_payment


def test_a_copy_is_what_dataclasses_replace_makes():
    payment = new_payment()
    copy = changed(payment, version=7, rrn="123456789012")
    assert copy == dataclasses.replace(payment, version=7, rrn="123456789012")
    assert copy is not payment
    assert payment.version != 7


def test_the_copy_is_frozen_like_the_original():
    with pytest.raises(dataclasses.FrozenInstanceError):
        changed(new_payment(), version=7).version = 8


def test_a_field_that_does_not_exist_is_a_bug():
    with pytest.raises(KeyError):
        changed(new_payment(), colour="red")
