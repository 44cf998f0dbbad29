"""A TCP server whose whole behaviour is one function of the accepted socket."""

import contextlib
import socket
import threading
from collections.abc import Callable


class RawServer:
    """Runs `behave(connection, number)` for each connection, in a thread of its own."""

    def __init__(self, behave: Callable[[socket.socket, int], None]) -> None:
        """Listen on a free port of the loopback address."""
        self.connections = 0
        self._behave = behave
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()
        for connection in self._open:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            self.connections += 1
            arguments = (connection, self.connections)
            threading.Thread(target=self._serve, args=arguments, daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        # An OSError: the client went away, which many tests want it to do.
        with contextlib.suppress(OSError), connection:
            self._behave(connection, number)


def read_request(connection: socket.socket) -> bytes:
    """Read one request with its body; empty when the client hung up."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """Return a whole response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def reset(connection: socket.socket) -> None:
    """Close with RST instead of FIN."""
    linger_zero = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_zero)
    connection.close()


def always(response: bytes) -> Callable[[socket.socket, int], None]:
    """Answer every request of every connection with the same bytes."""

    def behave(connection: socket.socket, number: int) -> None:
        del number
        while read_request(connection):
            connection.sendall(response)

    return behave
