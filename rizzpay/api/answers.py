"""Putting answers on the wire: always JSON, always finished bytes."""

from collections.abc import Mapping
from typing import Any

import falcon
import msgspec

from rizzpay.api import problems
from rizzpay.api.facts import JSON, ApiRequest
from rizzpay.core.errors import NOTHING
from rizzpay.payments.types import Served


def send(resp: falcon.Response, status: int, shown: msgspec.Struct) -> None:
    """Answer with an object."""
    resp.status = status
    resp.data = msgspec.json.encode(shown)


def send_served(resp: falcon.Response, served: Served) -> None:
    """Answer with stored bytes, and say so when they were said before."""
    resp.status = served.answer.status
    resp.data = served.answer.body
    if served.replayed:
        resp.set_header("Idempotency-Replayed", "true")


def send_error(
    req: ApiRequest,
    resp: falcon.Response,
    code: str,
    message: str = "",
    *,
    param: str | None = None,
    extra: Mapping[str, Any] = NOTHING,
) -> None:
    """Answer with the error object of a code, and its headers."""
    known = req.facts
    known.error_code = code
    error = problems.error(code, message, param=param, request_id=known.request_id, extra=extra)
    resp.status = problems.status_of(code)
    resp.content_type = JSON
    resp.data = problems.body(error)
    retry_after_s = extra.get("retry_after_s")
    if retry_after_s is not None:
        resp.set_header("Retry-After", str(retry_after_s))
    if code == "unauthenticated":
        resp.set_header("WWW-Authenticate", 'Basic realm="RizzPay", charset="UTF-8"')
