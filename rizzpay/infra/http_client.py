"""HTTP to gateways and merchants: one exchange at a time, under one hard deadline.

    NotSent    certainly no byte of the request left: address, DNS, connection, TLS
    NoAnswer   it left, or part of it; whether it was acted on is not known

It follows no redirect, reads no proxy from the environment and never sends anything twice: a
pooled connection is looked at before it is used, and what fails after the first byte is the
caller's to decide. It is no general client: answers are small and read whole.
"""

import http.client
import io
import logging
import select
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import cast

from gevent import Timeout
from gevent.monkey import get_original
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.response import BaseHTTPResponse
from urllib3.util import parse_url
from urllib3.util.wait import wait_for_read, wait_for_write

from rizzpay.core.clock import monotonic_s

BODY_MAX_BYTES = 1024 * 1024  # no gateway's answer to one request comes near it
IDLE_MAX_S = 15.0  # shorter than any server's keep-alive that we know; HAProxy's default is 60 s
IDLE_MAX = 128  # connections kept for later, over all targets
PORTS = {"http": 80, "https": 443}
logging.getLogger("urllib3.connection").disabled = True  # it writes down parts of answers
BROKEN = (OSError, HTTPError, http.client.HTTPException, ValueError)


class NotSent(Exception):
    """Nothing left this machine, so nothing can have happened elsewhere."""


class NoAnswer(Exception):
    """At least one byte left and no whole answer came back in time."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """`url` is absolute; `headers` need no Host, Content-Length or Accept-Encoding."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """`headers` have lower-case names; a repeated one is joined by commas."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class TooLong(NoAnswer):
    """The answer is longer than was allowed; `beginning` holds what was read of it."""

    def __init__(self, beginning: HttpResponse) -> None:
        """Say how much was read; the rest was never taken off the wire."""
        super().__init__(f"the answer has more than {len(beginning.body)} bytes")
        self.beginning = beginning


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a request goes; equal targets may share a connection."""

    tls: bool
    host: str  # the name that the certificate must have
    port: int
    address: str  # what is connected to: a pinned address, or the host again


class _Wire:
    """A connected socket whose every wait ends at one moment, however slowly bytes drip in.

    Stands in for `socket` inside http.client: the request is held back until the answer is asked
    for, so that it leaves in one write and `began` tells exactly whether anything left.
    """

    def __init__(self, connected: socket.socket) -> None:
        self.began = False
        self.ended = False  # a read found the end of the stream
        self._socket = connected
        self._ends_at = 0.0
        self._held = bytearray()

    def start(self, seconds: float) -> None:
        """Begin an exchange that has `seconds` from now."""
        self.began = False
        self.ended = False
        self._held.clear()
        self._ends_at = monotonic_s() + seconds

    def sendall(self, data: bytes) -> None:
        """Take in a part of the request."""
        self._held += data

    def makefile(self, mode: str = "rb", buffering: int = -1) -> io.BufferedReader:
        """Send what was held back, then return the stream of the answer."""
        del mode, buffering
        self.began = True
        left = memoryview(bytes(self._held))
        self._held.clear()
        while left:
            self.limit()
            left = left[self._socket.send(left) :]
        return io.BufferedReader(_Answer(self, self._socket.makefile("rb", buffering=0)))

    def limit(self) -> None:
        """Allow the next wait what is left of the deadline; raises TimeoutError after it."""
        left = self._ends_at - monotonic_s()
        if left <= 0:
            raise TimeoutError("the deadline passed")
        self._socket.settimeout(left)

    def refuse_cut_headers(self) -> None:
        """Raise when the headers ended with the stream: http.client takes them for whole."""
        if self.ended:
            raise ConnectionError("the connection ended within the headers")

    def settimeout(self, seconds: float | None) -> None:
        """Leave the deadline in force, whatever http.client wishes."""
        del seconds

    def fileno(self) -> int:
        """Return the descriptor, for a look whether the server has hung up."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close it; the stream of an answer may be read to its end."""
        self._socket.close()


