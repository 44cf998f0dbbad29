"""However the bytes are cut, the same requests come out; whatever the bytes are, nothing breaks."""

import contextlib
import itertools
import json
import string
import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rizzpay.infra.http_server.parsing import Memory, Refusal, RequestReader
from tests.infra.http_server.corpus import CASES
from tests.infra.http_server.running import answers, connect, exchange, get, post, read_all

MEMORY = Memory()
TOKENS = st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=12)
VALUES = st.text(string.ascii_letters + string.digits + " /;=,", max_size=30).map(str.strip)
BODIES = st.binary(max_size=300)
OWN = {"content-length", "content-type", "host", "transfer-encoding", "expect", "connection"}
OWN |= {"authorization", "content-encoding", "upgrade"}
HEADERS = st.dictionaries(
    TOKENS.map(str.lower).filter(lambda name: name not in OWN), VALUES, max_size=5
)


@st.composite
def requests(draw):
    """A valid request: its bytes, its body and its headers."""
    headers, body = draw(HEADERS), draw(BODIES)
    lines = [f"{name}: {value}" for name, value in headers.items()]
    if draw(st.booleans()):
        return post("/v1/fuzz?q=1", body, *lines), body, headers
    cuts = draw(st.lists(st.integers(1, 40), max_size=4))
    chunks = b""
    rest = body
    for cut in cuts:
        part, rest = rest[:cut], rest[cut:]
        chunks += b"%x\r\n%b\r\n" % (len(part), part) if part else b""
    chunks += b"%X;last\r\n%b\r\n" % (len(rest), rest) if rest else b""
    head = get("/v1/fuzz?q=1", "Transfer-Encoding: chunked", *lines, method="POST")
    return head + chunks + b"0\r\n\r\n", body, headers


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Return the bytes in pieces, cut at places of any size."""
    ends = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(ends)]


@settings(max_examples=300, deadline=None)
@given(st.lists(requests(), min_size=1, max_size=3), st.lists(st.integers(0, 10_000), max_size=12))
def test_requests_cut_anywhere_are_the_same_requests(made, places):
    reader = RequestReader(MEMORY)
    for piece in cut(b"".join(data for data, _, _ in made), places):
        reader.feed(piece)
    assert len(reader.ready) == len(made)
    for (environ, may_stay), (_, body, headers) in zip(reader.ready, made, strict=True):
        assert may_stay
        assert environ["wsgi.input"].read() == body
        assert (environ["PATH_INFO"], environ["QUERY_STRING"]) == ("/v1/fuzz", "q=1")
        for name, value in headers.items():
            assert environ["HTTP_" + name.upper().replace("-", "_")] == value
    assert reader.is_idle


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(requests(), st.lists(st.integers(0, 10_000), max_size=6))
def test_requests_cut_on_the_wire_are_the_same_requests(server, made, places):
    data, body, _ = made
    with connect(server.path) as client:
        for piece in cut(data, places):
            client.sendall(piece)
            time.sleep(0.001)
        client.shutdown(1)
        (answer,) = answers(read_all(client))
    assert json.loads(answer.body)["body"].encode("latin-1") == body


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(CASES), st.lists(st.integers(0, 300_000), max_size=8))
def test_a_bad_request_cut_anywhere_is_as_bad(case, places):
    def told(pieces: list[bytes]) -> tuple[int, bool]:
        reader = RequestReader(MEMORY)
        try:
            for piece in pieces:
                reader.feed(piece)
                if reader.over:
                    break
        except Refusal:
            return len(reader.ready), True
        return len(reader.ready), False

    # closing is the connection's business: it drops what stands behind the last request; and what
    # never ends is refused at a piece that is all of it, so at another one than when it is whole
    if not {"close", "1-0", "upgrade", "endless"} & set(case.name.replace("http-", "").split("-")):
        assert told(cut(case.data, places)) == told([case.data])


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(CASES), st.binary(max_size=20), st.integers(0, 400), st.integers(0, 10))
def test_noise_in_a_request_breaks_nothing(case, noise, at, gone):
    data = case.data[:3_000]
    reader = RequestReader(MEMORY)
    with contextlib.suppress(Refusal):
        reader.feed(data[:at] + noise + data[at + gone :])
    assert len(reader.ready) <= 3


def test_the_server_still_answers(server):
    assert exchange(server.path, get("/v1/fine"))[0].status == 200
