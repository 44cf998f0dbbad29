"""One connection from its first byte to its last: read, ask the application, send; again.

Its greenlet waits for bytes with a watcher that stays with the event loop from request to request,
so a request costs one recv and one send and nothing else of the kernel. Who is late is told so by
the worker's clock (`Site.tick`), which looks at every connection once in a while, instead of by a
timer for each.

It never closes under a request: an idle connection is first shut for reading, which in a Unix
socket is one step with what the peer writes, and what had come before is still answered.
"""

import contextlib
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import gevent
from gevent import socket as gevent_socket

from rizzpay.core import clock
from rizzpay.infra import log, metrics
from rizzpay.infra.http_server import answering
from rizzpay.infra.http_server.answering import Date, Headers, PeerGone
from rizzpay.infra.http_server.parsing import Environ, Memory, Refusal, RequestReader
from rizzpay.infra.http_server.streaming import Stream

RECEIVE_MAX = 65_536  # bytes read at once
LATE = "request_timeout"

Application = Callable[[Environ, Any], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that we wait for the other side; the clock looks every half second."""

    head_s: float = 5.0  # from the first byte of a request to the end of its headers; as HAProxy
    body_s: float = 30.0  # for the whole body
    idle_s: float = 300.0  # for a next request; HAProxy gives idle connections up sooner
    write_s: float = 20.0  # for a peer that does not read its answer
    linger_s: float = 2.0  # for a refused peer to take its answer and go


@dataclass(slots=True, eq=False)
class Site:
    """What the connections of a worker share."""

    application: Application
    patience: Patience
    date: Date
    on_leave: Callable[[], None]
    now_s: float = 0.0
    stopping: bool = False
    memory: Memory = field(default_factory=Memory)
    connections: "set[Connection]" = field(default_factory=set)
    # Filled and read without a switch to another greenlet between, so one is enough for all.
    buffer: memoryview = field(default_factory=lambda: memoryview(bytearray(RECEIVE_MAX)))

    def tick(self) -> None:
        """Note the time, and wake those for whom it is up."""
        self.now_s = clock.monotonic_s()
        self.date.set(clock.now())
        for connection in tuple(self.connections):
            connection.look_at_the_clock(self.now_s)

    def close_idle(self) -> None:
        """Take no more from connections on which no request has begun."""
        for connection in tuple(self.connections):
            connection.close_if_idle()


class Connection:
    """Serves until either side has had enough."""

    __slots__ = (
        "_deadline_s", "_early", "_greenlet", "_has_begun", "_headers", "_hub", "_is_late",
        "_is_parked", "_is_watching", "_phase", "_reader", "_respond", "_site", "_socket",
        "_status", "_watcher",
    )  # fmt: skip

    def __init__(self, site: Site, accepted: gevent_socket.socket) -> None:
        """Take over an accepted socket; `serve` is to run in a greenlet of its own."""
        self._site = site
        self._socket = accepted
        self._reader = RequestReader(site.memory)
        self._hub: Any = gevent.get_hub()
        self._greenlet: Any = None
        self._watcher: Any = self._hub.loop.io(accepted.fileno(), 1)
        self._is_watching = self._is_parked = self._is_late = False
        self._phase = ""
        self._deadline_s = site.now_s + site.patience.head_s
        self._respond = self._start_response
        self._status = ""
        self._headers: Headers = []
        self._early: list[bytes] = []
        self._has_begun = False  # something of the present answer is sent
        site.connections.add(self)

    def serve(self) -> None:
        """Answer requests until the connection ends; raises nothing for what the peer does."""
        self._greenlet = gevent.getcurrent()
        self._socket.settimeout(0.0)
        try:
            self._serve()
        except (PeerGone, OSError) as error:
            log.get(__name__).debug("peer.gone", error=str(error))
        except Exception as error:  # noqa: BLE001 - a fault of ours costs this connection alone
            log.get(__name__).error("connection.failed", exc_info=error)
        finally:
            self._close()

    def _serve(self) -> None:
        try:
            while self._wait() and self._read() and self._answer_all():
                pass
        except Refusal as refusal:
            self._refuse(refusal)

    def look_at_the_clock(self, now_s: float) -> None:
        """Wake the greenlet if it has waited for bytes for too long."""
        if self._is_parked and now_s > self._deadline_s:
            self._hub.loop.run_callback(self._wake)

    def close_if_idle(self) -> None:
        """Shut for reading if no request has begun; one that comes in this moment is answered."""
        if self._is_parked and self._reader.is_idle:
            with contextlib.suppress(OSError):  # the peer was faster
                self._socket.shutdown(socket.SHUT_RD)  # wakes the watcher

    # waiting

    def _wait(self) -> bool:
        """Wait for bytes; False when the peer is idle for too long. Raises Refusal(408)."""
        if not self._is_watching:
            self._watcher.start(self._on_bytes)
            self._is_watching = True
        self._is_parked = True
        self._hub.switch()
        if self._is_late:
            if self._reader.is_idle:
                return False
            raise Refusal(LATE, "the request did not arrive in time")
        return True

    def _on_bytes(self) -> None:
        if self._is_parked:
            self._is_parked = False
            self._greenlet.switch()
        else:  # at work on a request: what comes next may wait where it is
            self._watcher.stop()
            self._is_watching = False

    def _wake(self) -> None:
        if self._is_parked and self._site.now_s > self._deadline_s:
            self._is_late = True
            self._is_parked = False
            self._greenlet.switch()

    # reading

    def _read(self) -> bool:
        """Read what is there; False at the end of the connection. Raises Refusal."""
        buffer, reader = self._site.buffer, self._reader
        try:
            count = self._socket.recv_into(buffer)
        except BlockingIOError:
            return True
        if not count:
            return False
        try:
            reader.feed(buffer[:count])
        except Refusal:
            if not reader.ready or self._answer_all():
                raise
            return False
        return True

    def _answer_all(self) -> bool:
        """Answer what is complete, in order; False when the connection ends with it."""
        reader = self._reader
        ready = reader.ready
        if ready:
            self._phase = ""
            while ready:
                environ, may_stay = ready.popleft()
                if not self._answer(environ, may_stay=may_stay):
                    return False
                if ready:
                    gevent.sleep(0)  # others have requests too
        if reader.over:
            return False
        if reader.expects_continue and reader.is_in_body:
            reader.expects_continue = False
            self._send(answering.CONTINUE)
        self._set_deadline()
        return True

    def _set_deadline(self) -> None:
        patience, reader = self._site.patience, self._reader
        if reader.is_idle:
            phase, limit_s = "idle", patience.idle_s
        elif reader.is_in_body:
            phase, limit_s = "body", patience.body_s
        else:
            phase, limit_s = "head", patience.head_s
        if phase != self._phase:  # a byte more is no reason to wait longer
            self._phase = phase
            self._deadline_s = self._site.now_s + limit_s

    # answering

    def _answer(self, environ: Environ, *, may_stay: bool) -> bool:
        """Ask the application and send what it says; tell whether the connection stays open."""
        site = self._site
        may_stay = may_stay and environ["SERVER_PROTOCOL"] == "HTTP/1.1"
        said: Any = None
        self._has_begun = False
        try:
            said = site.application(environ, self._respond)
            if type(said) is not list or self._early:
                early, self._early = self._early, []
                stream = Stream(environ["REQUEST_METHOD"], self._send, self._said, early)
                return stream.run(said, self._ending, may_stay=may_stay)
            may_stay = may_stay and not site.stopping
            answer = answering.whole(
                *(self._status, self._headers, said[0] if len(said) == 1 else b"".join(said)),
                self._ending(stays=may_stay),
                is_head=environ["REQUEST_METHOD"] == "HEAD",
            )
        except PeerGone:
            raise
        except (Exception, gevent.Timeout) as error:  # noqa: BLE001 - whatever it is, it ends here
            self._fail(environ, error)
            return False
        finally:
            if hasattr(said, "close"):
                said.close()
        self._send(answer)
        return may_stay

    def _ending(self, *, stays: bool) -> str:
        """Return the header lines that are the server's."""
        date = f"Date: {self._site.date.text}\r\n"
        return date if stays and not self._site.stopping else f"{date}Connection: close\r\n"

    def _start_response(self, status: str, headers: Headers, exc_info: Any = None) -> Any:
        """Take status and headers, and give what takes a body the old way (PEP 3333)."""
        if exc_info and self._has_begun:
            raise exc_info[1]
        self._status, self._headers = status, headers
        return self._early.append

    def _said(self) -> tuple[str, Headers]:
        return self._status, self._headers

    def _fail(self, environ: Environ, error: BaseException) -> None:
        """Log what the application should have caught; answer, if nothing of an answer is out."""
        request_id = answering.known_id(environ.get("HTTP_X_REQUEST_ID", ""))
        log.get(__name__).error("request.failed", request_id=request_id, exc_info=error)
        if not self._has_begun:
            date = self._site.date.text
            self._send(answering.refusal("internal_error", request_id, date))

    def _refuse(self, refusal: Refusal) -> None:
        """Say why this is the end, and let the peer read it before the connection is gone."""
        request_id = answering.known_id(refusal.request_id)
        log.get(__name__).info(
            "request.unreadable", code=refusal.code, reason=str(refusal), request_id=request_id
        )
        metrics.REFUSED.labels(refusal.code).inc()
        self._send(answering.refusal(refusal.code, request_id, self._site.date.text))
        self._linger()

    def _linger(self) -> None:
        """Read and drop what the peer still sends: closing before it would take the answer back."""
        self._socket.shutdown(socket.SHUT_WR)
        self._stop_watching()
        end_s = clock.monotonic_s() + self._site.patience.linger_s
        while (left_s := end_s - clock.monotonic_s()) > 0:
            self._socket.settimeout(left_s)
            if not self._socket.recv_into(self._site.buffer):
                return

    def _send(self, data: bytes) -> None:
        """Send all of it; raises PeerGone when the peer does not take it."""
        self._has_begun = True
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise PeerGone(str(error)) from None
        if sent < len(data):
            self._send_rest(memoryview(data)[sent:])

    def _send_rest(self, rest: memoryview) -> None:
        self._socket.settimeout(self._site.patience.write_s)
        try:
            self._socket.sendall(rest)
        except OSError as error:  # also when the time is up
            raise PeerGone(str(error)) from None
        self._socket.settimeout(0.0)

    # the end

    def _stop_watching(self) -> None:
        self._watcher.stop()
        self._is_watching = False

    def _close(self) -> None:
        self._stop_watching()
        self._watcher.close()
        self._socket.close()
        self._site.connections.discard(self)
        self._site.on_leave()
