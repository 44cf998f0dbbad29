"""Which gateways can take a payment: from a table of routes to an ordered choice.

The order of the settings is the order of preference. It knows no gateway and no health.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from rizzpay.gateways.port import CaptureMethod, Card, Method

CARD_PAGE = "card_page"  # a card without a token: the gateway's own page asks for it


@dataclass(frozen=True, slots=True)
class Route:
    """What one configured gateway takes. Method types are those of the API, and card_page."""

    gateway: str
    livemode: bool
    methods: frozenset[str]
    currencies: frozenset[str]
    manual_capture: frozenset[str]  # the methods that may be authorized first and captured later


@dataclass(frozen=True, slots=True)
class NoRoute:
    """Nothing fits; `reason` is a sentence for the merchant, `for_now` says that it may later."""

    reason: str
    for_now: bool = False


def kind(method: Method, type_: str) -> str:
    """Return what routing calls a method whose type the API calls `type_`."""
    return CARD_PAGE if method == Card(None) else type_


def kind_of(method_view: Mapping[str, str]) -> str:
    """Return the same of a method as it is stored and shown: a card without a token has no end."""
    type_ = method_view["type"]
    return CARD_PAGE if type_ == "card" and "token_last4" not in method_view else type_


def choose(
    routes: tuple[Route, ...],
    method_type: str,
    currency: str,
    livemode: bool,  # noqa: FBT001 - a fact about the caller's key, not a switch of behaviour
    capture_method: CaptureMethod,
) -> tuple[Route, ...] | NoRoute:
    """Return the routes that can take it, best first, or why none can."""
    mode = "live" if livemode else "test"
    left = tuple(route for route in routes if route.livemode is livemode)
    if not left:
        return NoRoute(f"No gateway is set up for {mode} mode.")
    left = tuple(route for route in left if method_type in route.methods)
    if not left:
        return NoRoute(f"No gateway of {mode} mode takes this method.")
    left = tuple(route for route in left if currency in route.currencies)
    if not left:
        return NoRoute("No gateway takes this method in this currency.")
    if capture_method is CaptureMethod.MANUAL:
        left = tuple(route for route in left if method_type in route.manual_capture)
    if not left:
        return NoRoute("This method cannot be captured later; use capture_method automatic.")
    return left
