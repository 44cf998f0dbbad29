"""How many cores each component needs for a rate, and the highest rate that a machine holds.

A machine holds a rate when all components together keep no more of its cores busy than may be
busy. Of its own, each component needs what it is busy divided by that part, in whole cores, at
least one; the API gets one more, since a worker that reloads or has died takes no payments. Whole
cores are more than the sum: where they do not fit, roles share cores.
"""

import math
from dataclasses import dataclass

from capacity.sizing.costs import COMPONENTS, UTILISATION_MAX
from capacity.sizing.plan import Costs

# Housekeeping and interrupts, HAProxy, PostgreSQL, the worker, and two API workers: below six
# cores roles share, since a role of its own would leave none for payments.
DEDICATED_CORES_MIN = 6
API_SPARE = 1
# perftune.py of Seastar: up to 16 cores one for interrupts, beyond that one for each 16.
CORES_AN_IRQ_CORE = 16
TPS_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Needs:
    """Whole cores for each component."""

    haproxy: int
    api: int
    postgresql: int
    worker: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.haproxy + self.api + self.postgresql + self.worker


def busy(costs: Costs, component: str, tps: float) -> float:
    """Return how many cores a component keeps busy at this rate."""
    return float(getattr(costs, component)) * tps / 1e6


def needs(costs: Costs, tps: float, efficiency: float) -> Needs:
    """Return the cores of each component; `efficiency` is the usable part of a core."""
    counts = {
        name: max(1, math.ceil(busy(costs, name, tps) / efficiency / UTILISATION_MAX))
        for name in COMPONENTS
    }
    counts["api"] += API_SPARE
    return Needs(**counts)


def reserved(cores: int) -> int:
    """Return the cores that no component gets: housekeeping and interrupts."""
    if cores < CORES_AN_IRQ_CORE:
        return 1
    return 1 + math.ceil(cores / CORES_AN_IRQ_CORE)


def fits(found: Needs, cores: int) -> bool:
    """Tell whether every role can have cores of its own."""
    return cores >= DEDICATED_CORES_MIN and found.total <= cores - reserved(cores)


def holds(costs: Costs, tps: float, effective: float) -> bool:
    """Tell whether cores worth `effective` whole ones hold a rate."""
    return all_busy(costs, tps) <= effective * UTILISATION_MAX


def most(costs: Costs, asked: int, effective: float) -> int:
    """Return the highest rate up to `asked` that is held; 0 when not even one payment is."""
    low, high = 0, asked
    while low < high:
        middle = (low + high + 1) // 2
        if holds(costs, middle, effective):
            low = middle
        else:
            high = middle - 1
    return low


def cores_needed(costs: Costs, tps: int, efficiency: float) -> int:
    """Return the fewest cores, each worth `efficiency` whole ones, that hold a rate."""
    return max(1, math.ceil(all_busy(costs, tps) / UTILISATION_MAX / efficiency))


def all_busy(costs: Costs, tps: float) -> float:
    """Return how many cores all components together keep busy at this rate."""
    return sum(busy(costs, name, tps) for name in COMPONENTS)
