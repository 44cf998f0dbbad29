"""Rules of routing: what they are made of, which one is met, and what is wrong with a set.

A set is ordered and the first rule whose condition holds decides by its strategy. These structs
are what the API takes and what is stored: a version of them never changes.
"""

from collections.abc import Collection, Iterator
from typing import Annotated

from msgspec import Meta, Struct

from rizzpay.core.money import AMOUNT_MAX

Name = Annotated[str, Meta(pattern="^[a-z0-9_-]{1,40}$")]
Few = Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=64)], ...], Meta(max_length=200)]
Amount = Annotated[int, Meta(ge=0, le=AMOUNT_MAX)]
Moment = Annotated[int, Meta(ge=0, le=253_402_300_799, description="Unix seconds, UTC.")]
Percent = Annotated[int, Meta(ge=0, le=100)]
WHOLE = 100  # per cent


class _Part(Struct, frozen=True, forbid_unknown_fields=True):
    """Part of a rule set."""


class Preference(_Part, tag_field="type", tag="preference", frozen=True):
    """The order of the settings."""


class Priority(_Part, tag_field="type", tag="priority", frozen=True):
    """These first, in this order; then the others in the order of the settings."""

    gateways: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=50)]


class VolumeSplit(_Part, tag_field="type", tag="volume_split", frozen=True):
    """Shares in per cent, 100 together; the payment's id says whose share a payment is."""

    shares: Annotated[dict[Name, Annotated[int, Meta(ge=1, le=100)]], Meta(min_length=1)]


class LowestCost(_Part, tag_field="type", tag="lowest_cost", frozen=True):
    """By what the gateway charges for the amount, with GST; one without a fee comes last."""


class SuccessRate(_Part, tag_field="type", tag="success_rate", frozen=True):
    """By the share of payments that succeeded lately.

    Below `minimum` answers a gateway has no rate and comes after those that have one; a payment in
    `exploration_percent` of a hundred goes to any, so that every gateway has a rate.
    """

    minimum: Annotated[int, Meta(ge=1, le=1_000_000)] = 100
    exploration_percent: Percent = 5


Strategy = Preference | Priority | VolumeSplit | LowestCost | SuccessRate


class Condition(_Part, frozen=True):
    """All that is given has to hold, of a list one; empty and null say nothing.

    `methods` are as in GET /v1/gateways. `issuers` are codes of banks, names of wallets, handles of
    UPI addresses; a payment that does not say its issuer meets no list of them. Amounts in minor
    units, both included.
    """

    methods: Few = ()
    currencies: Few = ()
    issuers: Few = ()
    mccs: Few = ()
    merchants: Few = ()
    amount_min: Amount | None = None
    amount_max: Amount | None = None


class Rule(_Part, frozen=True):
    """A strategy for some payments, for some time: from `effective_from`, before the other."""

    name: Name
    use: Strategy
    when: Condition = Condition()
    effective_from: Moment | None = None
    effective_until: Moment | None = None


class Fee(_Part, frozen=True):
    """What a gateway charges for a payment by a method, without GST: a share and paise."""

    gateway: Name
    method: Name
    basis_points: Annotated[int, Meta(ge=0, le=10_000)] = 0
    fixed: Amount = 0


class RuleSet(_Part, frozen=True):
    """Rules in order, what to do when none is met, and the fees that costs are made of."""

    rules: Annotated[tuple[Rule, ...], Meta(max_length=100)] = ()
    default: Strategy = Preference()
    fees: Annotated[tuple[Fee, ...], Meta(max_length=500)] = ()
    gst_basis_points: Annotated[int, Meta(ge=0, le=10_000)] = 1800

    @property
    def says_nothing(self) -> bool:
        """Tell whether every payment goes by the order of the settings."""
        return not self.rules and self.default == Preference()


class Asked(Struct, frozen=True):
    """What rules can ask of a payment; `method` as routing calls it, `at` in Unix seconds."""

    payment_id: str
    merchant_id: str
    mcc: str
    method: str
    currency: str
    amount: int
    issuer: str | None
    at: int


def met(rule_set: RuleSet, asked: Asked) -> Rule | None:
    """Return the first rule that holds for a payment."""
    return next((rule for rule in rule_set.rules if _holds(rule, asked)), None)


def _holds(rule: Rule, asked: Asked) -> bool:
    when = rule.when
    lists = (
        (when.methods, asked.method),
        (when.currencies, asked.currency),
        (when.issuers, asked.issuer),
        (when.mccs, asked.mcc),
        (when.merchants, asked.merchant_id),
    )
    return (
        _within(asked.at, rule.effective_from, rule.effective_until)
        and _within(asked.amount, when.amount_min, _after(when.amount_max))
        and all(not wanted or given in wanted for wanted, given in lists)
    )


def _within(value: int, first: int | None, end: int | None) -> bool:
    return (first is None or first <= value) and (end is None or value < end)


def _after(last: int | None) -> int | None:
    return None if last is None else last + 1


def faults(rule_set: RuleSet, gateways: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield what a schema cannot say: the field, and a sentence."""
    names = [rule.name for rule in rule_set.rules]
    for place, rule in enumerate(rule_set.rules):
        where = f"rules[{place}]"
        if rule.name in names[:place]:
            yield f"{where}.name", "Another rule has this name."
        if _ends_first(rule.effective_from, rule.effective_until, 1):
            yield f"{where}.effective_until", "The rule ends before it begins."
        if _ends_first(rule.when.amount_min, rule.when.amount_max, 0):
            yield f"{where}.when.amount_max", "The band ends before it begins."
        yield from _strategy_faults(f"{where}.use", rule.use, gateways)
    yield from _strategy_faults("default", rule_set.default, gateways)
    places = [(fee.gateway, fee.method) for fee in rule_set.fees]
    for place, fee in enumerate(rule_set.fees):
        if (fee.gateway, fee.method) in places[:place]:
            yield f"fees[{place}]", "There is a fee of this gateway and method already."
        if fee.gateway not in gateways:
            yield f"fees[{place}].gateway", "There is no such gateway in this mode."


def _strategy_faults(
    where: str, strategy: Strategy, gateways: Collection[str]
) -> Iterator[tuple[str, str]]:
    match strategy:
        case Priority():
            named = list(strategy.gateways)
            if len(set(named)) < len(named):
                yield f"{where}.gateways", "A gateway stands there twice."
        case VolumeSplit():
            named = list(strategy.shares)
            if sum(strategy.shares.values()) != WHOLE:
                yield f"{where}.shares", "The shares are 100 together."
        case _:
            named = []
    if not set(named) <= set(gateways):
        yield where, "There is no such gateway in this mode."


def _ends_first(first: int | None, last: int | None, least: int) -> bool:
    return first is not None and last is not None and last < first + least
