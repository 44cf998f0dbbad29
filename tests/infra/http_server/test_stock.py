"""Beside gunicorn's own gevent worker: what it refuses we refuse, but for what is listed here."""

import pytest

from tests.infra.http_server.corpus import CASES
from tests.infra.http_server.running import exchange, get, post

# We take these and gunicorn does not; each is one request to any reader.
ONLY_OURS = {
    "line-empty-lines-before",
    "request-absolute",
}
EXPECT = "Expect: 100-continue"


def outcome(path, data: bytes) -> tuple[bool, ...]:
    try:
        found = exchange(path, data)
    except ValueError:  # an answer in the manner of HTTP/0.9
        return (False,)
    return tuple(answer.status == 200 for answer in found)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_we_take_nothing_that_gunicorn_refuses(server, stock, case):
    ours, theirs = outcome(server.path, case.data), outcome(stock.path, case.data)
    if case.name not in ONLY_OURS:
        assert sum(ours) <= max(sum(theirs), 0)


@pytest.mark.parametrize(
    "data",
    [
        get("/v1/a%20b/%C3%A9?x=%20&y[a]=1"),
        get("/v1/a//b/../c;d=e?f?g"),
        get("/v1/a", "X-A: 1", "X-A: 2", "Cookie: a=1", "Accept: x, y"),
        post("/v1/a", b"\x00\xff" * 50, "Content-Type: application/json"),
        get("/v1/a", "Transfer-Encoding: chunked", method="POST") + b"3\r\nabc\r\n0\r\n\r\n",
        get("/v1/a", method="DELETE"),
    ],
    ids=range(6),
)
def test_the_application_sees_what_gunicorn_would_show_it(server, stock, data):
    ours, theirs = (exchange(path, data)[0].json() for path in (server.path, stock.path))
    assert ours == theirs
