"""A state machine as a table: (state, event) -> state, and nothing else is legal."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Generic, TypeVar

State = TypeVar("State", bound=StrEnum)
Event = TypeVar("Event", bound=StrEnum)


class IllegalTransition(Exception):
    """The table has no row for this state and event."""

    def __init__(self, state: StrEnum, event: StrEnum) -> None:
        """Remember both, for the message and the audit trail."""
        super().__init__(f"{event.value} is not legal in state {state.value}")
        self.state = state
        self.event = event


class Machine(Generic[State, Event]):
    """The transition table of one kind of object."""

    def __init__(self, table: Mapping[tuple[State, Event], State]) -> None:
        """Take the whole table; it is never changed."""
        self.table = dict(table)

    def allows(self, state: State, event: Event) -> bool:
        """Tell whether the table has a row."""
        return (state, event) in self.table

    def next(self, state: State, event: Event) -> State:
        """Return the state that follows; raises IllegalTransition."""
        try:
            return self.table[(state, event)]
        except KeyError:
            raise IllegalTransition(state, event) from None
