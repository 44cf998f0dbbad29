"""The application: one way through falcon's routes and error handlers, with the gate on it.

falcon itself is made for any resource and any middleware: streams, media handlers, cookies,
templates of headers. Ours answer finished bytes and pass one gate, so a request here takes the
few steps that are left: half of what falcon's own way cost (measured 2026-11-21).
"""

from collections.abc import Callable, Iterable
from typing import Any

import falcon

from rizzpay.api.facts import ApiRequest, ApiResponse
from rizzpay.api.gate import Gate
from rizzpay.api.routes import BY_PLACE, Route

StartResponse = Callable[[str, list[tuple[str, str]]], object]
Place = tuple[Callable[..., None], dict[str, Any], str | None, Route | None]

# Paths that are remembered with what answers them; longer ones have an id in them.
PATHS_MAX = 128
PATH_LENGTH_MAX = 32


class Application(falcon.App[ApiRequest, ApiResponse]):
    """Finds the resource of a request; what the gate or the resource raises becomes an answer."""

    def __init__(self, gate: Gate) -> None:
        """Take the gate; routes and error handlers are added as to any falcon application."""
        super().__init__(request_type=ApiRequest, response_type=ApiResponse)
        self._gate = gate
        self._known: dict[tuple[str, str], Place] = {}

    def __call__(self, env: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        req, resp = ApiRequest(env), ApiResponse()
        params: dict[str, Any] = {}
        try:
            self._gate.begin(req, resp)
            known = self._known.get((req.path, req.method)) or self._find(req)
            responder, params, req.uri_template, route = known
            if route is not None:
                self._gate.admit(req, resp, route)
            responder(req, resp, **params)
            if route is None:  # falcon answers OPTIONS itself, and writes the status out
                resp.status = falcon.http_status_to_code(resp.status)
        except Exception as error:
            if not self._handle_exception(req, resp, error, params):
                raise
        self._gate.end(req, resp)
        headers, body = resp.finished(req.method)
        start_response(falcon.code_to_http_status(resp.status), headers)
        return body

    def _find(self, req: ApiRequest) -> Place:
        """Let falcon find what answers, and remember it for paths that come again."""
        found: Any = self._get_responder(req)
        responder, params, _, template = found
        route = BY_PLACE.get((template or "", req.method))
        place: Place = (responder, params, template, route)
        comes_again = route is not None and len(req.path) <= PATH_LENGTH_MAX
        if comes_again and len(self._known) < PATHS_MAX:
            self._known[req.path, req.method] = place
        return place
