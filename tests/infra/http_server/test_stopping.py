"""gunicorn's part: start, reload and stop lose no request; a worker that hangs is replaced."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from tests.infra.http_server.running import Server, answers, connect, exchange, get, post, read_all

CLIENTS = 8
LOAD_S = 4.0


@pytest.fixture
def own(tmp_path_factory, place):
    """A server of one test alone."""
    running = Server(place / f"own{time.monotonic_ns()}").start()
    yield running
    running.stop()


def children(server: Server) -> list[int]:
    path = f"/proc/{server.process.pid}/task/{server.process.pid}/children"
    with open(path) as file:  # noqa: PTH123 - a file of the kernel
        return [int(word) for word in file.read().split()]


class Client(threading.Thread):
    """Sends POSTs on kept connections until told to stop; counts answers and losses.

    A kept connection that the server shut before a byte of the request could be written is no
    loss: the request was never sent, and goes out on a new connection.
    """

    def __init__(self, server: Server) -> None:
        """Do nothing yet."""
        super().__init__(daemon=True)
        self.server, self.end = server, threading.Event()
        self.answered, self.reopened, self.lost = 0, 0, []

    def run(self) -> None:
        client = None
        data = post("/v1/slow?s=0.002", b"x" * 200)
        while not self.end.is_set():
            try:
                client = client or connect(self.server.path)
                try:
                    client.sendall(data)
                except BrokenPipeError:
                    client.close()
                    client, self.reopened = None, self.reopened + 1
                    continue
                (answer,) = answers(self._read(client))
                self.answered += answer.status == 200
                if answer.headers.get("connection") == "close":
                    client.close()
                    client = None
            except Exception as error:  # noqa: BLE001 - each is a loss
                self.lost.append(repr(error))
                client = None
        if client:
            client.close()

    def _read(self, client: socket.socket) -> bytes:
        data = b""
        while b"}" not in data:
            part = client.recv(65536)
            if not part:
                raise ConnectionError("no answer")
            data += part
        return data


def test_a_reload_under_load_loses_no_request(own):
    clients = [Client(own) for _ in range(CLIENTS)]
    first = children(own)
    for client in clients:
        client.start()
    end = time.monotonic() + LOAD_S
    for _ in range(2):
        time.sleep(0.3)
        own.signal(signal.SIGHUP)
        time.sleep(1.5)
    while time.monotonic() < end:
        time.sleep(0.05)
    for client in clients:
        client.end.set()
        client.join(10)
    assert [lost for client in clients for lost in client.lost] == []
    assert sum(client.answered for client in clients) > 500
    assert set(children(own)).isdisjoint(first)


def test_a_stop_waits_for_requests_at_work(own):
    with connect(own.path) as busy, connect(own.path) as idle, connect(own.path) as half:
        idle.sendall(get("/v1/x"))
        assert b"200 OK" in idle.recv(65536)
        busy.sendall(get("/v1/slow?s=2"))
        body = post("/v1/x", b"x" * 100)
        half.sendall(body[:-10])
        time.sleep(0.3)
        own.signal(signal.SIGTERM)
        time.sleep(0.3)
        half.sendall(body[-10:])
        for client in (busy, half):
            (answer,) = answers(read_all(client))
            assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert read_all(idle) == b""
    assert own.process.wait(10) == 0


def test_who_waits_to_be_accepted_when_it_stops_is_answered(own):
    with connect(own.path) as busy:
        busy.sendall(get("/v1/slow?s=1"))
        (worker,) = children(own)
        os.kill(worker, signal.SIGSTOP)
        waiting = [connect(own.path) for _ in range(5)]
        for client in waiting:
            client.sendall(get("/v1/x"))
        own.signal(signal.SIGTERM)
        time.sleep(0.2)
        os.kill(worker, signal.SIGCONT)
        for client in (busy, *waiting):
            (answer,) = answers(read_all(client))
            assert answer.status == 200
            client.close()
    assert own.process.wait(10) == 0


def test_more_connections_than_there_is_room_for_wait_their_turn(place):
    server = Server(place / "narrow", options=("--worker-connections", "3")).start()
    clients = [connect(server.path) for _ in range(6)]
    for client in clients:
        client.sendall(get("/v1/slow?s=0.2", "Connection: close"))
    for client in clients:
        (answer,) = answers(read_all(client))
        assert answer.status == 200
        client.close()
    assert server.stop() == 0


def test_it_does_not_start_on_tcp(place):
    server = Server(place / "tcp").launch("127.0.0.1:0")
    assert server.process.wait(15) != 0
    assert "serves Unix sockets only" in server.output


def test_a_worker_that_hangs_is_replaced(place):
    server = Server(place / "hangs", options=("--timeout", "2")).start()
    (worker,) = children(server)
    with connect(server.path) as client:
        client.sendall(get("/v1/hang"))
        assert read_all(client) == b""
    (answer,) = exchange(server.path, get("/v1/x"))
    assert answer.status == 200
    assert children(server) != [worker]
    assert server.stop() == 0


def test_the_arbiter_never_loads_what_gevent_has_to_patch():
    code = (
        "import sys, rizzpay.infra.http_server.worker\n"
        "print([m for m in ('structlog', 'rizzpay.infra.log', 'prometheus_client') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
