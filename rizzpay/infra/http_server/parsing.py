"""From bytes to WSGI environs (PEP 3333), strictly: what is not plainly one request is refused.

llhttp (httptools) does the reading: it refuses a line end without CR, folded headers, spaces before
a colon, control characters, two lengths, a length beside a transfer coding. What it lets through
and we do not is refused here: names with an underscore are left out, a second Host, Authorization
or Content-Type, codings other than `chunked`, versions other than 1.0 and 1.1, a request without
Host, targets that are no path, and more of anything than a limit.

It reads no socket and keeps no time; connection.py does.
"""

import io
import re
import sys
from collections import deque
from typing import Any
from urllib.parse import unquote_to_bytes

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

Environ = dict[str, Any]

HEAD_MAX = 32_768  # bytes of request line and headers; HAProxy's buffer has half of that
TARGET_MAX = 8_190  # bytes; Apache's and gunicorn's limit, of which habits are made
HEADERS_MAX = 100  # lines; gunicorn's limit
# What the application may see of a body: one byte more than the largest that it takes
# (rizzpay/api/bodies.py), so that it can tell that there was more.
BODY_KEPT = 262_145
# Of a larger body the rest is read and dropped, for a client that listens only when it has sent
# everything. Above this nobody means it: haproxy.cfg refuses the same.
BODY_MAX = 33_554_432
# Remembered of what comes again and again; a client cannot fill the memory with new ones.
NAMES_MAX = 256
HOSTS_MAX = 64
PATHS_MAX = 128
PATH_BYTES_MAX = 32  # longer ones have an id in them and do not come again

MALFORMED = "malformed_request"
TOO_LARGE = "body_too_large"

_ORIGIN_FORM = re.compile(rb"/[!\"$-~]*")
_ABSOLUTE_FORM = re.compile(rb"(?i:https?)://([^/?#]*)(/[!\"$-~]*)?")
_HOST = re.compile(
    r"[A-Za-z0-9._~%!$&'()*+,;=-]+(?::[0-9]{0,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{0,5})?"
)
_LENGTH = re.compile(r"[0-9]{1,19}")
# A second line of these is not joined to the first: nobody could say which one counts.
_ONCE = frozenset(
    {
        "CONTENT_LENGTH",
        "CONTENT_TYPE",
        "HTTP_AUTHORIZATION",
        "HTTP_CONTENT_ENCODING",
        "HTTP_EXPECT",
        "HTTP_HOST",
        "HTTP_TRANSFER_ENCODING",
    }
)
_PLAIN = {"HTTP_CONTENT_LENGTH": "CONTENT_LENGTH", "HTTP_CONTENT_TYPE": "CONTENT_TYPE"}
_VERSIONS = {"1.1": "HTTP/1.1", "1.0": "HTTP/1.0"}
_BASE: Environ = {
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",  # of this connection; X-Forwarded-Proto tells the client's
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
    "SCRIPT_NAME": "",
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "",
    "REMOTE_ADDR": "",  # the peer of a Unix socket has no address
}
_BETWEEN, _IN_HEAD, _IN_BODY = range(3)


class Refusal(Exception):
    """The bytes are not a request that we take; `code` is a code of rizzpay/api/catalog.py."""

    def __init__(self, code: str, reason: str, request_id: str = "") -> None:
        """Keep the code, our own words for the log, and the id that the client may have sent."""
        super().__init__(reason)
        self.code = code
        self.request_id = request_id


class Memory:
    """What was seen to be right before, to be seen so again sooner; one for all connections."""

    def __init__(self) -> None:
        """Know nothing."""
        self.names: dict[bytes, str] = {}  # header names and their keys of the environ
        self.hosts: set[str] = set()
        self.paths: dict[bytes, str] = {}  # targets that are nothing but a plain path

    def learn(self, name: bytes) -> str:
        """Return the key of a name; empty for one with an underscore, which would hide another."""
        key = ""
        if b"_" not in name:
            key = "HTTP_" + name.decode("ascii").upper().replace("-", "_")
            key = _PLAIN.get(key, key)
        if len(self.names) < NAMES_MAX:
            self.names[name] = key
        return key


