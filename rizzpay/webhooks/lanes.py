"""Lanes: how many deliveries may be under way at once, so that a slow receiver slows only itself.

A worker has a few dozen places. An endpoint that has proven quick may use several of them, a new
one few, and all slow ones together share a fixed number. Who finds no place is told when to come
back: each gets its own moment, spaced by how long that endpoint takes, so that a long queue is
looked at about once and not over and over. The state is this process's own and may be lost.
"""

import threading
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

QUICK_S = 1.0  # an endpoint that answers later than that, on average, is slow
NEW_S = 0.04  # what is assumed of an endpoint that nothing is known about
NEWEST_COUNTS = 0.3  # of an average: how much the last attempt weighs
WAIT_MIN_S = 0.05
WAIT_MAX_S = 60.0  # so long a recovered endpoint may look slow to those who wait
GOLDEN = 0.618  # steps of this size fill a circle evenly, however many there are
REMEMBERED_MAX = 10_000  # endpoints; then all are new again


@dataclass(frozen=True, slots=True)
class Limits:
    """Places, out of the worker's 32."""

    new: int = 2  # an endpoint that nothing is known about
    quick: int = 12  # an endpoint that answers within QUICK_S
    slow: int = 2  # one that does not
    all_slow: int = 8  # all slow endpoints together
    merchant: int = 16  # all endpoints of a merchant together


@dataclass(frozen=True, slots=True)
class Place:
    """A place that was taken; give it back to `Lanes.leave`."""

    endpoint_id: str
    counted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pace:
    """How long an attempt takes: the receiver's answer, and with all that we do round it."""

    answer_s: float
    held_s: float

    def with_newest(self, newest: "Pace") -> "Pace":
        """Return the moving average after one more attempt."""
        return Pace(
            self.answer_s + NEWEST_COUNTS * (newest.answer_s - self.answer_s),
            self.held_s + NEWEST_COUNTS * (newest.held_s - self.held_s),
        )


class Lanes:
    """Places by endpoint, merchant and pace. Safe for greenlets and threads."""

    def __init__(self, limits: Limits | None = None) -> None:
        """Begin with nobody inside."""
        self._limits = limits or Limits()
        self._lock = threading.Lock()
        self._inside: Counter[str] = Counter()
        self._paces: dict[str, Pace] = {}
        self._next_at: dict[str, datetime] = {}  # the last moment given to one who waits
        self._turn = 0.0

    def enter(self, endpoint_id: str, merchant_id: str) -> Place | None:
        """Take a place; None when there is none."""
        with self._lock:
            pace = self._paces.get(endpoint_id)
            wanted = {
                endpoint_id: self._places_for(pace),
                merchant_id: self._limits.merchant,
            }
            if pace is not None and pace.answer_s > QUICK_S:
                wanted["slow"] = self._limits.all_slow
            if any(self._inside[name] >= limit for name, limit in wanted.items()):
                return None
            self._inside.update(wanted.keys())
            return Place(endpoint_id, tuple(wanted))

    def leave(self, place: Place, pace: Pace | None) -> None:
        """Give a place back, with what was seen; None when nothing was sent."""
        with self._lock:
            self._inside.subtract(place.counted)
            for name in place.counted:
                if not self._inside[name]:
                    del self._inside[name]
            if pace is not None:
                self._learn(place.endpoint_id, pace)

    def come_back(self, endpoint_id: str, now: datetime) -> datetime:
        """Return a moment for one who found no place; no two get the same one."""
        with self._lock:
            pace = self._paces.get(endpoint_id)
            held_s = NEW_S if pace is None else pace.held_s
            spacing = timedelta(seconds=held_s / self._places_for(pace))
            earliest = now + timedelta(seconds=WAIT_MIN_S)
            at = max(self._next_at.get(endpoint_id, now) + spacing, earliest)
            if at - now > timedelta(seconds=WAIT_MAX_S):
                return now + timedelta(seconds=self._far_s())
            self._next_at[endpoint_id] = at
            return at

    def _learn(self, endpoint_id: str, newest: Pace) -> None:
        if len(self._paces) >= REMEMBERED_MAX:
            self._paces.clear()
            self._next_at.clear()
        before = self._paces.get(endpoint_id)
        after = newest if before is None else before.with_newest(newest)
        if self._places_for(after) != self._places_for(before):
            self._next_at.pop(endpoint_id, None)  # they were meant for another pace
        self._paces[endpoint_id] = after

    def _far_s(self) -> float:
        """Return seconds from half of WAIT_MAX_S to all of it, spread evenly over the calls."""
        self._turn = (self._turn + GOLDEN) % 1
        return WAIT_MAX_S * (1 + self._turn) / 2

    def _places_for(self, pace: Pace | None) -> int:
        if pace is None:
            return self._limits.new
        return self._limits.slow if pace.answer_s > QUICK_S else self._limits.quick
