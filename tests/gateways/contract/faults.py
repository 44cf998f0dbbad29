"""Bad networks and bad servers: a proxy before a gateway that has one fault at a time.

A fault is a function of the proxy's connection, the request as it came and `forward`, which hands
the request to the gateway and returns the whole response. What does not call it keeps the request
from the gateway.
"""

import json
import re
import socket
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.gateways.raw_server import RawServer, answer, read_request, reset

HANG_S = 5  # longer than any time-out of these tests
CHUNK_BYTES = 24


def last(body: bytes, status: str = "200 OK") -> bytes:
    """Return a response after which the connection ends, so that nobody keeps it for later."""
    return answer(body, status, "Connection: close")


def silence(connection):
    """Say nothing until the client gives up."""
    connection.settimeout(HANG_S)
    connection.recv(1)


def hang_before(connection, request, forward):
    silence(connection)


def hang_after(connection, request, forward):
    forward()
    silence(connection)


def reset_before(connection, request, forward):
    reset(connection)


def reset_after(connection, request, forward):
    forward()
    reset(connection)


def reset_mid_body(connection, request, forward):
    response = forward()
    head, _, body = response.partition(b"\r\n\r\n")
    connection.sendall(head + b"\r\n\r\n" + body[: len(body) // 2])
    time.sleep(0.05)  # what was sent is read before the reset takes it away
    reset(connection)


def end_mid_body(connection, request, forward):
    response = forward()
    connection.sendall(response[: len(response) - 10])


def server_error_before(connection, request, forward):
    connection.sendall(last(b"<h1>502 Bad Gateway</h1>", "502 Bad Gateway"))


def server_error_after(connection, request, forward):
    forward()
    connection.sendall(last(b'{"error":{"code":"SERVER_ERROR"}}', "500 Oops"))


def malformed(connection, request, forward):
    forward()
    connection.sendall(last(b"<html>welcome</html>"))


def empty_object(connection, request, forward):
    forward()
    connection.sendall(last(b"{}"))


def truncated(connection, request, forward):
    body = forward().partition(b"\r\n\r\n")[2]
    connection.sendall(last(body[: len(body) // 2]))


def not_text(connection, request, forward):
    forward()
    connection.sendall(last(b'{"status":"\xff\xfe"}'))


def drip(connection, request, forward):
    """Send so slowly that each byte comes in time and the whole does not."""
    response = forward()
    for start in range(0, len(response), CHUNK_BYTES):
        connection.sendall(response[start : start + CHUNK_BYTES])
        time.sleep(0.2)


LOSING = [hang_before, reset_before, server_error_before]  # the gateway never hears of it
HIDING = [
    hang_after, reset_after, reset_mid_body, end_mid_body, server_error_after, malformed,
    empty_object, truncated, not_text, drip,
]  # fmt: skip


def editing(change):
    """Return a fault that changes the JSON of every answer."""

    def edit(connection, request, forward):
        response = forward()
        head, _, body = response.partition(b"\r\n\r\n")
        status = head.split(b"\r\n")[0].decode().partition(" ")[2]
        connection.sendall(last(json.dumps(walk(json.loads(body), change)).encode(), status))

    return edit


def walk(value: Any, change):
    """Return a JSON value with `change(name, value)` in place of every member."""
    if isinstance(value, dict):
        return {name: change(name, walk(it, change)) for name, it in value.items()}
    if isinstance(value, list):
        return [walk(it, change) for it in value]
    return value


def other_amount(name, value):
    """A rupee more, whether paise are written or rupees with decimals."""
    if "amount" not in name or isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return value + (1.0 if isinstance(value, float) else 100)


def other_currency(name, value):
    return "USD" if name.endswith("currency") else value


@dataclass
class Proxy:
    """Stands before a gateway at `url`; `fault` None lets everything pass."""

    target: str
    fault: Any = None
    requests: list[bytes] = field(default_factory=list)

    def __post_init__(self):
        self._server = RawServer(self._behave)
        self.url = self._server.url

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.__exit__()

    def _behave(self, connection, _):
        while request := read_request(connection):
            self.requests.append(request)
            if self.fault is None:
                connection.sendall(self._forward(request))
            else:
                self.fault(connection, request, lambda request=request: self._forward(request))
                return

    def _forward(self, request: bytes) -> bytes:
        place = urlsplit(self.target)
        with socket.create_connection((place.hostname, place.port), HANG_S) as there:
            there.sendall(request)
            data = b""
            while not complete(data):
                more = there.recv(65_536)
                assert more, "the gateway hung up"
                data += more
        return data


def complete(data: bytes) -> bool:
    """Tell whether a response is there with its whole body."""
    head, found, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return bool(found) and len(body) >= int(length[1] if length else 0)
