"""Prefixed, time-sortable ids: `pay_` and 26 characters of a ULID.

The time part sorts lists and keeps index pages warm; nobody may read a meaning out of it.
Source of the format: github.com/ulid/spec (48 bits of milliseconds, 80 random bits, Crockford
base 32). Within one process ids of the same millisecond still ascend.
"""

import os
import re
import struct
from datetime import datetime

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LOW = (1 << 40) - 1  # half of the random part

PREFIXES = {
    "payment": "pay",
    "attempt": "att",
    "capture": "cap",
    "refund": "rfnd",
    "event": "evt",
    "endpoint": "whe",
    "delivery": "dlv",
    "merchant": "mer",
    "transfer": "trf",
    "payer": "cus",
    "request": "req",
    "data_key": "dek",
    "case": "case",
    "downtime": "down",
    "qr_code": "qr",
}
_PATTERN = re.compile(r"^[a-z]{2,6}_[0-9A-HJKMNP-TV-Z]{26}$")
# Every pair of characters: ten bits at a time cost a third of a microsecond an id where single
# characters cost ten (measured 2026-11-21, CPython 3.11).
_PAIRS = tuple(first + second for first in ALPHABET for second in ALPHABET)
_DRAWN_AT_ONCE = 1024  # numbers; a call to the kernel for each would cost more than the id


class _Last:
    """What this process handed out last, so that ids of one millisecond ascend."""

    __slots__ = ("at", "head", "high", "low", "time_ms")

    def __init__(self) -> None:
        self.at: datetime | None = None
        self.time_ms = -1
        self.high = 0  # the upper half of the random part
        self.head = ""  # the 18 characters of `time_ms` and `high`
        self.low = 0  # the lower half


_last = _Last()
_drawn: list[int] = []  # each is used once


def ulid(at: datetime) -> str:
    """Return 26 characters that sort by `at` and, in this process, by order of the calls.

    The first of a millisecond is random in all its 80 bits; each of the others is larger than the
    one before by a random number of 32 bits, so nobody can tell one from another.
    """
    last = _last
    if at is not last.at:
        _begin(at)
    low = last.low + 1 + (_drawn.pop() if _drawn else _draw())
    if low > LOW:
        low &= LOW
        last.high = (last.high + 1) & LOW
        _write_head()
    last.low = low
    return (
        f"{last.head}{_PAIRS[low >> 30]}{_PAIRS[low >> 20 & 1023]}"
        f"{_PAIRS[low >> 10 & 1023]}{_PAIRS[low & 1023]}"
    )


class Fresh:
    """As many ULIDs of a moment as somebody asks for, made when he does."""

    __slots__ = ("_at", "_made")

    def __init__(self, at: datetime) -> None:
        """Make none yet."""
        self._at = at
        self._made: list[str] = []

    def __getitem__(self, index: int) -> str:
        """Return the `index`-th; the same index gives the same one."""
        while index >= len(self._made):
            self._made.append(ulid(self._at))
        return self._made[index]


def _begin(at: datetime) -> None:
    """Take up the time of `at`, with a new random part unless it is the same millisecond."""
    time_ms = int(at.timestamp() * 1000)
    if time_ms != _last.time_ms:
        _last.time_ms = time_ms
        _last.high, _last.low = (_draw() << 8 | _draw() & 255), (_draw() << 8 | _draw() & 255)
        _write_head()
    _last.at = at


def _write_head() -> None:
    at, high = _last.time_ms, _last.high
    _last.head = (
        f"{_PAIRS[at >> 40]}{_PAIRS[at >> 30 & 1023]}{_PAIRS[at >> 20 & 1023]}"
        f"{_PAIRS[at >> 10 & 1023]}{_PAIRS[at & 1023]}{_PAIRS[high >> 30]}"
        f"{_PAIRS[high >> 20 & 1023]}{_PAIRS[high >> 10 & 1023]}{_PAIRS[high & 1023]}"
    )


def _draw() -> int:
    """Return a random number of 32 bits."""
    if not _drawn:
        _drawn.extend(struct.unpack(f"{_DRAWN_AT_ONCE}I", os.urandom(4 * _DRAWN_AT_ONCE)))
    return _drawn.pop()


def _forget() -> None:
    """Share nothing with the process that this one was forked from."""
    _drawn.clear()
    _last.at, _last.time_ms = None, -1


os.register_at_fork(after_in_child=_forget)


def new_id(kind: str, at: datetime) -> str:
    """Return a new id of a kind named in `PREFIXES`."""
    return f"{PREFIXES[kind]}_{ulid(at)}"


def looks_like(kind: str, text: str) -> bool:
    """Tell whether `text` has the form of an id of that kind; it may still not exist."""
    return bool(_PATTERN.match(text)) and text.startswith(PREFIXES[kind] + "_")
