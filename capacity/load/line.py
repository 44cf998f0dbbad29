"""One TLS 1.3 connection that is kept: sends a request, takes an answer apart, measures nothing.

An answer needs a Content-Length, which ours always has; anything else is Broken. Requests are
smaller than a socket's buffer; what does not fit at once is kept and sent when there is room.
"""

import socket
import ssl
from pathlib import Path

from capacity.errors import Unreachable

RECEIVE_BYTES = 65_536
CONNECT_S = 5.0
HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length: "


class Broken(Exception):
    """The connection ended, or what came is no answer of HTTP/1.1 with a length."""


class Line:
    """A connection and what is under way on it."""

    __slots__ = (
        "_sock", "body", "fd", "intended", "merchant", "note", "number", "rest", "send",
        "status", "step", "unsent",
    )  # fmt: skip

    def __init__(self, sock: ssl.SSLSocket) -> None:
        """Take over a connected socket that does not block."""
        self._sock = sock
        self.fd = sock.fileno()
        self.send = sock.send
        self.rest = b""  # of an answer that is not complete yet
        self.unsent = b""
        self.intended = 0.0  # when the request should have been sent
        self.step = 0
        self.number = 0
        self.merchant = 0
        self.note = b""
        self.status = 0
        self.body = b""

    def ask(self, request: bytes) -> bool:
        """Send a request; False when a part of it has to wait. Raises Broken."""
        try:
            sent = self.send(request)
        except ssl.SSLWantWriteError:
            sent = 0
        except OSError as error:
            raise Broken(type(error).__name__) from None
        if sent == len(request):
            return True
        self.unsent = request[sent:]
        return False

    def take(self) -> bool:
        """Read; True when an answer is complete: `status` and `body` are it. Raises Broken."""
        try:
            data = self._sock.recv(RECEIVE_BYTES)
        except ssl.SSLWantReadError:
            return False
        except OSError as error:
            raise Broken(type(error).__name__) from None
        if not data:
            raise Broken("closed")
        if self.rest:
            data = self.rest + data
        while not self._is_complete(data):
            if not self._sock.pending():
                self.rest = data
                return False
            data += self._sock.recv(RECEIVE_BYTES)
        return True

    def _is_complete(self, data: bytes) -> bool:
        end = data.find(HEAD_END)
        if end < 0:
            return False
        at = data.find(LENGTH, 0, end)
        if at < 0:
            at = data[:end].lower().find(LENGTH)
            if at < 0:
                raise Broken("an answer without Content-Length")
        whole = end + 4 + int(data[at + 16 : data.find(b"\r", at)])
        if len(data) < whole:
            return False
        if len(data) > whole:
            raise Broken("more than the answer")
        self.status = int(data[9:12])
        self.body = data[end + 4 :]
        self.rest = b""
        return True

    def close(self) -> None:
        """Close it, without a farewell."""
        self._sock.close()


class Dialler:
    """Opens connections to one address, trusting one authority; TLS 1.3 or nothing."""

    def __init__(self, host: str, port: int, ca_file: Path) -> None:
        """Read the authority's file; raises Unreachable when it cannot be read."""
        self.host, self.port = host, port
        try:
            self._context = ssl.create_default_context(cafile=ca_file)
        except OSError as error:
            raise Unreachable(f"the authority's file {ca_file}: {error}") from None
        self._context.minimum_version = ssl.TLSVersion.TLSv1_3

    @property
    def authority(self) -> str:
        """Return what the Host header says."""
        return f"{self.host}:{self.port}"

    def dial(self) -> Line:
        """Connect; raises Unreachable with the reason."""
        try:
            plain = socket.create_connection((self.host, self.port), timeout=CONNECT_S)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock = self._context.wrap_socket(plain, server_hostname=self.host)
        except OSError as error:
            raise Unreachable(f"https://{self.authority} does not answer: {error}") from None
        sock.settimeout(0)  # from now on nothing blocks
        return Line(sock)

    def get(self, path: str, headers: str = "") -> tuple[int, bytes]:
        """Ask one thing, once, and wait for it; raises Unreachable."""
        line = self.dial()
        request = f"GET {path} HTTP/1.1\r\nHost: {self.authority}\r\n{headers}\r\n"
        try:
            line.ask(request.encode())
            line._sock.settimeout(CONNECT_S)  # noqa: SLF001 - our own class
            while not line.take():
                pass
        except (Broken, TimeoutError) as error:
            raise Unreachable(f"https://{self.authority}{path}: {error}") from None
        finally:
            line.close()
        return line.status, line.body
