"""What a payment costs, and how much of a core may be used: the constants that size everything.

Measured on 2 cores of an AMD EPYC in a virtual machine, 2026-11-21, with a throw-away prototype:
open loop at 3,000 payments a second, the slower of two runs (Python 113 µs, PostgreSQL 203 µs);
HAProxy with TLS 1.3 and the table of addresses 37 µs a request. CPU per payment falls as load
rises, because batches grow; these are the figures at the festival's rate, not at saturation.

A payment that is collected is two requests (create, and the acquirer's callback) and the
application of the callback by the worker, so each figure counts twice; the worker is taken to cost
what the API costs. `rizzpay-capacity check` measures the real service on the real box: hand its
document to `plan --costs`, and these are not used.
"""

from collections.abc import Mapping

from capacity.errors import WrongUse
from capacity.sizing.plan import Costs

REQUESTS_A_PAYMENT = 2

DEFAULTS = Costs(
    haproxy=37.0 * REQUESTS_A_PAYMENT,
    api=113.0 * REQUESTS_A_PAYMENT,
    postgresql=203.0 * REQUESTS_A_PAYMENT,
    worker=113.0,
    wal_bytes=2 * 6_600,  # two commits, each with full-page images as right after a checkpoint
    source="prototype of 2026-11-21 on 2 cores; replace it by --costs of a check on this box",
)

# At the peak a core may be busy for this part of the time. With random arrivals a queue before a
# single server that is 70 % busy is 1.2 services long (Pollaczek-Khinchine, constant service:
# ρ² / 2(1 - ρ) = 0.8 waiting); at 90 % it is 4. The festival's second second is not smooth.
UTILISATION_MAX = 0.7
COST_US_MAX = 1_000_000.0
COMPONENTS = ("haproxy", "api", "postgresql", "worker")


# What our `check` calls a component where the plan has another word.
ALIASES = {"postgresql": "postgres"}
# Where a document has the costs, the best first: at the target's rate, batches are as they will be.
PLACES = (("cpu_us_per_payment",), ("at_target", "cpu_us_each"), ("us_each",))


def measured(document: Mapping[str, object], name: str) -> Costs:
    """Return the costs of a document of `check`, or of {"cpu_us_per_payment": {"api": 80, …}}.

    Raises WrongUse when a component is missing or its cost cannot be.
    """
    found = _found(document, name)
    values = {component: _cost(found, component, name) for component in COMPONENTS}
    wal = document.get("wal_bytes_per_payment", DEFAULTS.wal_bytes)
    if isinstance(wal, bool) or not isinstance(wal, int | float) or not 0 < wal < COST_US_MAX:
        raise WrongUse(f"{name}: wal_bytes_per_payment is not a number of bytes")
    return Costs(**values, wal_bytes=int(wal), source=f"measured: {name}")


def _found(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    """Return the object that has a cost for each component."""
    for place in PLACES:
        part: object = document
        for key in place:
            part = part.get(key) if isinstance(part, Mapping) else None
        if isinstance(part, Mapping):
            return part
    raise WrongUse(f"{name}: no CPU per payment in it; needed is a document of `check --json`")


def _cost(found: Mapping[str, object], component: str, name: str) -> float:
    value = found.get(component, found.get(ALIASES.get(component, component)))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongUse(f"{name}: no CPU per payment of {component}; needed are {COMPONENTS}")
    if not 0 < value <= COST_US_MAX:
        raise WrongUse(f"{name}: {component} costs {value} µs: not between 0 and {COST_US_MAX:g}")
    return float(value)
