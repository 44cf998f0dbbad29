"""Counters and histograms of one process, counted in plain Python and published now and then.

prometheus_client takes a lock and writes a shared file at each observation: 5 to 10 µs, as much
as everything else that a small request costs (measured 2026-11-21). A tally adds to an integer
(0.3 µs); `publish` carries what has come together over to prometheus_client's own objects, under
the same names. Whoever serves requests calls it every second; it runs at the end of the process
and before figures are rendered, too. A process that is killed loses what it counted since.

Greenlets may share a tally; threads may not.
"""

import atexit
from bisect import bisect_left
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from prometheus_client import Counter, Histogram


class _Published(Protocol):
    """What `publish` empties."""

    def publish(self) -> None:
        """Carry what was counted over."""


_EVERYTHING: list[_Published] = []


def publish() -> None:
    """Carry what this process has counted over to where Prometheus' figures are rendered from."""
    for tally in _EVERYTHING:
        tally.publish()


atexit.register(publish)


class Count:
    """One counter with its labels set."""

    __slots__ = ("_child", "_count")

    def __init__(self, child: Counter) -> None:
        """Begin with nothing."""
        self._child = child
        self._count = 0.0
        _EVERYTHING.append(self)

    def inc(self, count: float = 1) -> None:
        """Add."""
        self._count += count

    def publish(self) -> None:
        """Carry over."""
        if self._count:
            count, self._count = self._count, 0.0
            self._child.inc(count)


class Spread:
    """One histogram with its labels set."""

    __slots__ = ("_bounds", "_child", "_counts", "_sum")

    def __init__(self, child: Histogram) -> None:
        """Begin with nothing; the bounds are the histogram's own, the last of them infinite."""
        self._child = child
        self._bounds = tuple(child._upper_bounds)  # noqa: SLF001 - there is no other way to them
        self._counts = [0] * len(self._bounds)
        self._sum = 0.0
        _EVERYTHING.append(self)

    def observe(self, value: float) -> None:
        """Add a value to its bucket."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def publish(self) -> None:
        """Carry over."""
        if not any(self._counts):
            return
        counts, self._counts = self._counts, [0] * len(self._bounds)
        total, self._sum = self._sum, 0.0
        self._child._sum.inc(total)  # noqa: SLF001 - `observe` takes one value at a time
        for bucket, count in zip(self._child._buckets, counts, strict=True):  # noqa: SLF001
            if count:
                bucket.inc(count)


Child = TypeVar("Child")


class Family(Generic[Child]):
    """A counter or histogram with labels; `labels` is called as prometheus_client's is."""

    def __init__(self, make: Callable[[tuple[str, ...]], Child]) -> None:
        """Take what makes the tally of some values."""
        self._make = make
        self._children: dict[tuple[str, ...], Child] = {}

    def labels(self, *values: str) -> Child:
        """Return the tally of these values, which must come from a small closed set."""
        found = self._children.get(values)
        if found is None:
            found = self._children[values] = self._make(values)
        return found


def counts(kept: Counter) -> Family[Count]:
    """Tally a counter with labels."""
    return Family(lambda values: Count(kept.labels(*values)))


def exact(kept: Counter) -> Family[Counter]:
    """Keep the children of a counter that has to be right at every moment, in all processes."""
    return Family(lambda values: kept.labels(*values))


def spreads(kept: Histogram) -> Family[Spread]:
    """Tally a histogram with labels."""
    return Family(lambda values: Spread(kept.labels(*values)))
