"""The gate: what every request passes before its resource, and every answer on its way out.

In this order: request id, authentication, rate limit, suspension, scope, Idempotency-Key, query
string, body. The first that fails answers. The route table says what applies.
"""

import functools
import re

import falcon
from msgspec import UNSET

from rizzpay.api import bodies, claims, client, query_string, schemas
from rizzpay.api.facts import ApiRequest, ApiResponse
from rizzpay.api.routes import Route
from rizzpay.core import clock, ids, sensitive
from rizzpay.core.errors import Refused
from rizzpay.core.secret import Secret
from rizzpay.infra import log, metrics
from rizzpay.infra.cache import Cache, Taken
from rizzpay.infra.log import RequestLine
from rizzpay.merchants.model import Caller
from rizzpay.merchants.service import Merchants, Presented

REQUEST_ID = re.compile(r"[A-Za-z0-9_\-]{8,64}")
# HAProxy's and ours, without a run of digits that could be anything: nothing to scrub in it.
OWN_REQUEST_ID = re.compile(r"(?=.{30}$)req_(?:[0-9]{0,12}+[A-Z])++[0-9]{0,12}+")
OTHER_METHOD = "other"  # one that HTTP does not have
NOBODY = ("", Secret(""))


class Gate:
    """What the application calls on the way in and on the way out."""

    def __init__(self, merchants: Merchants, cache: Cache) -> None:
        """Keep who knows the keys and who counts the requests."""
        self._merchants = merchants
        self._cache = cache

    def begin(self, req: ApiRequest, resp: ApiResponse) -> None:
        """Give the request its id, before anything can fail."""
        facts = req.facts
        facts.started_s = clock.monotonic_s()
        wanted = req.env.get("HTTP_X_REQUEST_ID")
        if wanted is not None and OWN_REQUEST_ID.fullmatch(wanted):
            facts.request_id = facts.logged_id = wanted
        else:
            facts.request_id = _request_id(wanted)
            facts.logged_id = _request_id_to_log(facts.request_id)
        resp.add_own_header("x-request-id", facts.request_id)

    def admit(self, req: ApiRequest, resp: ApiResponse, route: Route) -> None:
        """Let the request through to its resource, or raise Refused."""
        facts = req.facts
        facts.route = route
        if route.scope is not None:
            facts.caller = self._authenticate(req)
            self._limit(facts.caller, resp)
            _may(facts.caller, route)
        if req.path != route.path:  # it has a part that the client wrote
            bodies.refuse_card_data_in(req.path, None)
        facts.idempotency_key = claims.read_key(req, route)
        if req.query_string or route.query is not schemas.NoQuery:
            facts.query = schemas.check_query(query_string.parse(req.query_string), route.query)
        if route.body is not None:
            facts.plain_body = bodies.read_json(req, optional=route.body_optional)
            facts.body = schemas.check(facts.plain_body, route.body)

    def end(self, req: ApiRequest, resp: ApiResponse) -> None:
        """Count the request and write its one line."""
        facts = req.facts
        taken_s = clock.monotonic_s() - facts.started_s
        status = int(resp.status)
        method = req.method if req.method in falcon.HTTP_METHODS else OTHER_METHOD
        template = req.uri_template or "none"
        metrics.REQUESTS.labels(method, template, str(status)).observe(taken_s)
        if facts.error_code:
            metrics.REFUSED.labels(facts.error_code).inc()
        caller = facts.caller
        log.request_finished(
            RequestLine(
                method,
                template,
                status,
                round(taken_s * 1000, 3),
                facts.logged_id,
                clock.now(),
                caller.tenant.merchant_id if caller is not None else UNSET,
                caller.key_id if caller is not None else UNSET,
                facts.error_code or UNSET,
            )
        )

    def _authenticate(self, req: ApiRequest) -> Caller:
        shown, now = req.env.get("HTTP_AUTHORIZATION", ""), clock.now()
        known = self._merchants.recognise(shown, req.address, now)
        if known is not None:
            return known
        key_id, secret = client.credentials(shown) or NOBODY
        return self._merchants.authenticate(Presented(key_id, secret, req.address, shown), now)

    def _limit(self, caller: Caller, resp: ApiResponse) -> None:
        mode = "live" if caller.tenant.livemode else "test"
        per_minute = caller.merchant.requests_per_minute
        taken = self._cache.take(f"{caller.tenant.merchant_id}:{mode}", per_minute)
        resp.add_own_headers(_limit_headers(taken))
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
    if (
        wanted
        and REQUEST_ID.fullmatch(wanted)
        and not (sensitive.may_be_card_data(wanted.encode()) and sensitive.has_card_number(wanted))
    ):
        return wanted
    return ids.new_id("request", clock.now())


def _request_id_to_log(known: str) -> str:
    """Return an id as it may be logged; what a client chose could be anybody's phone number."""
    return known if OWN_REQUEST_ID.fullmatch(known) else str(log.scrubbed(known))


def _limit_headers(taken: Taken) -> dict[str, str]:
    """Return the headers of draft-ietf-httpapi-ratelimit-headers-07."""
    headers = _policy_headers(taken.limit).copy()
    headers["ratelimit-remaining"] = str(taken.remaining)
    headers["ratelimit-reset"] = str(taken.reset_s)
    return headers


@functools.lru_cache(maxsize=256)  # limits are few
def _policy_headers(limit: int) -> dict[str, str]:
    return {"ratelimit-limit": str(limit), "ratelimit-policy": f"{limit};w=60"}
