"""A WSGI application that remembers who called, for tests that ask what a server let through.

gunicorn … tests.infra.http_server.recorder:app
"""

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import parse_qs

CALLS: Counter[str] = Counter()
KEPT = ("REQUEST_METHOD", "PATH_INFO", "SCRIPT_NAME", "RAW_URI", "QUERY_STRING", "SERVER_PROTOCOL")
CLOSED: list[str] = []


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer what was asked; `/v1/calls/NAME` tells how often `/v1/…/NAME` was called."""
    path = environ["PATH_INFO"]
    what, _, name = path.removeprefix("/v1/").partition("/")
    if what == "calls":
        return whole(start_response, {"hidden": CALLS[f"hidden/{name}"], "case": CALLS[name]})
    CALLS[f"hidden/{name}" if what == "hidden" else name] += 1
    behave = BEHAVIOUR.get(what)
    if behave:
        return behave(environ, start_response)
    body = environ["wsgi.input"].read()
    shown = {key: value for key, value in environ.items() if key.startswith(("HTTP_", *KEPT))}
    shown |= {key: environ[key] for key in ("CONTENT_LENGTH", "CONTENT_TYPE") if key in environ}
    return whole(start_response, {**shown, "length": len(body), "body": body.decode("latin-1")})


def whole(start_response: Any, shown: object, *more: tuple[str, str]) -> list[bytes]:
    """Answer 200 with JSON, as falcon does it: one piece, its length in lower case."""
    body = json.dumps(shown).encode()
    start_response("200 OK", [("content-length", str(len(body))), *more])
    return [body]


def slow(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Take the time that the query names."""
    time.sleep(float(parse_qs(environ["QUERY_STRING"])["s"][0]))
    return whole(start_response, {"slow": True})


def hang(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Keep the whole worker from working, as nothing in the service may."""
    while True:
        sum(range(1_000))


def big(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer as many bytes as the query names."""
    body = b"x" * int(parse_qs(environ["QUERY_STRING"])["n"][0])
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def crash(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Fail."""
    raise RuntimeError("made to fail")


def late_crash(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    """Fail in the middle of an answer."""
    start_response("200 OK", [])
    yield b"first"
    raise RuntimeError("made to fail later")


class Parts:
    """A body in three parts that knows when it is closed."""

    def __iter__(self) -> Iterator[bytes]:
        """Make the parts."""
        return iter([b"one,", b"", b"two,", b"three"])

    def close(self) -> None:
        """Remember it."""
        CLOSED.append("parts")


def stream(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer in parts, of unknown length or of the length that the query names."""
    length = parse_qs(environ["QUERY_STRING"]).get("n")
    start_response("200 OK", [("Content-Length", length[0])] if length else [])
    return Parts()


def written(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer the old way, by calling write."""
    write = start_response("200 OK", [])
    write(b"written,")
    return [b"returned"]


def says(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer with the header and status that the query names."""
    query = parse_qs(environ["QUERY_STRING"])
    headers = [(query["name"][0], query["value"][0])] if "name" in query else []
    start_response(query.get("status", ["200 OK"])[0], headers)
    return [b"body"] if "body" in query else []


def closed(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Tell how many bodies were closed."""
    return whole(start_response, {"closed": len(CLOSED)})


BEHAVIOUR = {
    "slow": slow,
    "hang": hang,
    "big": big,
    "crash": crash,
    "late_crash": late_crash,
    "stream": stream,
    "written": written,
    "says": says,
    "closed": closed,
}
