"""What every rule of sizing looks at: machine, target, costs, and how the cores were dealt."""

from dataclasses import dataclass

from capacity.sizing.hardware import Hardware
from capacity.sizing.layout import Layout
from capacity.sizing.plan import Costs, Target
from capacity.sizing.sources import Pages

MIB = 1024 * 1024
GIB = 1024 * MIB


@dataclass(frozen=True, slots=True)
class Request:
    """The question that a plan answers."""

    hardware: Hardware
    target: Target
    costs: Costs
    layout: Layout
    tps: int  # the rate that is held: at most the peak asked for

    @property
    def pages(self) -> Pages:
        """Documentation of the release that will run."""
        return Pages(self.target.debian)

    @property
    def api_workers(self) -> int:
        """How many API workers there are."""
        return len(self.layout.api_workers)


def clamp(value: float, low: int, high: int) -> int:
    """Return the value as a whole number within bounds; the low one wins."""
    return max(low, min(int(value), high))
