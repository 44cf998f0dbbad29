"""From what was raised to the one error object; nothing of an exception's text gets out."""

from typing import Any

import falcon

from rizzpay.api.answers import send_error
from rizzpay.api.catalog import CATALOG
from rizzpay.api.facts import ApiRequest, ApiResponse
from rizzpay.core.errors import Refused, Unavailable
from rizzpay.infra import log, metrics

RETRY_AFTER_S = 1
BY_STATUS = {
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
}

App = falcon.App[ApiRequest, ApiResponse]


def register(app: App) -> None:
    """Handle everything that can be raised; the most general handler first, as falcon wants it."""
    app.add_error_handler(Exception, _bug)
    app.add_error_handler(falcon.HTTPError, _http_error)
    app.add_error_handler(Unavailable, _unavailable)
    app.add_error_handler(Refused, _refused)


def _refused(req: ApiRequest, resp: falcon.Response, error: Refused, _: dict[str, Any]) -> None:
    if error.code not in CATALOG:
        log.get(__name__).error("refusal.not_in_catalog", code=error.code)
    send_error(req, resp, error.code, error.message, param=error.param, extra=error.extra)


def _unavailable(
    req: ApiRequest, resp: falcon.Response, error: Unavailable, _: dict[str, Any]
) -> None:
    log.get(__name__).warning(
        "part.unavailable", part=error.part, error=str(error), request_id=req.facts.request_id
    )
    send_error(req, resp, "unavailable", extra={"retry_after_s": RETRY_AFTER_S})


def _http_error(
    req: ApiRequest, resp: falcon.Response, error: falcon.HTTPError, _: dict[str, Any]
) -> None:
    """Answer for what falcon itself refuses: no such route, no such method, bad request line."""
    send_error(req, resp, BY_STATUS.get(error.status_code, "malformed_request"))
    headers = dict(error.headers or {})
    if "Allow" in headers:
        resp.set_header("Allow", headers["Allow"])


def _bug(req: ApiRequest, resp: falcon.Response, error: Exception, _: dict[str, Any]) -> None:
    """Log the stack once and say nothing."""
    metrics.ERRORS.labels(req.uri_template or "none").inc()
    log.get(__name__).error(
        "request.failed",
        request_id=req.facts.request_id,
        route=req.uri_template or "none",
        exc_info=error,
    )
    send_error(req, resp, "internal_error")
