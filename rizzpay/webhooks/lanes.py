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

QUICK_S = 1.0  # an endpoint whose last attempt took longer is slow
NEW_S = 0.1  # what is assumed of an endpoint that nothing is known about
WAIT_MIN_S = 0.05
WAIT_MAX_S = 60.0  # so long a recovered endpoint may look slow to those who wait
REMEMBERED_MAX = 10_000  # endpoints; then all are new again


@dataclass(frozen=True, slots=True)
class Limits:
    """Places, out of the worker's 32."""

    new: int = 2  # an endpoint that nothing is known about
    quick: int = 8  # an endpoint that answers within QUICK_S
    slow: int = 2  # one that does not
    all_slow: int = 8  # all slow endpoints together
    merchant: int = 12  # all endpoints of a merchant together


@dataclass(frozen=True, slots=True)
class Place:
    """A place that was taken; give it back to `Lanes.leave`."""

    endpoint_id: str
    counted: tuple[str, ...]


class Lanes:
    """Places by endpoint, merchant and speed. Safe for greenlets and threads."""

    def __init__(self, limits: Limits | None = None) -> None:
        """Begin with nobody inside."""
        self._limits = limits or Limits()
        self._lock = threading.Lock()
        self._inside: Counter[str] = Counter()
        self._took_s: dict[str, float] = {}  # the last attempt of each endpoint
        self._next_at: dict[str, datetime] = {}  # the last moment given to one who waits

    def enter(self, endpoint_id: str, merchant_id: str) -> Place | None:
        """Take a place; None when there is none."""
        with self._lock:
            took_s = self._took_s.get(endpoint_id)
            wanted = {
                endpoint_id: self._endpoint_limit(took_s),
                merchant_id: self._limits.merchant,
            }
            if took_s is not None and took_s > QUICK_S:
                wanted["slow"] = self._limits.all_slow
            if any(self._inside[name] >= limit for name, limit in wanted.items()):
                return None
            self._inside.update(wanted.keys())
            return Place(endpoint_id, tuple(wanted))

    def leave(self, place: Place, took_s: float | None) -> None:
        """Give a place back; `took_s` is None when nothing was sent."""
        with self._lock:
            for name in place.counted:
                self._inside[name] -= 1
                if not self._inside[name]:
                    del self._inside[name]
            if took_s is None:
                return
            if len(self._took_s) >= REMEMBERED_MAX:
                self._took_s.clear()
                self._next_at.clear()
            self._took_s[place.endpoint_id] = took_s

    def come_back(self, endpoint_id: str, now: datetime) -> datetime:
        """Return a moment for one who found no place; no two get the same one."""
        with self._lock:
            took_s = self._took_s.get(endpoint_id)
            limit = self._endpoint_limit(took_s)
            spacing = timedelta(seconds=(NEW_S if took_s is None else took_s) / limit)
            earliest = now + timedelta(seconds=WAIT_MIN_S)
            at = max(self._next_at.get(endpoint_id, now) + spacing, earliest)
            at = min(at, now + timedelta(seconds=WAIT_MAX_S))
            self._next_at[endpoint_id] = at
            return at

    def _endpoint_limit(self, took_s: float | None) -> int:
        if took_s is None:
            return self._limits.new
        return self._limits.slow if took_s > QUICK_S else self._limits.quick
