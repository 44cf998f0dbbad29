"""What is known of a request on its way: filled by the gate, read by the resources."""

from dataclasses import dataclass
from typing import Any, TypeVar

import falcon
import msgspec

from rizzpay.api.routes import Route
from rizzpay.core.errors import Refused
from rizzpay.merchants.model import Address, Caller

Wanted = TypeVar("Wanted", bound=msgspec.Struct)


@dataclass(slots=True)
class Facts:
    """`route` and what follows are set when the gate has passed the request."""

    request_id: str = ""
    started_s: float = 0.0
    address: Address | None = None
    route: Route | None = None
    caller: Caller | None = None
    query: msgspec.Struct | None = None
    body: msgspec.Struct | None = None
    plain_body: Any = None  # the decoded JSON, for the hash of an idempotent request
    idempotency_key: str | None = None
    error_code: str = ""


class ApiRequest(falcon.Request):
    """A request with its facts; resources take what the route table promises them."""

    __slots__ = ("facts",)

    def __init__(self, env: dict[str, Any], options: falcon.RequestOptions | None = None) -> None:
        """Begin with nothing known."""
        super().__init__(env, options)
        self.facts = Facts()

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
