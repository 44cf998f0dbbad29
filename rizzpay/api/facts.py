"""What is known of a request on its way: filled by the gate, read by the resources."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import falcon
import msgspec

from rizzpay.api import client
from rizzpay.api.routes import Route
from rizzpay.core.errors import Refused
from rizzpay.merchants.model import Address, Caller

VERSION = "2026-11-21"  # of the API; a date, raised by changes that a client could notice
HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "rizzpay-version": VERSION,
}
Wanted = TypeVar("Wanted", bound=msgspec.Struct)


@dataclass(slots=True)
class Facts:
    """`route` and what follows are set when the gate has passed the request."""

    request_id: str = ""
    started_s: float = 0.0
    route: Route | None = None
    caller: Caller | None = None
    query: msgspec.Struct | None = None
    body: msgspec.Struct | None = None
    plain_body: Any = None  # the decoded JSON, for the hash of an idempotent request
    idempotency_key: str | None = None
    error_code: str = ""


class ApiResponse(falcon.Response):
    """An answer that begins with the headers of every answer."""

    __slots__ = ()

    def __init__(self, options: falcon.ResponseOptions | None = None) -> None:
        """Copy them; setting them one by one costs ten times that."""
        super().__init__(options)
        self._headers = HEADERS.copy()

    def add_own_headers(self, headers: Mapping[str, str]) -> None:
        """Add headers that we made: names in small letters, values in ASCII, unchecked."""
        self._headers.update(headers)


class ApiRequest(falcon.Request):
    """A request with its facts; resources take what the route table promises them."""

    __slots__ = ("facts",)

    def __init__(self, env: dict[str, Any], options: falcon.RequestOptions | None = None) -> None:
        """Begin with nothing known."""
        super().__init__(env, options)
        self.facts = Facts()

    @property
    def address(self) -> Address | None:
        """Return where the request comes from; None when nobody trustworthy told it."""
        return client.address(self.env)

    @property
    def caller(self) -> Caller:
        """Return who is calling; a route without authentication has nobody."""
        if self.facts.caller is None:
            raise Refused("unauthenticated")
        return self.facts.caller

    def checked_query(self, wanted: type[Wanted]) -> Wanted:
        """Return the query string, which the route table says is a `wanted`."""
        if not isinstance(self.facts.query, wanted):
            raise TypeError(f"the route's query is not {wanted.__name__}")
        return self.facts.query

    def checked_body(self, wanted: type[Wanted]) -> Wanted:
        """Return the body, which the route table says is a `wanted`."""
        if not isinstance(self.facts.body, wanted):
            raise TypeError(f"the route's body is not {wanted.__name__}")
        return self.facts.body
