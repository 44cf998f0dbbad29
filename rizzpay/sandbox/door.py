"""Who may ask: signed requests, and JSON in and out. Knows HTTP, decides nothing about money."""

import hashlib
import hmac
from typing import Any

import falcon
import msgspec

from rizzpay.core import clock
from rizzpay.sandbox.settings import Settings
from rizzpay.sandbox.wire import Refused

BODY_MAX_BYTES = 65_536
SIGNATURE_AGE_MAX_S = 300


class Door:
    """Reads requests of /v1, which must be signed with the shared secret."""

    def __init__(self, settings: Settings) -> None:
        """Take the key id and secret."""
        self._key_id = settings.key_id.encode()
        self._secret = settings.secret.reveal().encode()

    def read(self, req: falcon.Request) -> bytes:
        """Return the body of a request that is signed as it should be; raises Refused."""
        body = read_body(req, BODY_MAX_BYTES)
        key_id = req.get_header("X-Sandbox-Key") or ""
        timestamp = req.get_header("X-Sandbox-Timestamp") or ""
        given = req.get_header("X-Sandbox-Signature") or ""
        target = req.path + (f"?{req.query_string}" if req.query_string else "")
        message = f"{timestamp}\n{req.method}\n{target}\n".encode() + body
        expected = hmac.new(self._secret, message, hashlib.sha256).hexdigest()
        known = hmac.compare_digest(self._key_id, key_id.encode(errors="replace"))
        right = hmac.compare_digest(expected.encode(), given.encode(errors="replace"))
        if not (known and right):
            raise Refused(401, "unauthorized", "The key or the signature is wrong.")
        if not _is_recent(timestamp):
            raise Refused(401, "unauthorized", "The timestamp is too far from this clock.")
        return body


def read_body(req: falcon.Request, bytes_max: int) -> bytes:
    """Return the whole body; raises Refused(413, too_large)."""
    if (req.content_length or 0) <= bytes_max:
        body: bytes = req.stream.read(bytes_max + 1)
        if len(body) <= bytes_max:
            return body
    raise Refused(413, "too_large", f"A body has at most {bytes_max} bytes here.")


def answer(resp: falcon.Response, value: Any, status: int = 200) -> None:
    """Write a value as JSON."""
    resp.status = status
    resp.content_type = "application/json"
    resp.data = msgspec.json.encode(value)


def refuse(
    req: falcon.Request, resp: falcon.Response, error: Refused, params: dict[str, Any]
) -> None:
    """Write the error object of a refusal; falcon calls it."""
    del req, params
    value: dict[str, Any] = {"error": error.error, "detail": error.detail}
    if error.closed:
        value["closed"] = True
    answer(resp, value, error.status)


def refuse_http(
    req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, params: dict[str, Any]
) -> None:
    """Write what falcon refuses by itself (no such route, wrong method) in the same form."""
    del req, params
    code = error.status_code
    word = {404: "not_found", 405: "method_not_allowed"}.get(code, "malformed")
    answer(resp, {"error": word, "detail": error.title or ""}, code)


def _is_recent(timestamp: str) -> bool:
    if not (timestamp.isascii() and timestamp.isdigit()):
        return False
    return abs(clock.unix_s(clock.now()) - int(timestamp[:12])) <= SIGNATURE_AGE_MAX_S
