"""What is known of the gateways' health: values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from rizzpay.gateways.routing.breaker import Breaker, State

Key = tuple[str, str]  # gateway, method as routing calls it


class Standing(StrEnum):
    """Whether a gateway is to be chosen for a method now."""

    UP = "up"
    DOWN = "down"  # an operator said so
    OPEN = "open"  # its breaker is
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Rate:
    """Final answers about the money within the window of success rates."""

    approved: int
    declined: int


@dataclass(frozen=True, slots=True)
class Downtime:
    """When a gateway is not to be used; `method` None: for none of them, `ends_at`: for good."""

    id: str
    gateway: str
    method: str | None
    starts_at: datetime
    ends_at: datetime | None
    reason: str
    declared_by: str
    declared_at: datetime

    def is_on(self, now: datetime) -> bool:
        """Tell whether it is now."""
        return self.starts_at <= now and (self.ends_at is None or now < self.ends_at)

    def is_about(self, key: Key) -> bool:
        """Tell whether it is about a gateway's method."""
        return self.gateway == key[0] and self.method in {None, key[1]}


@dataclass(frozen=True, slots=True)
class View:
    """All of it at one moment. `breakers` holds those that were ever open."""

    at: datetime
    breakers: Mapping[Key, Breaker] = field(default_factory=dict)
    downtimes: tuple[Downtime, ...] = ()  # those that are or will be
    rates: Mapping[Key, Rate] = field(default_factory=dict)

    @property
    def impaired(self) -> bool:
        """Tell whether any gateway is not as it should be."""
        return any(it.state is not State.CLOSED for it in self.breakers.values()) or any(
            downtime.is_on(self.at) for downtime in self.downtimes
        )

    def standing(self, key: Key) -> Standing:
        """Return how one gateway is for one method."""
        if any(it.is_on(self.at) and it.is_about(key) for it in self.downtimes):
            return Standing.DOWN
        breaker = self.breakers.get(key)
        if breaker is None or breaker.state is State.CLOSED:
            return Standing.UP
        return Standing(breaker.state.value)
