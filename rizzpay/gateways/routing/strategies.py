"""Strategies: from the gateways that can take a payment to the order in which they are asked.

Chance is a hash of the payment's id, so that a decision can be made again and comes out the same.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from msgspec import Struct

from rizzpay.core.money import share
from rizzpay.gateways.routing.rules import (
    WHOLE,
    Asked,
    LowestCost,
    Preference,
    Priority,
    RuleSet,
    Strategy,
    SuccessRate,
    VolumeSplit,
)

Order = tuple[str, ...]
Rates = Mapping[str, tuple[int, int]]  # gateway -> approved, declined


class Field(Struct, frozen=True):
    """What strategies choose from: able gateways in the order of the settings, and their rates."""

    able: Order
    rates: Rates


def order(rule_set: RuleSet, strategy: Strategy, asked: Asked, field: Field) -> tuple[Order, str]:
    """Return all able gateways, best first, and why in few words."""
    match strategy:
        case Preference():
            return field.able, "the order of the settings"
        case Priority():
            return _first(field.able, strategy.gateways), "the order of the rule"
        case VolumeSplit():
            return _by_share(strategy, asked, field.able)
        case LowestCost():
            return _by_cost(rule_set, asked, field.able)
        case SuccessRate():
            return _by_rate(strategy, asked, field)


def cost(rule_set: RuleSet, gateway: str, method: str, amount: int) -> int | None:
    """Return what a gateway charges with GST, in minor units; None when its fee is not known."""
    for fee in rule_set.fees:
        if (fee.gateway, fee.method) == (gateway, method):
            net = share(amount, fee.basis_points) + fee.fixed
            return net + share(net, rule_set.gst_basis_points)
    return None


def chance(payment_id: str, about: str, of: int) -> int:
    """Return a number from 0 to below `of`, always the same for a payment and a question."""
    digest = hashlib.sha256(f"{about}:{payment_id}".encode()).digest()
    return int.from_bytes(digest[:8]) % of


def _first(able: Order, wanted: Sequence[str]) -> Order:
    named = tuple(gateway for gateway in wanted if gateway in able)
    return named + tuple(gateway for gateway in able if gateway not in named)


def _by_share(strategy: VolumeSplit, asked: Asked, able: Order) -> tuple[Order, str]:
    """Draw among those that are able by their shares; the shares of others fall to them."""
    left = [(gateway, part) for gateway, part in strategy.shares.items() if gateway in able]
    if not left:
        return able, "no gateway of the split is able"
    drawn = chance(asked.payment_id, "volume_split", sum(part for _, part in left))
    for gateway, part in left:
        drawn -= part
        if drawn < 0:
            others = sorted((it for it in left if it[0] != gateway), key=lambda it: -it[1])
            return _first(able, [gateway, *(name for name, _ in others)]), f"a share of {part}"
    raise AssertionError("shares that are less than their sum")


def _by_cost(rule_set: RuleSet, asked: Asked, able: Order) -> tuple[Order, str]:
    costs = {it: cost(rule_set, it, asked.method, asked.amount) for it in able}
    known = {gateway: paid for gateway, paid in costs.items() if paid is not None}
    ordered = sorted(able, key=_either(known))
    best = known.get(ordered[0]) if ordered else None
    return tuple(ordered), "no fee is known" if best is None else f"costs {best} with GST"


def _either(known: Mapping[str, int]) -> Callable[[str], tuple[bool, int]]:
    return lambda gateway: (gateway not in known, known.get(gateway, 0))


def _by_rate(strategy: SuccessRate, asked: Asked, field: Field) -> tuple[Order, str]:
    rates = {
        gateway: Fraction(approved, approved + declined)
        for gateway, (approved, declined) in field.rates.items()
        if approved + declined >= strategy.minimum
    }
    ordered = tuple(sorted(field.able, key=lambda it: (it not in rates, -rates.get(it, 0))))
    if ordered and chance(asked.payment_id, "explore", WHOLE) < strategy.exploration_percent:
        tried = field.able[chance(asked.payment_id, "explored", len(field.able))]
        return _first(ordered, [tried]), "exploration"
    if not ordered or ordered[0] not in rates:
        return ordered, "too few answers for a rate"
    approved, declined = field.rates[ordered[0]]
    return ordered, f"{approved} of {approved + declined} succeeded"
