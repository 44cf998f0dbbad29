"""Whatever goes wrong after the first byte has left is NoAnswer, within the deadline."""

import socket
import time

import pytest

from rizzpay.infra.http_client import NoAnswer
from tests.gateways.raw_server import RawServer, answer, read_request, reset
from tests.gateways.test_http_client import client, send

__all__ = ["client"]  # a fixture of the tests here


def after_request(*parts, pause_s=0.0, end=socket.socket.close):
    """Read the request, send the parts with pauses between, then end the connection."""

    def behave(connection, number):
        read_request(connection)
        for part in parts:
            connection.sendall(part)
            time.sleep(pause_s)
        end(connection)

    return behave


def stay(connection):
    time.sleep(3)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n"

BROKEN_ANSWERS = {
    "hang-up before the answer": after_request(),
    "reset before the answer": after_request(end=reset),
    "reset within the headers": after_request(b"HTTP/1.1 200 OK\r\nConte", end=reset),
    "hang-up within the headers": after_request(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "body cut short": after_request(HEAD + b"only this"),
    "body cut short by reset": after_request(HEAD + b"only this", end=reset),
    "chunks cut short": after_request(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"
    ),
    "chunk of no size": after_request(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n"
    ),
    "no answer in time": after_request(end=stay),
    "headers drip": after_request(*[bytes([b]) for b in HEAD], pause_s=0.1, end=stay),
    "body drips": after_request(HEAD, *([b"x"] * 19), pause_s=0.1, end=stay),
    "not HTTP": after_request(b"220 smtp ready\r\n\r\n"),
    "garbage status": after_request(b"HTTP/1.1 abc OK\r\n\r\n"),
    "two lengths": after_request(
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nab", pause_s=0.1, end=stay
    ),
    "endless header line": after_request(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n"),
    "too many headers": after_request(b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 200 + b"\r\n"),
    "too large a body": after_request(answer(b"x" * 2000)),
    "endless body": after_request(b"HTTP/1.0 200 OK\r\n\r\n", *[b"x" * 500] * 6),
}


@pytest.mark.parametrize("behave", list(BROKEN_ANSWERS.values()), ids=list(BROKEN_ANSWERS))
def test_a_broken_answer_is_no_answer_within_the_deadline(client, behave):
    started = time.monotonic()
    with RawServer(behave) as server, pytest.raises(NoAnswer):
        send(client, server.url, max_body_bytes=1000)
    assert time.monotonic() - started < 2.5


def test_a_reset_in_the_middle_of_the_request_is_no_answer(client):
    def behave(connection, number):
        connection.recv(1000)
        reset(connection)

    with RawServer(behave) as server, pytest.raises(NoAnswer):
        send(client, server.url, body=b"x" * 20_000_000)


def test_a_server_that_stops_reading_is_no_answer_at_the_deadline(client):
    def behave(connection, number):
        time.sleep(1)

    started = time.monotonic()
    with RawServer(behave) as server, pytest.raises(NoAnswer):
        send(client, server.url, body=b"x" * 20_000_000)
    assert time.monotonic() - started < 2.5


def test_nothing_is_sent_twice(client):
    seen = []

    def behave(connection, number):
        seen.append(read_request(connection))
        connection.close()

    with RawServer(behave) as server, pytest.raises(NoAnswer):
        send(client, server.url)
    time.sleep(0.1)
    assert len(seen) == 1
