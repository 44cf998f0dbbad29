"""The client waits for nobody for long, lets nothing pile up, and lets others work meanwhile."""

import socket
import subprocess
import sys
import threading
import time

import pytest

from rizzpay.core.errors import Unavailable
from rizzpay.infra.hsm import client as module
from rizzpay.infra.hsm import protocol
from rizzpay.infra.hsm.client import HsmClient
from tests.hsm.running import refusal

GREENLETS = """
from gevent import monkey; monkey.patch_all()
import sys, time, gevent
from rizzpay.infra.hsm.client import HsmClient
client = HsmClient(sys.argv[1], timeout_s=30)
stalls = []

def tick():
    while True:
        before = time.monotonic()
        gevent.sleep(0.001)
        stalls.append(time.monotonic() - before)

ticker = gevent.spawn(tick)
gevent.sleep(0.05)

def work(number):
    mechanism, wrapped = client.new_data_key("kek-data-v1")
    return client.unwrap("kek-data-v1", mechanism, wrapped).reveal()

started = time.monotonic()
jobs = [gevent.spawn(work, number) for number in range(50)]
gevent.joinall(jobs, raise_error=True)
print(len({job.value for job in jobs}), len(stalls), len(gevent.get_hub().threadpool))
"""


@pytest.fixture
def listener(directory):
    """A socket where a test itself answers, or does not."""
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(directory / "s"))
        opened.listen(200)
        yield opened


def answering(listener, *answers):
    """Give each caller the next of these bytes, in a thread."""

    def serve():
        for answer in answers:
            caller, _ = listener.accept()
            with caller:
                caller.recv(100_000)
                caller.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def elapsed_s(call):
    """Return how long a call took to end in Unavailable."""
    started = time.monotonic()
    with pytest.raises(Unavailable):
        call()
    return time.monotonic() - started


def test_a_daemon_that_never_answers_costs_the_timeout_and_then_nothing(listener):
    client = HsmClient(listener.getsockname(), timeout_s=0.5)
    for _ in range(module.BREAK_AFTER):
        assert elapsed_s(client.status) > 0.4
    assert elapsed_s(client.status) < 0.3  # the breaker is open
    time.sleep(module.BROKEN_S)
    assert elapsed_s(client.status) > 0.4  # one looks whether it is better
    assert elapsed_s(client.status) < 0.3


def test_the_breaker_closes_when_the_daemon_answers_again(hsmd):
    client = hsmd.client
    hsmd.kill()
    for _ in range(module.BREAK_AFTER):
        with pytest.raises(Unavailable, match="Connection refused"):
            client.status()
    with pytest.raises(Unavailable, match="just now"):
        client.status()
    hsmd.start()
    time.sleep(module.BROKEN_S)
    assert client.status().token_label == "rizzpay"
    assert client.status().token_label == "rizzpay"


def test_an_answer_that_comes_in_drops_does_not_extend_the_timeout(listener):
    client = HsmClient(listener.getsockname(), timeout_s=0.3)

    def drip():
        caller, _ = listener.accept()
        with caller:
            for byte in protocol.frame(protocol.Done("x" * 50)):
                try:
                    caller.send(bytes([byte]))
                except OSError:
                    return
                time.sleep(0.05)

    thread = threading.Thread(target=drip)
    thread.start()
    assert elapsed_s(client.status) < 2  # all of it would take more than three seconds
    thread.join()


def test_no_more_calls_wait_than_the_queue_holds(listener):
    client = HsmClient(listener.getsockname(), timeout_s=5)
    places = module.PARALLEL + module.WAITING_MAX
    waits = []

    def call():
        waits.append(elapsed_s(client.status))

    threads = [threading.Thread(target=call) for _ in range(places + 30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(waits)[29] < 2.5  # told at once; the others after their five seconds
    assert sorted(waits)[30] > 4


@pytest.mark.parametrize(
    "answer",
    [
        protocol.LENGTH.pack(3) + b"\xc1\xc1\xc1",
        protocol.LENGTH.pack(0),
        protocol.frame(protocol.Status()),
        protocol.frame(protocol.Done("of something else")),
    ],
    ids=["noise", "empty", "a_request", "another_answer"],
)
def test_what_is_no_answer_is_refused(listener, answer):
    thread = answering(listener, answer)
    assert refusal(HsmClient(listener.getsockname()).status) == "malformed"
    thread.join()


@pytest.mark.parametrize("answer", [b"", b"\x00", protocol.LENGTH.pack(9) + b"half", b"\xff" * 9])
def test_half_an_answer_or_a_huge_one_is_no_daemon(listener, answer):
    thread = answering(listener, answer)
    assert refusal(HsmClient(listener.getsockname()).status) == "unavailable"
    thread.join()


def test_no_socket_is_unavailable(directory):
    assert refusal(HsmClient(str(directory / "none")).status) == "unavailable"


def test_a_secret_is_not_in_what_a_message_prints():
    plain = b"0123456789abcdef0123456789abcdef"
    messages = (protocol.Wrap("kek-data-v1", plain), protocol.Bytes(plain))
    assert "0123" not in " ".join(repr(message) + str(message) for message in messages)


def test_fifty_greenlets_call_without_stopping_the_others(keyed):
    result = subprocess.run(
        [sys.executable, "-c", GREENLETS, keyed.settings.socket],
        capture_output=True,
        text=True,
        check=False,
    )
    assert not result.stderr
    values, ticks, threads = map(int, result.stdout.split())
    assert values == 50
    assert ticks > 20  # the ticker went on
    assert threads == 0  # and no native thread was needed
