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


class _Last:
    """The newest value handed out by this process, so that ids of one millisecond ascend."""

    value = 0


def ulid(at: datetime) -> str:
    """Return 26 characters that sort by `at` and, in this process, by order of the calls."""
    fresh = (int(at.timestamp() * 1000) << RANDOM_BITS) | int.from_bytes(os.urandom(10))
    if fresh >> RANDOM_BITS == _Last.value >> RANDOM_BITS and fresh <= _Last.value:
        fresh = _Last.value + 1
    _Last.value = fresh
    digits = []
    for _ in range(26):
        fresh, digit = divmod(fresh, 32)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def new_id(kind: str, at: datetime) -> str:
    """Return a new id of a kind named in `PREFIXES`."""
    return f"{PREFIXES[kind]}_{ulid(at)}"


def looks_like(kind: str, text: str) -> bool:
    """Tell whether `text` has the form of an id of that kind; it may still not exist."""
    return bool(_PATTERN.match(text)) and text.startswith(PREFIXES[kind] + "_")
