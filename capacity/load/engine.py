"""When requests are sent. Open loop: at their own times, whatever the service does. Closed: next.

Open loop: arrivals are Poisson; latency counts from the time at which a request should have been
sent, also when no connection was free, so a service that stalls cannot make the generator wait
politely and hide the stall (coordinated omission). What was due and got no answer is counted and
stands in the percentiles with the time that it has waited so far.

One thread. `select` on the epoll's own descriptor sleeps with microseconds where epoll_wait rounds
up to milliseconds.
"""

import gc
import random
import select
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from capacity.errors import Unreachable
from capacity.load.line import Broken, Dialler, Line
from capacity.load.mixes import Mix

TICK_S = 0.5
# From this rate on the open loop looks only twice a millisecond at arrivals and answers: each look
# wakes a process, which costs more than a request. What it adds to latencies is ours, not theirs.
NAP_FROM_RATE, NAP_S = 1000.0, 0.0005
BROKEN_MAX = 100  # connections that broke in a row before we give up
now_s = time.perf_counter


class Seen:
    """What one window saw; latencies in seconds, for each step of the mix."""

    def __init__(self, steps: Sequence[str]) -> None:
        """Begin with nothing."""
        self.latencies = [array("d") for _ in steps]
        self.bad = [array("d") for _ in steps]  # latencies of what was refused or failed
        self.statuses: list[dict[int, int]] = [{} for _ in steps]
        self.lateness = array("d")  # how late we noticed that a request was due
        self.refusals: dict[str, int] = {}  # how often, by status and code of the error
        self.broken: dict[str, int] = {}
        self.offered = 0
        self.sent = 0
        self.unsent = 0
        self.unanswered = 0
        self.in_window = 0  # good answers of the last step before the window ended
        self.first_in_window = 0  # the same of the first step
        self.seconds = 0.0


Tick = Callable[[Seen, float], None]  # every half second: what was seen so far, seconds passed


