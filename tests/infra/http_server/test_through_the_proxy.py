"""The same corpus through HAProxy with our settings: two readers, one opinion.

HAProxy may refuse what we take and make good what we refuse. What may not be: an answer without
a request that HAProxy saw, a request that ran without its answer, or a 5xx.
"""

import contextlib
import ipaddress
import re
import signal
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import trustme

from appliance.embedded import proxy
from appliance.embedded.programs import Child, wait_until_ready
from tests.appliance.running import free_port
from tests.infra.http_server.corpus import CASES, Case
from tests.infra.http_server.running import Answer, answers, post

QUIET_S = 0.6  # nothing more comes after this much silence behind an answer
SILENT_S = 7.0  # `timeout http-request` in haproxy.cfg and some
# of HAProxy and of us; 422 is HAProxy's word for a transfer coding that it does not know
STATUSES = {200, 400, 404, 405, 408, 413, 422}
HEAD = re.compile(rb"[A-Z]+ [^ ]+ HTTP/")
# HAProxy sees two honest requests here, and sends us two: it takes a bare LF for a line end, goes
# on after a CONNECT or an upgrade that it did not get, and keeps HTTP/1.0 alive.
SEEN_AS_TWO = {
    "chunk-data-with-lf",
    "chunk-end-half-lf",
    "chunk-end-with-lf",
    "chunk-length-in-trailer",
    "chunk-size-lf",
    "header-upgrade",
    "header-upgrade-with-body",
    "line-hidden-behind-lf",
    "request-connect",
    "request-http-1-0-kept-alive",
}


@pytest.fixture(scope="module")
def door(place, server):
    """HAProxy before the server of this module; how to connect to it."""
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    certificate = place / "server.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    ca_file = place / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    front = proxy.Front("127.0.0.1", free_port(), certificate, [server.path])
    child = Child(proxy.program(front, place, place, ca_file, 0))
    child.start()
    wait_until_ready(child)
    context = ssl.create_default_context(cafile=str(ca_file))
    assert ipaddress.ip_address(front.address).is_loopback

    def connect() -> ssl.SSLSocket:
        plain = socket.create_connection((front.address, front.port), timeout=SILENT_S)
        return context.wrap_socket(plain, server_hostname=front.address)

    end = time.monotonic() + SILENT_S
    while not (told := ask(connect, b"GET /v1/up HTTP/1.1\r\nHost: x\r\n\r\n")) or (
        told[0].status != 200
    ):
        assert time.monotonic() < end
    yield connect
    child.stop()


def ask(connect, sent: bytes) -> list[Answer]:
    """Send and return the answers that come until the door closes or falls silent."""
    data = b""
    with connect() as client, contextlib.suppress(TimeoutError, OSError):
        client.sendall(sent)
        while part := client.recv(65536):
            data += part
            client.settimeout(QUIET_S)
    if data.startswith(b"\0"):  # the preface of HTTP/2 is answered in HTTP/2: a frame
        return []
    return answers(data)


@dataclass(frozen=True)
class Seen:
    """The answers to a case, and how often the application was called."""

    answers: list[Answer]
    calls: dict[str, int]


@pytest.fixture(scope="module")
def seen(door, server):
    """What became of every case, asked by sixteen at once."""
    with ThreadPoolExecutor(16) as pool:
        found = pool.map(lambda case: ask(door, case.data), CASES)
        pairs = list(zip([case.name for case in CASES], found, strict=True))
    return {name: Seen(told, server.calls(name)) for name, told in pairs}


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_answer_at_the_door_is_of_one_request_that_ran_once(seen, case: Case):
    found = seen[case.name].answers
    assert {answer.status for answer in found} <= STATUSES
    assert len(found) <= max(len(HEAD.findall(case.data)), 1)  # one that never ends is told 408
    ran = [answer.json()["PATH_INFO"] for answer in found if answer.status == 200]
    hidden = sum(path.startswith("/v1/hidden/") for path in ran)
    assert seen[case.name].calls == {"hidden": hidden, "case": len(ran) - hidden}


def test_haproxy_sees_two_requests_only_where_we_know_why(seen):
    assert {name for name, told in seen.items() if told.calls["hidden"]} == SEEN_AS_TWO


def test_what_the_socket_takes_the_door_takes_too_but_for_what_it_says_itself(seen):
    taken = [case for case in CASES if set(case.statuses) == {200}]
    differs = {
        case.name: tuple(answer.status for answer in seen[case.name].answers)
        for case in taken
        if case.name not in SEEN_AS_TWO
        and tuple(answer.status for answer in seen[case.name].answers) != case.statuses
    }
    assert differs == {}


def test_a_reload_behind_the_door_loses_no_post(server, door):
    lost, answered, over = [], [], threading.Event()

    def send() -> None:
        data = post("/v1/slow?s=0.002", b"x" * 200)
        with door() as client:
            while not over.is_set():
                client.sendall(data)
                answer = client.recv(65536)
                (answered if answer.startswith(b"HTTP/1.1 200") else lost).append(answer[:200])
                if not answer:
                    return

    threads = [threading.Thread(target=send, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        time.sleep(0.3)
        server.signal(signal.SIGHUP)
        time.sleep(1.7)
    over.set()
    for thread in threads:
        thread.join(10)
    assert lost == []
    assert len(answered) > 500
