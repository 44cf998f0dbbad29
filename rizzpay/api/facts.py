"""What is known of a request on its way: filled by the gate, read by the resources."""

from collections.abc import Mapping
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
JSON = "application/json"  # of every answer that does not say otherwise
NO_BODY = frozenset({204, 304})
Wanted = TypeVar("Wanted", bound=msgspec.Struct)


class Facts(msgspec.Struct, gc=False):
    """`route` and what follows are set when the gate has passed the request."""

    request_id: str = ""
    logged_id: str = ""  # the same as it may be logged
    started_s: float = 0.0
    route: Route | None = None
    caller: Caller | None = None
    query: msgspec.Struct | None = None
    body: msgspec.Struct | None = None
    plain_body: Any = None  # the decoded JSON, for the hash of an idempotent request
    idempotency_key: str | None = None
    error_code: str = ""


class ApiResponse(falcon.Response):
    """An answer of finished bytes that begins with the headers of every answer.

    Only what our resources and error handlers set is there: `status`, `data` and headers.
    """

    __slots__ = ()

    def __init__(self) -> None:
        """Copy the headers; setting them one by one costs ten times that."""
        self.status = 200
        self._data = None
        self._headers = HEADERS.copy()

    def add_own_header(self, name: str, value: str) -> None:
        """Add a header that we made: its name in small letters, its value in ASCII, unchecked."""
        self._headers[name] = value

    def add_own_headers(self, headers: Mapping[str, str]) -> None:
        """Add several of them."""
        self._headers.update(headers)

    def finished(self, method: str) -> tuple[list[tuple[str, str]], list[bytes]]:
        """Return headers and body as WSGI wants them."""
        headers, data = self._headers, self._data or b""
        if self.status in NO_BODY:
            return list(headers.items()), []
        headers.setdefault("content-type", JSON)
        headers["content-length"] = str(len(data))
        return list(headers.items()), [] if method == "HEAD" else [data]


class ApiRequest(falcon.Request):
    """A request with its facts; resources take what the route table promises them.

    Of falcon's request there is what we ask of it: `env`, `method`, `path`, `query_string`,
    `uri_template`, `content_type` and what is read from `env`. The rest is not even prepared.
    """

    __slots__ = ("facts",)

    def __init__(self, env: dict[str, Any]) -> None:
        """Begin with nothing known."""
        self.env = env
        self.method = env["REQUEST_METHOD"]
        path = env["PATH_INFO"] or "/"
        if not path.isascii():  # bytes in latin-1, as PEP 3333 has it
            path = path.encode("latin-1").decode("utf-8", "replace")
        self.path = path
        self.query_string = env["QUERY_STRING"]
        self.content_type = env.get("CONTENT_TYPE")
        self.uri_template = None
        self.is_websocket = False
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
