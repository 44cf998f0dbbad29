"""Capabilities: which ways to pay work for this merchant, and why others do not."""

from typing import Any

import falcon

from rizzpay.api.answers import send
from rizzpay.api.facts import ApiRequest
from rizzpay.api.objects import CapabilitiesObject, CapabilityObject
from rizzpay.gateways.catalog import Gateways
from rizzpay.gateways.routing import Route
from rizzpay.merchants.model import Caller, Merchant

METHODS = (
    ("card", None),
    ("upi", "intent"),
    ("upi", "qr"),
    ("upi", "collect"),
    ("netbanking", None),
    ("wallet", None),
    ("bank_transfer", None),
)


class CapabilitiesResource:
    """What the caller can do here."""

    def __init__(self, gateways: Gateways) -> None:
        """Keep the configured gateways."""
        self._gateways = gateways

    def on_get(self, req: ApiRequest, resp: falcon.Response) -> None:
        """List every method with its reason and fix."""
        caller = req.caller
        merchant = caller.merchant
        status: Any = merchant.status
        tier: Any = merchant.tier
        shown = CapabilitiesObject(
            livemode=caller.tenant.livemode,
            merchant_id=merchant.id,
            status=status,
            tier=tier,
            requests_per_minute=merchant.requests_per_minute,
            methods=[self._capability(caller, method, flow) for method, flow in METHODS],
        )
        send(resp, 200, shown)

    def _capability(self, caller: Caller, method: Any, flow: Any) -> CapabilityObject:
        livemode = caller.tenant.livemode
        of_mode = [route for route in self._gateways.routes if route.livemode is livemode]
        routes = [route for route in of_mode if method in route.methods]
        currencies: Any = sorted({currency for route in routes for currency in route.currencies})
        manual = any(method in route.manual_capture for route in routes)
        reason, fix = _why_not(caller.merchant, flow, of_mode, routes)
        extra: dict[str, Any] = {"flow": flow} if flow else {}
        return CapabilityObject(
            method=method,
            enabled=reason is None,
            gateways=[route.gateway for route in routes],
            currencies=currencies,
            capture_methods=["automatic", "manual"] if manual else ["automatic"],
            reason=reason,
            fix=fix,
            **extra,
        )


def _why_not(
    merchant: Merchant, flow: str | None, of_mode: list[Route], routes: list[Route]
) -> tuple[str | None, str | None]:
    """Return why a method does not work and what to do about it; nothing when it works."""
    if merchant.status != "active":
        return "The merchant is suspended.", "Ask the operator of this installation why."
    if not of_mode:
        return (
            "No gateway is set up for the mode of this key.",
            "The operator adds one under `gateways` in rizzpay.toml.",
        )
    if not routes:
        return (
            "No gateway of this installation takes this method.",
            "The operator adds a gateway that does; until then offer another method.",
        )
    if flow == "collect" and merchant.collect_exemption is None:
        return (
            "UPI collect ended for merchants on 28 February 2026, and no exemption is recorded.",
            "Use the flow intent or qr; if an exemption applies, the operator records it.",
        )
    return None, None
