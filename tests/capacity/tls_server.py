"""A small TLS server in a thread, which can be told to stall, to cut and to answer in pieces."""

import selectors
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import trustme

from capacity.load.line import Dialler

ANSWER = (
    b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 41\r\n\r\n"
    b'{"id":"pay_%026d"}  '
)


@dataclass
class TlsServer:
    """Answers every request at once unless it is told otherwise; `answered` counts."""

    directory: Path
    answer: bytes = ANSWER
    stall_from_s: float = float("inf")  # after the first request
    stall_for_s: float = 0.0
    closes_every: int = 0  # ends the connection before every n-th answer
    piece_bytes: int = 0  # sends answers in pieces of so many bytes
    answered: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _first_s: float = 0.0

    def __enter__(self) -> Self:
        authority = trustme.CA()
        self.ca_file = self.directory / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(self._context)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        self._listener.close()

    def dialler(self) -> Dialler:
        return Dialler("127.0.0.1", self.port, self.ca_file)

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            while not self._stop.is_set():
                for key, _ in selector.select(0.02):
                    if key.fileobj is self._listener:
                        self._accept(selector)
                    else:
                        self._read(selector, key.fileobj)
            for key in list(selector.get_map().values()):
                if key.fileobj is not self._listener:
                    key.fileobj.close()

    def _accept(self, selector: selectors.BaseSelector) -> None:
        plain, _ = self._listener.accept()
        try:
            client = self._context.wrap_socket(plain, server_side=True)
        except OSError:
            return
        selector.register(client, selectors.EVENT_READ)

    def _read(self, selector: selectors.BaseSelector, client: ssl.SSLSocket) -> None:
        try:
            data = client.recv(65_536)
        except OSError:
            data = b""
        if not data or (self.closes_every and (self.answered + 1) % self.closes_every == 0):
            self.answered += bool(data)
            selector.unregister(client)
            client.close()
            return
        self._first_s = self._first_s or time.monotonic()
        since = time.monotonic() - self._first_s
        if self.stall_from_s <= since < self.stall_from_s + self.stall_for_s:
            end = self._first_s + self.stall_from_s + self.stall_for_s
            self._stop.wait(end - time.monotonic())
        self._answer(client)

    def _answer(self, client: ssl.SSLSocket) -> None:
        self.answered += 1
        answer = self.answer.replace(b"%026d", b"%026d" % self.answered)
        step = self.piece_bytes or len(answer)
        for at in range(0, len(answer), step):
            client.sendall(answer[at : at + step])
