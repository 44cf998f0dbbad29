"""The gate: what every request passes before its resource, and every answer on its way out.

In this order: request id, authentication, rate limit, suspension, scope, Idempotency-Key, query
string, body. The first that fails answers. The route table says what applies.
"""

import re
from typing import Any

import falcon

from rizzpay.api import bodies, claims, client, query_string, schemas
from rizzpay.api.facts import ApiRequest, Facts
from rizzpay.api.routes import BY_PLACE, Route
from rizzpay.core import clock, ids, sensitive
from rizzpay.core.errors import Refused
from rizzpay.core.secret import Secret
from rizzpay.infra import log, metrics
from rizzpay.infra.cache import Cache, Taken
from rizzpay.merchants.model import Caller
from rizzpay.merchants.service import Merchants, Presented

VERSION = "2026-11-21"  # of the API; a date, raised by changes that a client could notice
REQUEST_ID = re.compile(r"[A-Za-z0-9_\-]{8,64}")
NOBODY = ("", Secret(""))
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "RizzPay-Version": VERSION,
}


class Gate:
    """Falcon middleware."""

    def __init__(self, merchants: Merchants, cache: Cache) -> None:
        """Keep who knows the keys and who counts the requests."""
        self._merchants = merchants
        self._cache = cache
        self._log = log.get(__name__)

    def process_request(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Give the request its id and the answer its headers, before anything can fail."""
        req.facts.started_s = clock.monotonic_s()
        req.facts.request_id = _request_id(req.get_header("X-Request-Id"))
        req.facts.address = client.address(req.env)
        resp.set_headers(HEADERS)
        resp.set_header("X-Request-Id", req.facts.request_id)

    def process_resource(
        self, req: ApiRequest, resp: falcon.Response, _: object, __: dict[str, Any]
    ) -> None:
        """Let the request through to its resource, or raise Refused."""
        route = BY_PLACE.get((req.uri_template or "", req.method))
        if route is None:  # falcon answers 405 and OPTIONS itself
            return
        facts = req.facts
        facts.route = route
        if route.scope is not None:
            facts.caller = self._authenticate(req)
            self._limit(facts.caller, resp)
            _may(facts.caller, route)
        bodies.refuse_card_data_in(req.path, None)
        facts.idempotency_key = claims.read_key(req, route)
        facts.query = schemas.check_query(query_string.parse(req.query_string), route.query)
        if route.body is not None:
            facts.plain_body = bodies.read_json(req, optional=route.body_optional)
            facts.body = schemas.check(facts.plain_body, route.body)

    def process_response(
        self,
        req: ApiRequest,
        resp: falcon.Response,
        _: object,
        __: bool,  # noqa: FBT001 - falcon passes it by position
        /,
    ) -> None:
        """Count the request and write its one line."""
        facts = req.facts
        taken_s = clock.monotonic_s() - facts.started_s
        status = resp.status_code
        template = req.uri_template or "none"
        metrics.REQUESTS.labels(req.method, template, str(status)).observe(taken_s)
        if facts.error_code:
            metrics.REFUSED.labels(facts.error_code).inc()
        self._log.info("request.finished", **_line(req, facts, status, taken_s))

    def _authenticate(self, req: ApiRequest) -> Caller:
        key_id, secret = client.credentials(req.get_header("Authorization")) or NOBODY
        presented = Presented(key_id, secret, req.facts.address)
        return self._merchants.authenticate(presented, clock.now())

    def _limit(self, caller: Caller, resp: falcon.Response) -> None:
        mode = "live" if caller.tenant.livemode else "test"
        per_minute = caller.merchant.requests_per_minute
        taken = self._cache.take(f"{caller.tenant.merchant_id}:{mode}", per_minute)
        resp.set_headers(_limit_headers(taken))
        if not taken.allowed:
            metrics.RATE_LIMITED.labels(caller.merchant.tier).inc()
            raise Refused("rate_limited", extra={"retry_after_s": taken.retry_after_s})


def _may(caller: Caller, route: Route) -> None:
    """Refuse a suspended merchant's changes and a key without the scope."""
    if route.writes and caller.merchant.status != "active":
        raise Refused("merchant_suspended")
    if route.scope not in caller.scopes:
        raise Refused("insufficient_scope", f"The route needs the scope {route.scope}.")


def _request_id(wanted: str | None) -> str:
    if wanted and REQUEST_ID.fullmatch(wanted) and not sensitive.has_card_number(wanted):
        return wanted
    return ids.new_id("request", clock.now())


def _limit_headers(taken: Taken) -> dict[str, str]:
    """Return the headers of draft-ietf-httpapi-ratelimit-headers-07."""
    return {
        "RateLimit-Limit": str(taken.limit),
        "RateLimit-Remaining": str(taken.remaining),
        "RateLimit-Reset": str(taken.reset_s),
        "RateLimit-Policy": f"{taken.limit};w=60",
    }


def _line(req: ApiRequest, facts: Facts, status: int, taken_s: float) -> dict[str, Any]:
    """Return what the access log says: never a body, a query string or an address of a person."""
    line: dict[str, Any] = {
        "method": req.method,
        "route": req.uri_template or "none",
        "status": status,
        "duration_ms": round(taken_s * 1000, 3),
        "request_id": facts.request_id,
    }
    if facts.caller is not None:
        line["merchant"] = facts.caller.tenant.merchant_id
        line["key"] = facts.caller.key_id
    if facts.error_code:
        line["code"] = facts.error_code
    return line
