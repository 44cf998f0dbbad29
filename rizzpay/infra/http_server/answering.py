"""From what the application answers to the bytes of an answer; and the answers of our own.

An answer with all its bytes there is one piece, sent by one call. A header with a line end in it,
or a length that is not the body's, is a fault of the application and is never sent.
"""

import email.utils
import re
from datetime import datetime

from rizzpay.core import clock, ids

Headers = list[tuple[str, str]]

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_NO_BODY = ("1", "204", "304")
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "upgrade", "trailer"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9_\-]{8,64}")

# The error objects of rizzpay/api/catalog.py that this server makes itself; a test compares them.
_ERROR = (
    '{"error":{"type":"%s","code":"%s","message":"%s","source":"%s","recommended_action":"%s",'
    '"request_id":"%%s","doc":"/docs/errors#%s"}}'
)


def _refusal(status: str, kind: str, code: str, message: str, action: str) -> tuple[str, str]:
    source = "internal" if kind == "internal" else "business"
    return status, _ERROR % (kind, code, message, source, action, code)


_BAD = "invalid_request"
REFUSALS = {
    "malformed_request": _refusal(
        *("400 Bad Request", _BAD, "malformed_request"),
        *("The HTTP request cannot be understood.", "fix_request"),
    ),
    "request_timeout": _refusal(
        *("408 Request Timeout", _BAD, "request_timeout"),
        *("The request did not arrive in time.", "retry_later"),
    ),
    "body_too_large": _refusal(
        *("413 Content Too Large", _BAD, "body_too_large"),
        *("The body is larger than 262,144 bytes.", "fix_request"),
    ),
    "internal_error": _refusal(
        *("500 Internal Server Error", "internal", "internal_error"),
        *("Something went wrong on our side.", "contact_support"),
    ),
}


class WrongAnswer(Exception):
    """The application answered what must not be sent; the text is for the log."""


class PeerGone(Exception):
    """The other side does not take its answer."""


class Date:
    """The Date header's value, made anew once a second by who watches the clock."""

    def __init__(self, now: datetime) -> None:
        """Begin with this moment."""
        self.text = email.utils.format_datetime(now, usegmt=True)

    def set(self, now: datetime) -> None:
        """Show this moment."""
        self.text = email.utils.format_datetime(now, usegmt=True)


def known_id(wanted: str) -> str:
    """Return the client's request id when it is a plain one, otherwise a new one."""
    return wanted if _REQUEST_ID.fullmatch(wanted) else ids.new_id("request", clock.now())


def refusal(code: str, request_id: str, date: str) -> bytes:
    """Return a whole answer with the error object of `code`; the connection ends with it."""
    status, body = REFUSALS[code]
    text = body % request_id
    head = (
        f"HTTP/1.1 {status}\r\nDate: {date}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(text)}\r\nX-Request-Id: {request_id}\r\nCache-Control: no-store\r\n"
        "Connection: close\r\n\r\n"
    )
    return (head + text).encode("ascii")


def whole(status: str, headers: Headers, body: bytes, ending: str, *, is_head: bool) -> bytes:
    """Return an answer whose body is all there.

    `ending` is what the server itself adds: Date and Connection, each with its line end. Raises
    WrongAnswer.
    """
    lines = _lines(status, headers)
    # falcon writes the length in this way; anything else is looked at more closely
    if is_head or f"\r\ncontent-length: {len(body)}\r\n" not in lines:
        lines, body = _with_length(status, headers, body, is_head=is_head)
    return f"HTTP/1.1 {status}{lines}{ending}\r\n".encode("latin-1") + body


def head(status: str, headers: Headers, ending: str) -> bytes:
    """Return the head of an answer whose body comes in parts; raises WrongAnswer."""
    _check_hops(headers)
    return f"HTTP/1.1 {status}{_lines(status, headers)}{ending}\r\n".encode("latin-1")


def has_no_body(status: str) -> bool:
    """Tell whether HTTP allows no body with a status."""
    return status.startswith(_NO_BODY)


def length_in(headers: Headers) -> int | None:
    """Return the length that the application promises; raises WrongAnswer."""
    found = [value for name, value in headers if name.lower() == "content-length"]
    if len(found) > 1 or not all(value.isdecimal() for value in found):
        raise WrongAnswer("a Content-Length that is no number")
    return int(found[0]) if found else None


def _lines(status: str, headers: Headers) -> str:
    """Return the headers as lines, behind the end of the status line."""
    lines = "\r\n".join(["", *map(": ".join, headers), ""])
    ends = len(headers) + 1
    if lines.count("\n") != ends or lines.count("\r") != ends or not status.isprintable():
        raise WrongAnswer("a line end in a header or in the status")
    return lines


def _check_hops(headers: Headers) -> None:
    if any(name.lower() in _HOP_BY_HOP for name, _ in headers):
        raise WrongAnswer("a header that only the server may set")


def _with_length(status: str, headers: Headers, body: bytes, *, is_head: bool) -> tuple[str, bytes]:
    """Return header lines and body of an answer that did not say its length plainly."""
    _check_hops(headers)
    length = length_in(headers)
    bare = is_head or has_no_body(status)
    if not bare and length is None:
        headers = [*headers, ("Content-Length", str(len(body)))]
    elif not bare and length != len(body):
        raise WrongAnswer("a Content-Length that is not the body's")
    return _lines(status, headers), b"" if bare else body