class _Answer(io.RawIOBase):
    """The bytes that come in over a wire."""

    def __init__(self, wire: _Wire, stream: io.RawIOBase) -> None:
        self._wire = wire
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview[int]") -> int | None:  # type: ignore[override]
        self._wire.limit()
        count = self._stream.readinto(buffer)
        self._wire.ended = count == 0
        return count

    def close(self) -> None:
        super().close()
        self._stream.close()


@dataclass(frozen=True, slots=True)
class _Kept:
    target: _Target
    connection: HTTPConnection
    since_s: float


class HttpClient:
    """Sends requests and keeps connections; one for a process. Safe for greenlets and threads."""

    def __init__(self, *, ca_file: str = "") -> None:
        """`ca_file` holds certificate authorities to be trusted beside the system's."""
        self._ca_file = ca_file
        self._context: ssl.SSLContext | None = None
        self._kept: list[_Kept] = []  # oldest first
        self._lock = threading.Lock()

    def send(
        self,
        request: HttpRequest,
        *,
        connect_timeout_s: float,
        answer_timeout_s: float,
        address: str | None = None,
        max_body_bytes: int = BODY_MAX_BYTES,
    ) -> HttpResponse:
        """Make one exchange; raises NotSent or NoAnswer, and of the latter TooLong.

        `address` is an IP address to connect to instead of asking DNS; the name in the URL stays
        the one of the Host header, of SNI and of the certificate.
        """
        target, path, netloc = _read_url(request.url, address)
        connection = self._take(target) or self._open(target, connect_timeout_s)
        wire = cast("_Wire", connection.sock)
        wire.start(answer_timeout_s)
        whole = False
        try:
            headers = {"Host": netloc, "Accept-Encoding": "identity", **request.headers}
            connection.request(
                request.method, path, request.body or None, headers, preload_content=False
            )
            answer = connection.getresponse()
            wire.refuse_cut_headers()
            body = _read_body(answer, max_body_bytes)
            whole = len(body) <= max_body_bytes
        except BROKEN as error:
            raise (NoAnswer if wire.began else NotSent)(_sentence(error)) from error
        finally:
            if not whole:  # also when this greenlet was killed
                connection.close()
                wire.close()
        received = {name.lower(): answer.headers[name] for name in answer.headers}
        response = HttpResponse(answer.status, received, body[:max_body_bytes])
        if not whole:
            raise TooLong(response)
        self._keep(target, connection)
        return response

    def close(self) -> None:
        """Close the connections that nobody uses."""
        with self._lock:
            kept, self._kept = self._kept, []
        for one in kept:
            one.connection.close()

    def _take(self, target: _Target) -> HTTPConnection | None:
        """Return a kept connection that the server has not closed."""
        while (kept := self._newest(target)) is not None:
            fresh = monotonic_s() - kept.since_s < IDLE_MAX_S
            if fresh and not _has_news(kept.connection):
                return kept.connection
            kept.connection.close()
        return None

    def _newest(self, target: _Target) -> _Kept | None:
        with self._lock:
            for index in range(len(self._kept) - 1, -1, -1):
                if self._kept[index].target == target:
                    return self._kept.pop(index)
        return None

    def _keep(self, target: _Target, connection: HTTPConnection) -> None:
        if connection.sock is None:  # the server said that it closes
            return
        with self._lock:
            self._kept.append(_Kept(target, connection, monotonic_s()))
            oldest = self._kept.pop(0) if len(self._kept) > IDLE_MAX else None
        if oldest is not None:
            oldest.connection.close()

    def _open(self, target: _Target, seconds: float) -> HTTPConnection:
        """Connect, with TLS where the URL wants it; raises NotSent."""
        ends_at = monotonic_s() + seconds
        try:
            connected = _connect(target, ends_at)
            if target.tls:
                connected = self._encrypt(connected, target.host, ends_at)
        except BROKEN as error:
            raise NotSent(_sentence(error)) from error
        connection = HTTPConnection(target.host, target.port)
        connection.sock = cast("socket.socket", _Wire(connected))
        return connection

    def _encrypt(self, plain: socket.socket, host: str, ends_at: float) -> ssl.SSLSocket:
        """Shake hands within the deadline; closes the socket when that fails."""
        if self._context is None:
            self._context = ssl.create_default_context()
            if self._ca_file:
                self._context.load_verify_locations(self._ca_file)
        whole = False
        try:
            wrapped = self._context.wrap_socket(
                plain, server_hostname=host, do_handshake_on_connect=False
            )
            wrapped.settimeout(0)
            while not whole:
                whole = _handshake_step(wrapped, ends_at)
        finally:
            if not whole:
                plain.close()
        return wrapped