class Engine:
    """Connections, a mix, and the loop. `merchants` says whose request the next one is."""

    def __init__(
        self, dialler: Dialler, mix: Mix, connections: int, merchants: Sequence[int], tick: Tick
    ) -> None:
        """Connect; raises Unreachable."""
        self._dialler, self._mix, self._tick = dialler, mix, tick
        self._merchants = merchants
        self._epoll = select.epoll()
        self._lines: dict[int, Line] = {}
        self._idle: deque[Line] = deque()
        self._backlog: deque[float] = deque()
        self._number = 0
        self._closed_loop = False
        self._in_flight = 0
        self._in_a_row = 0
        self._asleep = 0  # connections that the service closed while nothing was under way
        self.lost = 0  # requests without an answer, those of the warm-up too
        self._window_end = 0.0
        self._tick_at = 0.0
        self.seen = Seen(mix.steps)
        try:
            for _ in range(connections):
                self._idle.append(self._dial())
        except Unreachable:
            self.close()
            raise

    def close(self) -> None:
        """Close every connection."""
        for line in self._lines.values():
            line.close()
        self._epoll.close()

    def closed(self, seconds: float) -> Seen:
        """Keep every connection busy for so long; may be called again, and goes on then."""
        self._closed_loop = True
        with self._window(seconds) as (began, end):
            while self._idle:
                self._start(self._idle.popleft(), now_s())
            moment = began
            while moment < end:
                self._serve(min(end - moment, TICK_S))
                moment = now_s()
                if moment >= self._tick_at:
                    self._show(began, moment)
        return self.seen

    def open(self, seconds: float, rate: float) -> Seen:
        """Send `rate` requests a second at random times for so long."""
        self._closed_loop = False
        chance = random.Random()  # noqa: S311 - times of arrival, no keys
        nap_s = NAP_S if rate >= NAP_FROM_RATE else 0.0
        with self._window(seconds) as (began, end):
            due = began + chance.expovariate(rate)
            while True:
                moment = now_s()
                while due <= moment and due < end:
                    self._arrive(due, moment)
                    due += chance.expovariate(rate)
                if moment >= end:
                    break
                if moment >= self._tick_at:
                    self._show(began, moment)
                if nap_s:
                    time.sleep(nap_s)
                self._serve(max(0.0, min(due, end) - now_s()))
        return self.seen

    def drain(self, patience_s: float) -> Seen:
        """Wait for what is under way, and send what was due; count what stays without answer."""
        self._closed_loop = False
        end = now_s() + patience_s
        while (self._in_flight or self._backlog) and now_s() < end:
            self._serve(min(0.1, max(0.0, end - now_s())))
        moment = now_s()
        self.seen.unsent += len(self._backlog)
        waiting = [line.intended for line in self._lines.values() if line.intended > 0]
        self.seen.unanswered += len(waiting)
        self.lost += len(waiting)
        for intended in (*self._backlog, *waiting):
            self.seen.latencies[0].append(moment - intended)
        self._backlog.clear()
        return self.seen

    def begin_anew(self) -> None:
        """Forget what was seen so far: it was the warm-up."""
        self.seen = Seen(self._mix.steps)

    @contextmanager
    def _window(self, seconds: float) -> Iterator[tuple[float, float]]:
        gc.collect()
        gc.disable()
        began = now_s()
        self._window_end = began + seconds
        self._tick_at = began + TICK_S
        try:
            yield began, self._window_end
        finally:
            self.seen.seconds += now_s() - began
            gc.enable()

    def _show(self, began: float, moment: float) -> None:
        self._tick(self.seen, moment - began)
        self._tick_at = moment + TICK_S

    def _arrive(self, due: float, moment: float) -> None:
        self.seen.offered += 1
        if not self._idle and self._asleep:
            self._asleep -= 1
            self._idle.append(self._dial())
        if self._idle:
            self.seen.lateness.append(moment - due)
            self._start(self._idle.popleft(), due)
        else:
            self._backlog.append(due)

    def _start(self, line: Line, intended: float) -> None:
        self._number += 1
        line.number = self._number
        line.merchant = self._merchants[self._number % len(self._merchants)]
        line.step = 0
        line.intended = intended
        self._in_flight += 1
        self.seen.sent += 1
        self._ask(line, self._mix.begin(line))

    def _ask(self, line: Line, request: bytes) -> None:
        try:
            if not line.ask(request):
                self._epoll.modify(line.fd, select.EPOLLIN | select.EPOLLOUT)
        except Broken as error:
            self._replace(line, str(error))

    def _serve(self, timeout_s: float) -> None:
        """Wait for answers for so long at most, and deal with those that came."""
        if timeout_s > 0:
            select.select([self._epoll], [], [], timeout_s)
        for fd, event in self._epoll.poll(0):
            line = self._lines.get(fd)
            if line is None:
                continue
            if event & select.EPOLLOUT:
                self._push(line)
            if event & ~select.EPOLLOUT:
                self._receive(line)

    def _push(self, line: Line) -> None:
        request, line.unsent = line.unsent, b""
        self._epoll.modify(line.fd, select.EPOLLIN)
        if request:
            self._ask(line, request)

    def _receive(self, line: Line) -> None:
        try:
            if not line.take():
                return
        except Broken as error:
            self._replace(line, str(error))
            return
        moment = now_s()
        self._note(line, moment)
        more = self._mix.go_on(line)
        if more is not None:
            line.step += 1
            line.intended = moment
            self._ask(line, more)
            return
        self._in_flight -= 1
        self._next(line, moment)

    def _note(self, line: Line, moment: float) -> None:
        seen, step = self.seen, line.step
        counts = seen.statuses[step]
        counts[line.status] = counts.get(line.status, 0) + 1
        if not self._mix.is_good(line):
            seen.bad[step].append(moment - line.intended)
            what = f"{line.status} {code_of(line.body)}"
            seen.refusals[what] = seen.refusals.get(what, 0) + 1
            return
        self._in_a_row = 0
        seen.latencies[step].append(moment - line.intended)
        if moment <= self._window_end:
            if step == 0:
                seen.first_in_window += 1
            if step == len(seen.statuses) - 1:
                seen.in_window += 1

    def _next(self, line: Line, moment: float) -> None:
        if self._backlog:
            self._start(line, self._backlog.popleft())
        elif self._closed_loop and moment < self._window_end:
            self._start(line, moment)
        else:
            line.intended = 0.0
            self._idle.append(line)

    def _dial(self) -> Line:
        line = self._dialler.dial()
        self._lines[line.fd] = line
        self._epoll.register(line.fd, select.EPOLLIN)
        return line

    def _replace(self, line: Line, why: str) -> None:
        """Count a connection that broke, what was under way on it as unanswered; open another.

        One that nothing was under way on has only been idle for too long: it is opened again when
        it is needed.
        """
        self._epoll.unregister(line.fd)
        del self._lines[line.fd]
        line.close()
        self.seen.broken[why] = self.seen.broken.get(why, 0) + 1
        if line in self._idle:
            self._idle.remove(line)
            self._asleep += 1
            return
        self._in_flight -= 1
        self.seen.unanswered += 1
        self.lost += 1
        self.seen.bad[line.step].append(now_s() - line.intended)
        self._in_a_row += 1
        if self._in_a_row > BROKEN_MAX:
            raise Unreachable(f"{BROKEN_MAX} connections broke in a row: {why}")
        self._next(self._dial(), now_s())


def code_of(body: bytes) -> str:
    """Return the code in an error of our API; "" when there is none."""
    _, found, rest = body.partition(b'"code":"')
    return rest.partition(b'"')[0].decode(errors="replace") if found else ""
