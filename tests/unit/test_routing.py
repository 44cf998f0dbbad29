"""Routing: the order of the settings, and a sentence when nothing fits."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rizzpay.gateways.port import CaptureMethod
from rizzpay.gateways.routing import NoRoute, Route, choose

CARD = Route(
    gateway="first",
    livemode=False,
    methods=frozenset({"card", "upi"}),
    currencies=frozenset({"INR"}),
    manual_capture=frozenset({"card"}),
)
AUTOMATIC, MANUAL = CaptureMethod.AUTOMATIC, CaptureMethod.MANUAL


def test_the_first_of_the_settings_is_preferred():
    second = replace(CARD, gateway="second")
    assert choose((CARD, second), "card", "INR", False, AUTOMATIC) == (CARD, second)
    assert choose((second, CARD), "card", "INR", False, AUTOMATIC) == (second, CARD)


def test_test_and_live_never_meet():
    live = replace(CARD, gateway="live", livemode=True)
    assert choose((CARD, live), "card", "INR", True, AUTOMATIC) == (live,)
    assert choose((CARD, live), "card", "INR", False, AUTOMATIC) == (CARD,)


@pytest.mark.parametrize(
    ("question", "word"),
    [
        (("card", "INR", True, AUTOMATIC), "live"),
        (("wallet", "INR", False, AUTOMATIC), "method"),
        (("card", "USD", False, AUTOMATIC), "currency"),
        (("upi", "INR", False, MANUAL), "captured later"),
    ],
)
def test_the_first_thing_that_does_not_fit_is_said(question, word):
    outcome = choose((CARD,), *question)
    assert isinstance(outcome, NoRoute)
    assert word in outcome.reason


def test_no_gateway_at_all_is_said():
    assert isinstance(choose((), "card", "INR", False, AUTOMATIC), NoRoute)


ROUTES = st.builds(
    Route,
    gateway=st.text("abc", min_size=1, max_size=3),
    livemode=st.booleans(),
    methods=st.frozensets(st.sampled_from(["card", "upi", "wallet"])),
    currencies=st.frozensets(st.sampled_from(["INR", "USD"])),
    manual_capture=st.frozensets(st.sampled_from(["card", "upi"])),
)


@given(
    st.lists(ROUTES, max_size=6).map(tuple),
    st.sampled_from(["card", "upi", "wallet"]),
    st.sampled_from(["INR", "USD"]),
    st.booleans(),
    st.sampled_from(CaptureMethod),
)
def test_what_is_chosen_fits_and_what_fits_is_chosen(routes, method, currency, livemode, capture):
    fitting = tuple(
        route
        for route in routes
        if route.livemode is livemode
        and method in route.methods
        and currency in route.currencies
        and (capture is AUTOMATIC or method in route.manual_capture)
    )
    outcome = choose(routes, method, currency, livemode, capture)
    assert isinstance(outcome, NoRoute) if not fitting else outcome == fitting
