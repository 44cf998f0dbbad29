"""Copies of frozen, slotted dataclasses with some fields changed.

The same as `dataclasses.replace`, without `__init__` and `__post_init__`: 2.7 instead of 7 µs for
the 37 fields of a payment (measured 2026-11-21, CPython 3.11), which is copied at every step.
"""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeVar

Value = TypeVar("Value")
Setter = Callable[[object, Any], None]


@dataclass(frozen=True, slots=True)
class _Parts:
    """How a class is read and filled."""

    read: Callable[[object], tuple[Any, ...]]
    setters: tuple[Setter, ...]
    by_name: dict[str, Setter]


_KNOWN: dict[type, _Parts] = {}


def changed(value: Value, **fields: Any) -> Value:
    """Return a copy of a frozen dataclass with slots; KeyError for a field that it has not."""
    kind = type(value)
    parts = _KNOWN.get(kind) or _learn(kind)
    copy = object.__new__(kind)
    for setter, held in zip(parts.setters, parts.read(value), strict=True):
        setter(copy, held)
    for name, held in fields.items():
        parts.by_name[name](copy, held)
    return copy


def _learn(kind: type[Any]) -> _Parts:
    names = tuple(kind.__dataclass_fields__)
    by_name: dict[str, Setter] = {name: kind.__dict__[name].__set__ for name in names}
    _KNOWN[kind] = _Parts(attrgetter(*names), tuple(by_name.values()), by_name)
    return _KNOWN[kind]