class RequestReader:
    """Reads the requests of one connection, in order.

    `ready` holds what is complete: an environ, and whether the connection may stay open after it.
    After a Refusal the connection has to end; what was ready before it is still to be answered.
    """

    __slots__ = (
        "_body", "_chunked", "_environ", "_fed", "_memory", "_names", "_parser", "_quiet",
        "_repeats", "_size", "_state", "_target", "expects_continue", "over", "ready",
    )  # fmt: skip

    def __init__(self, memory: Memory) -> None:
        """Begin before the first byte."""
        self.ready: deque[tuple[Environ, bool]] = deque()
        self.expects_continue = False
        self.over = False  # a request asked for another protocol, so none follows it
        self._memory = memory
        self._names = memory.names
        self._state = _BETWEEN
        self._fed = self._size = self._quiet = self._repeats = 0
        self._environ: Environ = {}
        self._target = b""
        self._body: bytes | bytearray = b""
        self._chunked = False
        self._parser = HttpRequestParser(self)

    @property
    def is_idle(self) -> bool:
        """Tell whether no byte of a next request has come."""
        return self._state == _BETWEEN and self._fed == 0

    @property
    def is_in_body(self) -> bool:
        """Tell whether a request's head is complete and its body is not."""
        return self._state == _IN_BODY

    def feed(self, data: bytes | memoryview) -> None:
        """Read on. Raises Refusal; then the reader is of no more use but for `ready`."""
        size = len(data)
        self._fed += size
        before = self._size
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:  # we speak no other protocol: this answer, and the end
            self.over = True
            return
        except HttpParserError as error:
            raise self._refusal(error) from None
        if self._state != _IN_BODY:
            if self._fed > HEAD_MAX:
                raise Refusal(MALFORMED, "the head is too large")
        elif self._chunked:  # what is neither data nor an end: chunk sizes, extensions, trailers
            self._quiet = self._quiet + size if self._size == before else 0
            if self._quiet > HEAD_MAX:
                raise Refusal(MALFORMED, "too much between two chunks", self._request_id())

    def _refusal(self, error: HttpParserError) -> Refusal:
        cause = error.__context__
        if isinstance(cause, Refusal):
            return Refusal(cause.code, str(cause), self._request_id())
        return Refusal(MALFORMED, str(error), self._request_id())

    def _request_id(self) -> str:
        return str(self._environ.get("HTTP_X_REQUEST_ID", ""))

    # llhttp calls these, in the order in which they stand here

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._state = _IN_HEAD
        self._environ = _BASE.copy()
        self._target = self._body = b""
        self._size = self._quiet = self._repeats = 0
        self._chunked = False

    def on_url(self, part: bytes) -> None:
        """Take the request target, which may come in parts."""
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header line; trailers, which stand behind the body, are not looked at."""
        if self._state == _IN_BODY:
            return
        key = self._names.get(name)
        if key is None:
            key = self._memory.learn(name)
        if key in self._environ:
            self._repeat(key, value)
        elif key:
            self._environ[key] = value.decode("latin-1").rstrip(" \t")

    def on_headers_complete(self) -> None:
        """Check what only the whole head can tell, and complete the environ."""
        environ = self._environ
        parser = self._parser
        version = _VERSIONS.get(parser.get_http_version())
        if version is None:
            raise Refusal(MALFORMED, "the version is neither HTTP/1.0 nor HTTP/1.1")
        if self._fed > HEAD_MAX:
            self._measure()
        if len(environ) - len(_BASE) + self._repeats > HEADERS_MAX:
            raise Refusal(MALFORMED, "too many headers")
        environ["SERVER_PROTOCOL"] = version
        environ["REQUEST_METHOD"] = method = parser.get_method().decode("ascii")
        if method == "CONNECT":
            raise Refusal(MALFORMED, "this is no proxy")
        self._find_place()
        self._find_length()
        self._state = _IN_BODY

    def on_body(self, part: bytes) -> None:
        """Keep a part of the body as far as the application may see it."""
        size = len(part)
        self._size += size
        if not self._body:
            self._body = part[:BODY_KEPT]
            return
        if isinstance(self._body, bytes):
            self._body = bytearray(self._body)
        room = BODY_KEPT - len(self._body)
        if room > 0:
            self._body += part[:room]
        if self._size > BODY_MAX:
            raise Refusal(TOO_LARGE, "the body is far too large")

    def on_message_complete(self) -> None:
        """Put the request where the connection finds it."""
        environ = self._environ
        environ["wsgi.input"] = io.BytesIO(self._body)
        self.ready.append((environ, self._parser.should_keep_alive()))
        self._state = _BETWEEN
        self._fed = 0
        self.expects_continue = False

    def _repeat(self, key: str, value: bytes) -> None:
        self._repeats += 1
        if key in _ONCE:
            raise Refusal(MALFORMED, "a header that may stand there once stands there twice")
        if self._repeats > HEADERS_MAX:
            raise Refusal(MALFORMED, "too many headers")
        joint = "; " if key == "HTTP_COOKIE" else ","
        self._environ[key] += joint + value.decode("latin-1").rstrip(" \t")

    def _find_place(self) -> None:
        environ, memory = self._environ, self._memory
        if environ.get("HTTP_HOST") not in memory.hosts:
            _check_host(environ, memory)
        path = memory.paths.get(self._target)
        if path is None:
            _split_target(environ, self._target, memory)
        else:
            environ["PATH_INFO"] = environ["RAW_URI"] = path
            environ["QUERY_STRING"] = ""

    def _find_length(self) -> None:
        environ = self._environ
        if "HTTP_TRANSFER_ENCODING" in environ:
            self._expect_chunks()
        elif "CONTENT_LENGTH" in environ:
            _check_length(environ["CONTENT_LENGTH"])
        if "HTTP_EXPECT" in environ:
            self._expectation()

    def _measure(self) -> None:
        """Measure a head of which we only know that what came with it is more than a head."""
        own = _BASE.keys()
        lines = [len(k) + len(v) for k, v in self._environ.items() if k not in own]
        if sum(lines) + len(self._target) > HEAD_MAX:
            raise Refusal(MALFORMED, "the head is too large")

    def _expect_chunks(self) -> None:
        environ = self._environ
        if environ["SERVER_PROTOCOL"] != "HTTP/1.1":
            raise Refusal(MALFORMED, "HTTP/1.0 has no chunks")
        if environ["HTTP_TRANSFER_ENCODING"].lower() != "chunked":
            raise Refusal(MALFORMED, "a transfer coding other than chunked")
        self._chunked = True
        environ["wsgi.input_terminated"] = True

    def _expectation(self) -> None:
        environ = self._environ
        if environ["HTTP_EXPECT"].lower() != "100-continue":
            raise Refusal(MALFORMED, "an expectation other than 100-continue")
        self.expects_continue = environ["SERVER_PROTOCOL"] == "HTTP/1.1"


def _check_host(environ: Environ, memory: Memory) -> None:
    host = environ.get("HTTP_HOST")
    if host is None:
        if environ["SERVER_PROTOCOL"] == "HTTP/1.1":
            raise Refusal(MALFORMED, "no Host")
    elif not _HOST.fullmatch(host):
        raise Refusal(MALFORMED, "a Host that is none")
    elif len(memory.hosts) < HOSTS_MAX:
        memory.hosts.add(host)


def _check_length(text: str) -> None:
    if not _LENGTH.fullmatch(text):
        raise Refusal(MALFORMED, "a Content-Length that is no number")
    if int(text) > BODY_MAX:
        raise Refusal(TOO_LARGE, "the body is far too large")


def _split_target(environ: Environ, target: bytes, memory: Memory) -> None:
    """Set PATH_INFO, percent-decoded as WSGI wants it, QUERY_STRING as it is, and RAW_URI."""
    if len(target) > TARGET_MAX:
        raise Refusal(MALFORMED, "the request target is too long")
    raw = environ["RAW_URI"] = target.decode("latin-1")
    if not _ORIGIN_FORM.fullmatch(target):
        target = _path_of(target, environ.get("HTTP_HOST", ""))
    path, _, query = target.partition(b"?")
    if b"%" in path:
        path = unquote_to_bytes(path)
    environ["PATH_INFO"] = shown = path.decode("latin-1")
    environ["QUERY_STRING"] = query.decode("latin-1")
    if shown == raw and len(raw) <= PATH_BYTES_MAX and len(memory.paths) < PATHS_MAX:
        memory.paths[target] = shown


def _path_of(target: bytes, host: str) -> bytes:
    """Return path and query of a target with scheme and host (RFC 9112, 3.2.2)."""
    absolute = _ABSOLUTE_FORM.fullmatch(target)
    if absolute is None:
        raise Refusal(MALFORMED, "a request target that is no path")
    if absolute[1].decode("latin-1").lower() != host.lower():
        raise Refusal(MALFORMED, "the request target names another host than Host")
    return absolute[2] or b"/"
