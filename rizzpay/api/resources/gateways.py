"""Gateways: what the configured ones can do, and how they are."""

from dataclasses import fields
from typing import Any

import falcon

from rizzpay.api.answers import send
from rizzpay.api.facts import ApiRequest
from rizzpay.api.routing_objects import (
    DowntimeObject,
    GatewayMethodObject,
    GatewayStatusList,
    GatewayStatusObject,
    HealthObject,
)
from rizzpay.api.views import when
from rizzpay.core.clock import unix_s
from rizzpay.core.errors import Refused
from rizzpay.gateways.catalog import Capability, Gateway
from rizzpay.gateways.health import Downtime, Key, Rate, View
from rizzpay.gateways.router import Router

URL = "/v1/gateways"
LISTS = ("methods", "currencies")  # of a capability row; other sets say for which methods


class GatewaysResource:
    """All of the caller's mode."""

    def __init__(self, router: Router) -> None:
        """Keep who knows them."""
        self._router = router

    def on_get(self, req: ApiRequest, resp: falcon.Response) -> None:
        """List them."""
        livemode, view = req.caller.tenant.livemode, self._router.health.view
        data = [
            shown(gateway, view)
            for gateway in self._router.gateways.by_name.values()
            if gateway.settings.livemode is livemode
        ]
        send(resp, 200, GatewayStatusList(url=URL, has_more=False, next_cursor=None, data=data))


class GatewayResource:
    """One of them."""

    def __init__(self, router: Router) -> None:
        """Keep who knows it."""
        self._router = router

    def on_get(self, req: ApiRequest, resp: falcon.Response, gateway: str) -> None:
        """Fetch it; one of the other mode is not there."""
        found = self._router.gateways.by_name.get(gateway)
        if found is None or found.settings.livemode is not req.caller.tenant.livemode:
            raise Refused("not_found", param="gateway")
        send(resp, 200, shown(found, self._router.health.view))


def shown(gateway: Gateway, view: View) -> GatewayStatusObject:
    """Return a gateway as the API shows it; the matrix is the catalog's row, whatever it has."""
    row = gateway.capability
    values = {field.name: getattr(row, field.name) for field in fields(Capability)}
    currencies: Any = sorted(row.currencies)
    return GatewayStatusObject(
        name=gateway.name,
        livemode=gateway.settings.livemode,
        kind=gateway.settings.kind,
        currencies=currencies,
        capabilities={name: it for name, it in values.items() if isinstance(it, bool)},
        methods=[
            GatewayMethodObject(
                method=method,
                capabilities={
                    name: method in it
                    for name, it in values.items()
                    if isinstance(it, frozenset) and name not in LISTS
                },
                health=_health((gateway.name, method), view),
            )
            for method in sorted(row.methods)
        ],
        downtimes=[_downtime(it) for it in view.downtimes if it.gateway == gateway.name],
    )


def _health(key: Key, view: View) -> HealthObject:
    breaker, rate = view.breakers.get(key), view.rates.get(key, Rate(0, 0))
    state: Any = view.standing(key).value
    declared = [it for it in view.downtimes if it.is_on(view.at) and it.is_about(key)]
    since = declared[0].starts_at if declared else breaker.since if breaker else None
    return HealthObject(
        state=state, since=when(since), approved=rate.approved, declined=rate.declined
    )


def _downtime(it: Downtime) -> DowntimeObject:
    return DowntimeObject(
        id=it.id,
        method=it.method,
        starts_at=unix_s(it.starts_at),
        ends_at=when(it.ends_at),
        reason=it.reason,
    )
