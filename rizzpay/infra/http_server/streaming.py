"""An answer whose body comes in parts: sent as it is made, in chunks where its length is not known.

For pages and exports; what the API answers is whole and takes the short way of answering.whole.
"""

import itertools
from collections.abc import Callable, Iterable
from typing import Protocol

from rizzpay.infra.http_server import answering
from rizzpay.infra.http_server.answering import Headers, WrongAnswer

LAST_CHUNK = b"0\r\n\r\n"


class Ending(Protocol):
    """Makes the header lines that are the server's."""

    def __call__(self, *, stays: bool) -> str:
        """Return them; `stays` when the connection may stay open."""
        ...


class Stream:
    """One such answer."""

    def __init__(
        self,
        method: str,
        send: Callable[[bytes], None],
        said: Callable[[], tuple[str, Headers]],
        early: list[bytes],
    ) -> None:
        """`said` tells status and headers, which may come with the first part only."""
        self._is_head = method == "HEAD"
        self._send = send
        self._said = said
        self._early = early
        self._begun = self._chunked = self._bare = False
        self._left: int | None = None  # bytes that are still promised

    def run(self, parts: Iterable[bytes], ending: Ending, *, may_stay: bool) -> bool:
        """Send everything; tell whether the connection stays open. Raises WrongAnswer, PeerGone.

        `may_stay` is false for HTTP/1.0 too: its bodies end with the connection.
        """
        for part in itertools.chain(self._early, parts):
            if part:
                self._begin(ending, may_stay=may_stay)
                self._send_part(part)
        self._begin(ending, may_stay=may_stay)
        if self._left:
            raise WrongAnswer("a body that is shorter than its Content-Length")
        if self._chunked:
            self._send(LAST_CHUNK)
        return may_stay

    def _begin(self, ending: Ending, *, may_stay: bool) -> None:
        if self._begun:
            return
        self._begun = True
        status, headers = self._said()
        self._bare = self._is_head or answering.has_no_body(status)
        self._left = None if self._bare else answering.length_in(headers)
        self._chunked = self._left is None and may_stay and not self._bare
        last = ending(stays=may_stay)
        if self._chunked:
            last += "Transfer-Encoding: chunked\r\n"
        self._send(answering.head(status, headers, last))

    def _send_part(self, part: bytes) -> None:
        if self._bare:
            return
        if self._left is not None:
            self._left -= len(part)
            if self._left < 0:
                raise WrongAnswer("a body that is longer than its Content-Length")
        self._send(b"%x\r\n%b\r\n" % (len(part), part) if self._chunked else part)
