"""A gunicorn with a worker class and the recorder, and clients that write bytes as they like."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
OURS = "rizzpay.infra.http_server.worker.Worker"
RECORDER = "tests.infra.http_server.recorder:app"
READY_S = 20.0


@dataclass
class Server:
    """One that runs; `output` is a file with what it prints."""

    directory: Path
    worker_class: str = OURS
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def path(self) -> Path:
        return self.directory / "s.sock"

    @property
    def output(self) -> str:
        return (self.directory / "output").read_text()

    def launch(self, bind: str | None = None) -> "Server":
        self.directory.mkdir(mode=0o755, exist_ok=True)
        arguments = [
            *("--worker-class", self.worker_class, "--workers", "1", "--no-control-socket"),
            *("--bind", bind or f"unix:{self.path}", "--worker-tmp-dir", str(self.directory)),
            *("--graceful-timeout", "10", "--log-level", "info", *self.options),
        ]
        with (self.directory / "output").open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", *arguments, RECORDER],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        return self

    def start(self) -> "Server":
        self.launch()
        end = time.monotonic() + READY_S
        while True:
            try:
                assert exchange(self.path, get("/v1/ready"))[0].status == 200
                return self
            except (OSError, IndexError):
                assert self.process.poll() is None, self.output
                assert time.monotonic() < end, self.output
                time.sleep(0.05)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.process.wait(20)

    def calls(self, name: str) -> dict[str, int]:
        """How often the application was called for a case, and for what was hidden in it."""
        return exchange(self.path, get(f"/v1/calls/{name}"))[0].json()


@dataclass(frozen=True)
class Answer:
    """One answer of those that came; `whole` when its body was as long as it said."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool = True

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return self.json()["error"]["code"]


def get(path: str, *headers: str, method: str = "GET") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def post(path: str, body: bytes, *headers: str) -> bytes:
    return get(path, f"Content-Length: {len(body)}", *headers, method="POST") + body


def connect(path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(15)
    try:
        client.connect(str(path))
    except OSError:
        client.close()
        raise
    return client


def read_all(client: socket.socket) -> bytes:
    """Read until the other side closes, however it does."""
    parts = []
    try:
        while part := client.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def exchange(path: Path, sent: bytes) -> list[Answer]:
    """Send, say that nothing follows, and return every answer until the server closes."""
    with connect(path) as client:
        try:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
        except BrokenPipeError:
            pass
        return answers(read_all(client))


def answers(data: bytes) -> list[Answer]:
    """Take a stream of answers apart; raises ValueError for what is none."""
    found = []
    while data:
        head, end, data = data.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        version, code, _ = status.split(" ", 2)
        if not end or version not in {"HTTP/1.1", "HTTP/1.0"}:
            raise ValueError(f"no answer: {head[:80]!r}")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
        if code == "100":
            length = 0
        elif headers.get("transfer-encoding") == "chunked":
            body, data = unchunked(data)
            found.append(Answer(int(code), headers, body))
            continue
        else:
            length = int(headers.get("content-length", len(data)))
        body, data = data[:length], data[length:]
        found.append(Answer(int(code), headers, body, len(body) == length))
    return found


def unchunked(data: bytes) -> tuple[bytes, bytes]:
    """Return a chunked body and what stands behind it."""
    body = b""
    while True:
        size, end, data = data.partition(b"\r\n")
        if not end:
            raise ValueError("the chunks do not end")
        count = int(size, 16)
        body += data[:count]
        if data[count : count + 2] != b"\r\n":
            raise ValueError("a chunk does not end")
        data = data[count + 2 :]
        if not count:
            return body, data