def _read_body(answer: BaseHTTPResponse, bytes_max: int) -> bytes:
    """Return the whole body, or a little more than `bytes_max` of a longer one."""
    parts = bytearray()
    while len(parts) <= bytes_max:
        part = answer.read(bytes_max + 1 - len(parts), decode_content=False)
        if not part:
            break
        parts += part
    return bytes(parts)


def _handshake_step(wrapped: ssl.SSLSocket, ends_at: float) -> bool:
    left = ends_at - monotonic_s()
    if left <= 0:
        wrapped.close()
        raise TimeoutError("the TLS handshake took too long")
    try:
        wrapped.do_handshake()
    except ssl.SSLWantReadError:
        wait_for_read(wrapped, left)
        return False
    except ssl.SSLWantWriteError:
        wait_for_write(wrapped, left)
        return False
    except OSError:
        wrapped.close()
        raise
    return True


def _connect(target: _Target, ends_at: float) -> socket.socket:
    """Return a connected socket to the first address that answers; raises OSError."""
    problem: OSError = OSError("the name has no address")
    with Timeout(max(ends_at - monotonic_s(), 0.001), TimeoutError("DNS took too long")):
        found = socket.getaddrinfo(target.address, target.port, type=socket.SOCK_STREAM)
    for family, kind, protocol, _, address in found:
        left = ends_at - monotonic_s()
        if left <= 0:
            raise TimeoutError("connecting took too long")
        fresh = socket.socket(family, kind, protocol)
        try:
            fresh.settimeout(left)
            fresh.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            fresh.connect(address)
        except OSError as error:
            fresh.close()
            problem = error
        else:
            return fresh
    raise problem


def _has_news(connection: HTTPConnection) -> bool:
    """Tell whether an idle connection has something to read: its end, most likely."""
    # Not gevent's poll, which goes through the hub even when it need not wait: 2 us, not 40.
    look = get_original("select", "poll")()
    look.register(connection.sock, select.POLLIN | select.POLLHUP | select.POLLERR)
    return bool(look.poll(0))


@lru_cache(maxsize=1024)
def _read_url(url: str, address: str | None) -> tuple[_Target, str, str]:
    """Return target, path with query, and the Host header; raises NotSent."""
    try:
        parts = parse_url(url)
    except LocationParseError as error:
        raise NotSent("the URL cannot be read") from error
    if parts.scheme not in PORTS or not parts.host or parts.auth:
        raise NotSent("the URL must be http or https, with a host and without a user")
    host = parts.host.strip("[]").rstrip(".")
    port = parts.port or PORTS[parts.scheme]
    target = _Target(parts.scheme == "https", host, port, address or host)
    return target, parts.request_uri, parts.netloc or host


def _sentence(error: Exception) -> str:
    """Say what went wrong without repeating what was sent."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"TLS: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS: {error.reason or type(error).__name__}"
        case socket.gaierror():
            return f"DNS: {error.strerror}"
        case OSError():
            return error.strerror or str(error) or type(error).__name__
        case _:
            return type(error).__name__
