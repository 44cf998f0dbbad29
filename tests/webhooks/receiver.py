"""A merchant's server on loopback that answers as a test wants, in raw bytes if need be."""

import contextlib
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Says:
    """An answer: a status, headers, a body, after a while."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b"ok"
    after_s: float = 0.0
    endless: bool = False  # the body never ends


class Receiver:
    """Answers with `says` in turn, the last one for ever; remembers what it got."""

    def __init__(self, *says, address="127.0.0.1", port=0, tls=None):
        self.says = list(says) or [Says()]
        self.got = []
        self.sent_bytes = 0
        self._lock = threading.Lock()
        self._server = _Server((address, port), _handler(self))
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"http://{address}:{self.port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, received):
        """Note a request and return what to say to it."""
        with self._lock:
            self.got.append(received)
            return self.says.pop(0) if len(self.says) > 1 else self.says[0]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        """Say nothing: clients hang up on purpose here."""


def _handler(receiver):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            length = int(self.headers.get("content-length", 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            says = receiver.answer(Received(self.path, headers, self.rfile.read(length)))
            time.sleep(says.after_s)
            with contextlib.suppress(OSError):
                self._say(says)

        def _say(self, says):
            self.send_response(says.status)
            for name, value in says.headers:
                self.send_header(name, value)
            if says.endless:
                self.send_header("Content-Length", str(10 * 2**30))
                self.end_headers()
                while True:
                    receiver.sent_bytes += self.wfile.write(b"x" * 65536)
            self.send_header("Content-Length", str(len(says.body)))
            self.end_headers()
            self.wfile.write(says.body)

        def log_message(self, *_):
            pass

    return Handler
