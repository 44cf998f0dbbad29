"""Who is slow, gone or silent holds nothing for long; the clock here runs faster."""

import time
from contextlib import contextmanager

import gevent
import pytest
from gevent import socket

from rizzpay.core import clock
from rizzpay.infra.http_server.answering import Date
from rizzpay.infra.http_server.connection import Connection, Patience, Site
from tests.infra.http_server.recorder import app
from tests.infra.http_server.running import answers, get, post

QUICK = Patience(head_s=0.2, body_s=0.4, idle_s=0.6, write_s=0.3, linger_s=0.2)
CHUNKED = ("Transfer-Encoding: chunked",)
TICK_S = 0.02
LIMIT_S = 3.0


@contextmanager
def connected(patience: Patience = QUICK, application=app):
    """A connection that is served in this process, and its other end."""
    site = Site(application, patience, Date(clock.now()), lambda: None)
    site.tick()
    ours, theirs = socket.socketpair()
    theirs.settimeout(LIMIT_S)
    serving = gevent.spawn(Connection(site, ours).serve)

    def tick() -> None:
        while True:
            site.tick()
            gevent.sleep(TICK_S)

    ticking = gevent.spawn(tick)
    try:
        yield theirs, site, serving
    finally:
        theirs.close()
        serving.join(LIMIT_S)
        ticking.kill()
        assert not site.connections
        assert serving.successful()


def rest_of(client) -> bytes:
    data = b""
    try:
        while part := client.recv(65536):
            data += part
    except ConnectionResetError:
        pass
    return data


@pytest.mark.parametrize(
    ("piece", "limit_s", "drips"),
    [
        (b"GET /v1/x HTTP/1.1\r\nHost: x\r\n", QUICK.head_s, False),
        (b"GET /v1/x HTTP/1.1\r\nHost: x\r\n", QUICK.head_s, True),
        (b"GET", QUICK.head_s, False),
        (post("/v1/x", b"x" * 100)[:-50], QUICK.body_s, False),
        (post("/v1/x", b"x" * 100)[:-50], QUICK.body_s, True),
        (get("/v1/x", *CHUNKED, method="POST") + b"5\r\nhe", QUICK.body_s, False),
        (get("/v1/x", *CHUNKED, method="POST") + b"50\r\nhe", QUICK.body_s, True),
    ],
    ids=["headers", "more headers", "a word", "body", "more body", "chunk", "more of a chunk"],
)
def test_a_request_that_does_not_end_is_told_408_in_time(piece, limit_s, drips):
    with connected() as (client, _, _):
        began = time.monotonic()
        client.sendall(piece)
        while drips and time.monotonic() - began < limit_s - 0.05:
            gevent.sleep(0.03)
            client.sendall(b"a")
        (answer,) = answers(rest_of(client))
        assert (answer.status, answer.code) == (408, "request_timeout")
        assert limit_s <= time.monotonic() - began + TICK_S < limit_s + 1


def test_an_idle_connection_ends_without_a_word():
    with connected() as (client, _, _):
        client.sendall(get("/v1/x"))
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
        began = time.monotonic()
        assert rest_of(client) == b""
        assert QUICK.idle_s <= time.monotonic() - began + TICK_S < QUICK.idle_s + 1


def test_a_second_request_has_its_own_time():
    with connected() as (client, _, _):
        for _ in range(4):
            data = get("/v1/x")
            client.sendall(data[:10])
            gevent.sleep(QUICK.head_s * 0.7)
            client.sendall(data[10:])
            assert client.recv(65536).startswith(b"HTTP/1.1 200")


def test_a_slow_application_has_all_the_time_it_needs():
    def slow(environ, start_response):
        gevent.sleep(QUICK.idle_s + QUICK.head_s)
        return app(environ, start_response)

    with connected(application=slow) as (client, _, _):
        client.sendall(get("/v1/x"))
        assert client.recv(65536).startswith(b"HTTP/1.1 200")


def test_who_does_not_read_the_answer_is_given_up():
    with connected() as (client, _, serving):
        client.sendall(get("/v1/big?n=5000000"))
        began = time.monotonic()
        serving.join(LIMIT_S)
        assert serving.dead
        assert time.monotonic() - began < QUICK.write_s + 1


def test_a_reader_that_is_slow_but_reads_gets_everything():
    with connected(Patience()) as (client, _, _):
        client.sendall(get("/v1/big?n=3000000", "Connection: close"))
        data = b""
        while part := client.recv(100_000):
            data += part
            gevent.sleep(0.001)
        assert data.endswith(b"x" * 3_000_000)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /v1",
        post("/v1/x", b"x" * 100)[:-50],
        get("/v1/big?n=5000000"),
        get("/v1/slow?s=0") * 30,
        b"broken\r\n\r\n",
    ],
    ids=["at once", "in the head", "in the body", "in the answer", "with many", "refused"],
)
def test_a_client_that_is_gone_leaves_nothing_behind(sent):
    with connected() as (client, _, serving):
        if sent:
            client.sendall(sent)
        gevent.sleep(0.01)
        client.close()
        serving.join(LIMIT_S)
        assert serving.successful()


def test_a_client_that_has_sent_everything_is_still_answered():
    with connected() as (client, _, _):
        client.sendall(post("/v1/slow?s=0.05", b"{}"))
        client.shutdown(socket.SHUT_WR)
        (answer,) = answers(rest_of(client))
        assert answer.status == 200


def test_many_requests_at_once_are_answered_in_order_and_others_get_a_turn():
    with connected(Patience()) as (client, _, _):
        client.sendall(b"".join(get(f"/v1/{n}") for n in range(200)))
        client.shutdown(socket.SHUT_WR)
        turns = []
        other = gevent.spawn(lambda: [turns.append(gevent.sleep(0)) for _ in range(20)])
        found = answers(rest_of(client))
        assert [answer.json()["PATH_INFO"] for answer in found] == [f"/v1/{n}" for n in range(200)]
        assert other.ready()


def test_a_request_that_comes_while_an_idle_connection_is_shut_is_answered():
    with connected() as (client, site, _):
        client.sendall(get("/v1/first"))
        assert b"200 OK" in client.recv(65536)
        site.stopping = True
        client.sendall(get("/v1/second"))  # the server has not looked yet
        site.close_idle()
        (answer,) = answers(rest_of(client))
        assert answer.json()["PATH_INFO"] == "/v1/second"
        assert answer.headers["connection"] == "close"
        with pytest.raises(BrokenPipeError):
            client.sendall(get("/v1/third"))


def test_a_shut_connection_takes_nothing_more_and_ends():
    with connected() as (client, site, serving):
        gevent.sleep(0.01)
        site.stopping = True
        site.close_idle()
        with pytest.raises(BrokenPipeError):
            client.sendall(get("/v1/late"))
        serving.join(LIMIT_S)
        assert serving.successful()
