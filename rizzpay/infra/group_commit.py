"""Group commit: what arrives together is written together, in one transaction.

Greenlets `submit` an item and wait. One writing greenlet takes all that waits, up to `most`, and
hands it to `write`, which does it in one transaction of its own and says what came of each item.
There is no timer: an item that arrives alone is written alone, at once; while one group is being
committed the next one gathers. Groups are written in the order in which their items came; only
where the owner allows it, a good part of a group sets out before the one ahead of it is through.

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
from itertools import islice
from time import perf_counter
from typing import Any, Generic, TypeVar, cast

import gevent
from gevent.hub import Waiter, get_hub

from rizzpay.core.errors import Unavailable
from rizzpay.infra import log, metrics
from rizzpay.infra.database import CONFLICTS, Severed

CONFLICT_TRIES = 3
STALE_TRIES = 64  # more than a pool has connections: after a restart of the server all are stale
CLOSE_PATIENCE_S = 10.0
ABREAST = 2  # groups under way: one that the server writes, one that lies in its socket
FOLLOWERS = 48  # items that are worth a group of their own (measured 2026-11-21)

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
        may_follow: Callable[[Item], bool] | None = None,
    ) -> None:
        """Keep the parts; the first item starts the writing greenlet.

        `write` takes 1 to `most` items and returns, after its commit, one result or exception for
        each, in order; an exception that it raises means that nothing of the set was written.
        `name` labels the metrics. `together=False` gives each item a transaction of its own,
        concurrently: to measure what grouping gains. A group of items that all `may_follow` is
        written while another such group is under way, once FOLLOWERS of them have gathered.
        """
        self._write = write
        self._most = most
        self._together = together
        self._may_follow = may_follow
        self._queue: deque[_Place] = deque()
        self._under_way: set[gevent.Greenlet[..., None]] = set()
        self._running = 0  # groups under way
        self._all_follow = False  # whether another group may set out behind them
        self._called = False  # whether a greenlet is about to take what waits
        self._closed = False
        self._items = metrics.GROUP_ITEMS.labels(name)
        self._wait = metrics.GROUP_WAIT.labels(name)

    def submit(self, item: Item) -> Result:
        """Hand in an item, wait for its commit and return what came of it, or raise that."""
        place = _Place(item, perf_counter())
        self._hand_in([place])
        result = place.waiter.get()
        if isinstance(result, Exception):
            raise result
        return cast("Result", result)

    def submit_all(self, items: Sequence[Item]) -> list[Result | Exception]:
        """Hand in several items at once and return what came of each, in order; never raises it.

        They stay together as far as `most` allows.
        """
        came_s = perf_counter()
        places = [_Place(item, came_s) for item in items]
        if places:
            self._hand_in(places)
        return [place.waiter.get() for place in places]

    def close(self) -> None:
        """Write what waits, then stop; `submit` raises Unavailable from now on."""
        self._closed = True
        until_s = perf_counter() + CLOSE_PATIENCE_S
        while self._under_way and (left_s := until_s - perf_counter()) > 0:
            gevent.joinall(list(self._under_way), timeout=left_s, count=1)
        gevent.killall(list(self._under_way))
        left = list(self._queue)
        self._queue.clear()
        _answer(left, [Unavailable("service", "shutting down")] * len(left))

    def _hand_in(self, places: list[_Place]) -> None:
        if self._closed:
            raise Unavailable("service", "shutting down")
        if self._together:
            self._queue += places
            self._go()
        else:
            for place in places:
                gevent.spawn(self._do, [place])

    def _go(self) -> None:
        """Let a greenlet write what waits, if there is room.

        It takes all that comes before it runs, which is after everything that is ready now; but
        a good part of a group goes at once, so that the server has it while we see to the rest.
        """
        if len(self._queue) >= FOLLOWERS and self._has_room():
            back = get_hub().loop.run_callback(gevent.getcurrent().switch)
            try:
                self._greenlet().switch()
            finally:  # also when we are killed meanwhile: nobody may wake us where we wait next
                back.stop()
        elif not self._running and not self._called:
            self._called = True
            self._greenlet().start()

    def _greenlet(self) -> "gevent.Greenlet[..., None]":
        greenlet = gevent.Greenlet(self._write_groups)
        self._under_way.add(greenlet)
        return greenlet

    def _has_room(self) -> bool:
        """Tell whether a group may set out now, alone or behind others."""
        return not self._running or (
            self._running < ABREAST
            and self._all_follow
            and len(self._queue) >= FOLLOWERS
            and all(map(self._follows, islice(self._queue, FOLLOWERS)))
        )

    def _follows(self, place: _Place) -> bool:
        return self._may_follow is not None and self._may_follow(place.item)

    def _write_groups(self) -> None:
        self._called = False
        try:
            while self._queue and self._has_room():
                self._do(self._taken())
        finally:
            self._under_way.discard(gevent.getcurrent())

    def _taken(self) -> list[_Place]:
        queue, alone = self._queue, not self._running
        places: list[_Place] = []
        while queue and len(places) < self._most and (alone or self._follows(queue[0])):
            places.append(queue.popleft())
        self._all_follow = all(map(self._follows, places))
        return places

    def _do(self, places: list[_Place]) -> None:
        self._items.observe(len(places))
        self._wait.observe(perf_counter() - places[0].came_s)
        results: Sequence[Any] = [Unavailable("service", "shutting down")] * len(places)
        self._running += 1
        try:
            results = apart(self._write, [place.item for place in places])
        finally:  # also when we are being killed: nobody may wait for ever
            self._running -= 1
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
