"""Answers: one piece, of the length that they say, in our error object when they are our own."""

import json

import pytest

from rizzpay.api import problems
from rizzpay.api.bodies import BODY_MAX
from rizzpay.api.catalog import CATALOG
from rizzpay.infra.http_server import answering, parsing
from tests.infra.http_server.running import connect, exchange, get, post, read_all


@pytest.mark.parametrize("code", answering.REFUSALS)
def test_a_refusal_is_the_error_object_of_the_api(code):
    status, body = answering.REFUSALS[code]
    wanted = problems.body(problems.error(code, request_id="%s"))
    assert (int(status[:3]), body.encode()) == (CATALOG[code].status, wanted)


def test_the_application_can_see_that_a_body_is_too_large():
    assert parsing.BODY_KEPT == BODY_MAX + 1


def test_a_refusal_carries_the_request_id_of_the_client_if_it_is_a_plain_one(server):
    bad = post("/v1/x", b"", "X-Request-Id: order-1001-a", "Transfer-Encoding: gzip")
    strange = get("/v1/x", "X-Request-Id: <script>", "Host: y")
    (kept,), (made,) = exchange(server.path, bad), exchange(server.path, strange)
    assert kept.json()["error"]["request_id"] == "order-1001-a"
    assert made.json()["error"]["request_id"].startswith("req_")
    assert (kept.headers["connection"], kept.headers["cache-control"]) == ("close", "no-store")


def test_what_the_application_fails_at_is_a_500_and_is_logged_once(server):
    (answer,) = exchange(
        server.path, get("/v1/crash/me", "X-Request-Id: crash-1001") + get("/v1/x")
    )
    assert (answer.status, answer.code) == (500, "internal_error")
    assert "made to fail" not in answer.body.decode()
    assert server.output.count("crash-1001") == 1
    assert "RuntimeError: made to fail" in server.output


@pytest.mark.parametrize(
    "query",
    [
        "name=X&value=a%0d%0aSet-Cookie:%20b=c",
        "name=X%0aY&value=a",
        "status=200%20OK%0d%0aX:%20y",
        "name=Content-Length&value=7&body=1",
        "name=Content-Length&value=x&body=1",
        "name=Transfer-Encoding&value=chunked&body=1",
        "name=Connection&value=keep-alive&body=1",
    ],
)
def test_an_answer_that_would_break_http_is_not_sent(server, query):
    (answer,) = exchange(server.path, get(f"/v1/says?{query}"))
    assert (answer.status, answer.code) == (500, "internal_error")
    assert "set-cookie" not in answer.headers


def test_a_length_that_is_not_said_is_counted(server):
    (answer,) = exchange(server.path, get("/v1/says?body=1"))
    assert (answer.headers["content-length"], answer.body) == ("4", b"body")


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_a_status_without_body_has_none(server, status):
    data = get(f"/v1/says?body=1&status={status.replace(' ', '%20')}") + get("/v1/next")
    with connect(server.path) as client:
        client.sendall(data)
        client.shutdown(1)
        first, _, rest = read_all(client).partition(b"\r\n\r\n")
    assert b"content-length" not in first.lower()
    assert rest.startswith(b"HTTP/1.1 200 OK")


def test_head_has_the_headers_of_get_and_no_body(server):
    with connect(server.path) as client:
        client.sendall(get("/v1/says?body=1", method="HEAD") + get("/v1/next"))
        client.shutdown(1)
        _, _, rest = read_all(client).partition(b"\r\n\r\n")
    assert rest.startswith(b"HTTP/1.1 200 OK")
    with connect(server.path) as client:
        client.sendall(get("/v1/stream?n=13", method="HEAD"))
        client.shutdown(1)
        head, _, rest = read_all(client).partition(b"\r\n\r\n")
    assert b"Content-Length: 13" in head
    assert rest == b""


@pytest.mark.parametrize("path", ["/v1/stream", "/v1/stream?n=13"])
def test_a_body_in_parts_is_sent_in_parts_and_closed(server, path):
    before = exchange(server.path, get("/v1/closed"))[0].json()["closed"]
    first, second = exchange(server.path, get(path) + get("/v1/closed"))
    assert first.body == b"one,two,three"
    assert ("transfer-encoding" in first.headers) == ("n=" not in path)
    assert second.json()["closed"] == before + 1


def test_a_body_in_parts_ends_with_the_connection_in_http_1_0(server):
    (answer,) = exchange(server.path, b"GET /v1/stream HTTP/1.0\r\n\r\n")
    assert answer.headers["connection"] == "close"
    assert "transfer-encoding" not in answer.headers
    assert answer.body == b"one,two,three"


@pytest.mark.parametrize("path", ["/v1/stream?n=20", "/v1/stream?n=5", "/v1/late_crash"])
def test_a_body_that_goes_wrong_half_way_cannot_be_taken_for_whole(server, path):
    with connect(server.path) as client:
        client.sendall(get(path) + get("/v1/next"))
        data = read_all(client)
    assert data.count(b"HTTP/1.1") == 1
    assert not data.endswith(b"0\r\n\r\n")


def test_the_old_way_of_writing_works(server):
    (answer,) = exchange(server.path, get("/v1/written"))
    assert answer.body == b"written,returned"


def test_a_body_is_read_to_its_end_but_not_kept_beyond_what_can_be_used(server):
    body = b"x" * 3_000_000
    chunks = b"".join(b"10000\r\n" + b"x" * 65_536 + b"\r\n" for _ in range(20)) + b"0\r\n\r\n"
    chunked = get("/v1/x", "Transfer-Encoding: chunked", method="POST") + chunks
    for data in (post("/v1/x", body), chunked):
        answer, after = exchange(server.path, data + get("/v1/after"))
        assert answer.json()["length"] == BODY_MAX + 1
        assert after.status == 200


def test_who_asks_before_sending_is_told_to_go_on_once(server):
    body = b'{"amount":1}'
    with connect(server.path) as client:
        client.sendall(get("/v1/x", f"Content-Length: {len(body)}", "Expect: 100-continue"))
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(body)
        client.shutdown(1)
        answer = read_all(client)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["body"] == body.decode()


def test_who_sends_without_waiting_is_not_told_to_go_on(server):
    (answer,) = exchange(server.path, post("/v1/x", b"{}", "Expect: 100-continue"))
    assert answer.status == 200


def test_what_the_application_is_shown(server):
    sent = get(
        "/v1/a%2Fb%20%C3%A9?x=%20", "X_Real_IP: 9.9.9.9", "X-Real-IP: 1.1.1.1", "A: 1", "a: 2"
    )
    seen = exchange(server.path, sent)[0].json()
    assert seen["PATH_INFO"].encode("latin-1").decode() == "/v1/a/b é"
    assert (seen["QUERY_STRING"], seen["SCRIPT_NAME"]) == ("x=%20", "")
    assert seen["RAW_URI"] == "/v1/a%2Fb%20%C3%A9?x=%20"
    assert (seen["HTTP_X_REAL_IP"], seen["HTTP_A"]) == ("1.1.1.1", "1,2")
