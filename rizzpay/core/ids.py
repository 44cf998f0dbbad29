"""Prefixed, time-sortable ids: `pay_` and 26 characters of a ULID.

The time part sorts lists and keeps index pages warm; nobody may read a meaning out of it.
Source of the format: github.com/ulid/spec (48 bits of milliseconds, 80 random bits, Crockford
base 32). Within one process ids of the same millisecond still ascend.
"""

import os
import re
from datetime import datetime

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RANDOM_BITS = 80
RANDOM_BYTES = RANDOM_BITS // 8
RANDOM = (1 << RANDOM_BITS) - 1
STEP = (1 << 40) - 1  # what the next id of the same millisecond may be larger by

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
}
_PATTERN = re.compile(r"^[a-z]{2,6}_[0-9A-HJKMNP-TV-Z]{26}$")


# Every pair of characters: ten bits at a time cost a third of a microsecond an id where single
# characters cost ten (measured 2026-11-21, CPython 3.11).
_PAIRS = tuple(first + second for first in ALPHABET for second in ALPHABET)


_DRAWN_AT_ONCE = 256  # ids; a call to the kernel for each would cost more than the id


class _Last:
    """What this process handed out last, so that ids of one millisecond ascend."""

    at: datetime | None = None
    time_ms = 0
    head = ""  # the ten characters of `time_ms`
    random = 0


_drawn: list[int] = []  # random parts of ids to come


def ulid(at: datetime) -> str:
    """Return 26 characters that sort by `at` and, in this process, by order of the calls."""
    if at is not _Last.at:
        _begin(at)
    if not _drawn:
        _draw()
    fresh = _drawn.pop()
    if fresh <= _Last.random:  # ascend by less than 2**40; to run over is one in 2**39
        fresh = (_Last.random + 1 + (fresh & STEP)) & RANDOM
    _Last.random = fresh
    high, low = fresh >> 40, fresh & 0xFFFFFFFFFF
    return (
        f"{_Last.head}{_PAIRS[high >> 30]}{_PAIRS[high >> 20 & 1023]}{_PAIRS[high >> 10 & 1023]}"
        f"{_PAIRS[high & 1023]}{_PAIRS[low >> 30]}{_PAIRS[low >> 20 & 1023]}"
        f"{_PAIRS[low >> 10 & 1023]}{_PAIRS[low & 1023]}"
    )


def ulids(at: datetime, count: int) -> list[str]:
    """Return `count` of them, ascending."""
    return [ulid(at) for _ in range(count)]


def _begin(at: datetime) -> None:
    """Take up the time of `at`."""
    time_ms = int(at.timestamp() * 1000)
    if time_ms != _Last.time_ms:
        _Last.head = "".join(_PAIRS[time_ms >> shift & 1023] for shift in (40, 30, 20, 10, 0))
        _Last.time_ms, _Last.random = time_ms, 0
    _Last.at = at


def _forget() -> None:
    """Share nothing with the process that this one was forked from."""
    _drawn.clear()
    _Last.at, _Last.time_ms, _Last.random = None, 0, 0


os.register_at_fork(after_in_child=_forget)


def _draw() -> None:
    random = os.urandom(RANDOM_BYTES * _DRAWN_AT_ONCE)
    _drawn.extend(
        int.from_bytes(random[place : place + RANDOM_BYTES])
        for place in range(0, len(random), RANDOM_BYTES)
    )


def new_id(kind: str, at: datetime) -> str:
    """Return a new id of a kind named in `PREFIXES`."""
    return f"{PREFIXES[kind]}_{ulid(at)}"


def looks_like(kind: str, text: str) -> bool:
    """Tell whether `text` has the form of an id of that kind; it may still not exist."""
    return bool(_PATTERN.match(text)) and text.startswith(PREFIXES[kind] + "_")
