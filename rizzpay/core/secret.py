"""Secret: a value that does not print itself."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

Held = TypeVar("Held", str, bytes)


@dataclass(frozen=True, slots=True)
class Secret(Generic[Held]):
    """Holds a key, password or personal datum; only `reveal()` gives it out."""

    _held: Held = field(repr=False)

    def reveal(self) -> Held:
        """Return the value; the call is what a reviewer greps for."""
        return self._held

    def __repr__(self) -> str:
        """Say that something is here, and nothing about it."""
        return "Secret(…)"

    __str__ = __repr__
