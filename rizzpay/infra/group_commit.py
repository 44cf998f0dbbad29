"""Group commit: what arrives together is written together, in one transaction.

Greenlets `submit` an item and wait. One writing greenlet takes all that waits, up to `most`, and
hands it to `write`, which does it in one transaction of its own and says what came of each item.
There is no timer: an item that arrives alone is written alone, at once; while one group is being
committed the next one gathers. Items are written in the order in which they came.

One bad item never fails its neighbours: when a set fails, its halves are tried apart until what is
bad stands alone. A set that the database broke off for another transaction's sake, or whose
connection turned out to be stale, is tried again as it is. When the database cannot be reached, or
nobody knows whether it committed, nothing is tried again: every waiter of that set is told.
Whoever submitted an item may be killed; the item is written all the same.

Not for threads: everybody belongs to the hub of the thread that hands in the first item.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Generic, TypeVar, cast

import gevent
from gevent.event import Event
from gevent.hub import Waiter, get_hub

from rizzpay.core.errors import Unavailable
from rizzpay.infra import log, metrics
from rizzpay.infra.database import CONFLICTS, Severed

CONFLICT_TRIES = 3
STALE_TRIES = 64  # more than a pool has connections: after a restart of the server all are stale
CLOSE_PATIENCE_S = 10.0

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(slots=True)
class _Place:
    """One item in the queue and who waits for it."""

    item: Any
    came_s: float
    waiter: "Waiter[Any]" = field(default_factory=Waiter)


class GroupCommit(Generic[Item, Result]):
    """Gathers items of one kind and writes them in groups."""

    def __init__(
        self,
        name: str,
        write: Callable[[list[Item]], Sequence[Result | Exception]],
        most: int,
        *,
        together: bool = True,
    ) -> None:
        """Keep the parts; the first item starts the writing greenlet.

        `write` takes 1 to `most` items and returns, after its commit, one result or exception for
        each, in order; an exception that it raises means that nothing of the set was written.
        `name` labels the metrics. `together=False` gives each item a transaction of its own,
        concurrently: to measure what grouping gains.
        """
        self._write = write
        self._most = most
        self._together = together
        self._queue: deque[_Place] = deque()
        self._bell = Event()
        self._closed = False
        self._items = metrics.GROUP_ITEMS.labels(name)
        self._wait = metrics.GROUP_WAIT.labels(name)
        self._loop: gevent.Greenlet[..., None] | None = None

    def submit(self, item: Item) -> Result:
        """Hand in an item, wait for its commit and return what came of it, or raise that."""
        result = self._hand_in(item).waiter.get()
        if isinstance(result, Exception):
            raise result
        return cast("Result", result)

    def submit_all(self, items: Sequence[Item]) -> list[Result | Exception]:
        """Hand in several items at once and return what came of each, in order; never raises it.

        They stay together as far as `most` allows.
        """
        places = [self._hand_in(item) for item in items]
        return [place.waiter.get() for place in places]

    def close(self) -> None:
        """Write what waits, then stop; `submit` raises Unavailable from now on."""
        self._closed = True
        self._bell.set()
        if self._loop is not None:
            self._loop.join(CLOSE_PATIENCE_S)
            self._loop.kill()
        left = list(self._queue)
        self._queue.clear()
        _answer(left, [Unavailable("service", "shutting down")] * len(left))

    def _hand_in(self, item: Item) -> _Place:
        if self._closed:
            raise Unavailable("service", "shutting down")
        place = _Place(item, perf_counter())
        if self._together:
            self._queue.append(place)
            if self._loop is None:
                self._loop = gevent.spawn(self._run)
            if not self._bell.is_set():
                self._bell.set()
        else:
            gevent.spawn(self._do, [place])
        return place

    def _run(self) -> None:
        queue, bell = self._queue, self._bell
        while queue or not self._closed:
            bell.wait()
            bell.clear()
            while queue:
                self._do([queue.popleft() for _ in range(min(len(queue), self._most))])

    def _do(self, places: list[_Place]) -> None:
        self._items.observe(len(places))
        self._wait.observe(perf_counter() - places[0].came_s)
        try:
            results = apart(self._write, [place.item for place in places])
        except BaseException:  # we are being killed: nobody may wait for ever
            _answer(places, [Unavailable("service", "shutting down")] * len(places))
            raise
        _answer(places, results)


def apart(
    write: Callable[[list[Item]], Sequence[Result | Exception]], items: list[Item]
) -> Sequence[Result | Exception]:
    """Do items as one set; if the set fails, its halves, down to single items. Never raises."""
    try:
        return _tried(write, items)
    except Unavailable as error:
        return [error] * len(items)
    except Exception as error:  # noqa: BLE001 - one of the loops: every waiter is told
        log.get(__name__).warning("group.failed", error=type(error).__name__, items=len(items))
        if len(items) == 1:
            return [error]
    half = len(items) // 2
    return [*apart(write, items[:half]), *apart(write, items[half:])]


def _tried(
    write: Callable[[list[Item]], Sequence[Result | Exception]], items: list[Item]
) -> Sequence[Result | Exception]:
    conflicts = stale = 0
    while True:
        try:
            return write(items)
        except CONFLICTS:
            conflicts += 1
            if conflicts == CONFLICT_TRIES:
                raise
        except Severed:
            stale += 1
            if stale == STALE_TRIES:
                raise


def _answer(places: Sequence[_Place], results: Sequence[Any]) -> None:
    """Let the hub wake every waiter with its result; one that was killed is passed over."""
    later = get_hub().loop.run_callback
    if len(results) != len(places):  # a bug of `write`, after its commit
        bug = RuntimeError(f"{len(places)} items were written and {len(results)} results given")
        results = [bug] * len(places)
    for place, result in zip(places, results, strict=True):
        later(place.waiter.switch, result)
