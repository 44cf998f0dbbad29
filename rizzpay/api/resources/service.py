"""The service itself: is it alive, is it ready, its figures, its documents."""

import ipaddress
from pathlib import Path

import falcon

from rizzpay.api import docs, openapi
from rizzpay.api.answers import send
from rizzpay.api.facts import ApiRequest
from rizzpay.api.objects import LiveObject
from rizzpay.api.readiness import Readiness
from rizzpay.config import Service
from rizzpay.core.errors import Refused
from rizzpay.infra import metrics
from rizzpay.merchants.model import is_within


class LiveResource:
    """The process answers."""

    def on_get(self, _: ApiRequest, resp: falcon.Response) -> None:
        """Say so."""
        send(resp, 200, LiveObject())


class ReadyResource:
    """Payments can be taken."""

    def __init__(self, readiness: Readiness) -> None:
        """Keep who looks."""
        self._readiness = readiness

    def on_get(self, _: ApiRequest, resp: falcon.Response) -> None:
        """Say so, with every part's state."""
        found = self._readiness.look()
        send(resp, 503 if found.status == "unavailable" else 200, found)


class MetricsResource:
    """The figures of all processes of this machine."""

    def __init__(self, settings: Service) -> None:
        """Keep who may read, and where the processes write."""
        self._networks = tuple(ipaddress.ip_network(text) for text in settings.management_cidrs)
        self._directory = metrics.directory_of(Path(settings.run_dir))

    def on_get(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Return the figures to the operator's network."""
        if not is_within(req.address, self._networks):
            raise Refused("management_only")
        resp.content_type = metrics.CONTENT_TYPE
        resp.data = metrics.render(self._directory)


class OpenApiResource:
    """The OpenAPI document."""

    def __init__(self, public_url: str) -> None:
        """Generate it once."""
        self._document = openapi.encoded(public_url)

    def on_get(self, _: ApiRequest, resp: falcon.Response) -> None:
        """Return it."""
        resp.content_type = "application/json"
        resp.data = self._document


class PageResource:
    """A page of the documentation."""

    def __init__(self, page: str) -> None:
        """Keep the finished page."""
        self._page = page.encode()

    def on_get(self, _: ApiRequest, resp: falcon.Response) -> None:
        """Return it; its style is the only thing that the browser may apply."""
        resp.content_type = "text/html; charset=utf-8"
        resp.set_header("Content-Security-Policy", docs.POLICY)
        resp.data = self._page
