"""What keepalived asks before a load balancer gives its address away."""

import contextlib
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
    return checked("check-haproxy", str(port))


def checked(name: str, *arguments: str) -> tuple[bool, float]:
    """Run a check as keepalived does; return what it says, and after how many seconds."""
    began_s = time.monotonic()
    done = subprocess.run(
        ["bash", ROLE / "files" / name, *arguments],
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


@pytest.fixture
def silent():
    """A place where nobody answers: a socket whose queue is full."""
    with socket.socket() as listening, contextlib.ExitStack() as callers:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        place = listening.getsockname()
        for _ in range(3):
            caller = callers.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(place)
        yield f"127.0.0.1:{place[1]}"


def test_one_neighbour_that_answers_is_enough(door, silent):
    reached, took_s = checked("check-neighbours", silent, f"127.0.0.1:{door.getsockname()[1]}")
    assert reached
    assert took_s < 1.0


def test_a_neighbour_that_refuses_is_there(door, silent):
    port = door.getsockname()[1]
    door.close()
    assert checked("check-neighbours", silent, f"127.0.0.1:{port}")[0]


def test_a_host_that_reaches_nobody_gives_the_address_away(silent):
    reached, took_s = checked("check-neighbours", silent, silent)
    assert not reached
    assert took_s < 3.0  # keepalived's own time-out
