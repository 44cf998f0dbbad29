"""What keepalived asks before a load balancer gives its address away."""

import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

ROLE = Path(__file__).parents[2] / "appliance" / "ansible" / "roles" / "keepalived"
OK, BUSY = b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.0 503 Service Unavailable\r\n\r\n"
SILENCE = b""


@pytest.fixture
def door():
    """A socket that listens as HAProxy does."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def asked(port: int) -> tuple[bool, float]:
    """Ask as keepalived does; return whether the host serves, and after how many seconds."""
    began_s = time.monotonic()
    done = subprocess.run(
        ["bash", ROLE / "files" / "check-haproxy", str(port)],
        check=False,
        timeout=30,
        capture_output=True,
    )
    return done.returncode == 0, time.monotonic() - began_s


def answering(door, *answers):
    """Answer one connection after the other; what is silent stays open."""
    kept = []

    def serve():
        for answer in answers:
            connection, _ = door.accept()
            kept.append(connection)
            if answer:
                connection.recv(1024)
                connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread, kept


@pytest.mark.parametrize(
    ("answers", "serves"),
    [([OK], True), ([BUSY], False), ([SILENCE, OK], True), ([SILENCE, BUSY], False),
     ([SILENCE, SILENCE], False)],
)  # fmt: skip
def test_a_host_that_is_late_once_keeps_the_address(door, answers, serves):
    thread, kept = answering(door, *answers)
    assert asked(door.getsockname()[1])[0] is serves
    thread.join(timeout=5)
    assert len(kept) == len(answers)
    for connection in kept:
        connection.close()


def test_a_host_that_refuses_is_given_up_at_once(door):
    port = door.getsockname()[1]
    door.close()
    serves, took_s = asked(port)
    assert not serves
    assert took_s < 1.0  # silence would have taken two
