"""A decision: from everything that it depends on to an ordered choice, and back again.

`Record` is what is stored of one; `again` makes it once more from its own inputs.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from rizzpay.gateways.routing import rules, strategies
from rizzpay.gateways.routing.rules import Asked, RuleSet

_encode = msgspec.json.Encoder(order="sorted").encode


class Inputs(Struct, frozen=True):
    """`eligible`: who can take it, in the order of the settings; `ill`: who of them is not up."""

    asked: Asked
    eligible: tuple[str, ...]
    ill: dict[str, str]  # gateway -> down, open or half_open
    rates: dict[str, tuple[int, int]]  # gateway -> approved and declined of the window


class Decision(Struct, frozen=True):
    """Whom to ask, best first; `rule` is empty where none was met."""

    gateways: tuple[str, ...]
    rule: str
    strategy: str
    why: str


class Record(Struct, frozen=True):
    """A decision with its inputs; version 0 is the order of the settings."""

    version: int
    inputs: Inputs
    decision: Decision

    def written(self) -> bytes:
        """Return it as JSON; equal records are equal bytes."""
        return _encode(self)


def decide(rule_set: RuleSet, inputs: Inputs) -> Decision:
    """Choose among the gateways that are well."""
    rule = rules.met(rule_set, inputs.asked)
    strategy = rule.use if rule is not None else rule_set.default
    able = tuple(gateway for gateway in inputs.eligible if gateway not in inputs.ill)
    field = strategies.Field(able, inputs.rates)
    gateways, why = strategies.order(rule_set, strategy, inputs.asked, field)
    tag = str(type(strategy).__struct_config__.tag)
    return Decision(gateways, rule.name if rule else "", tag, why)


def read(written: bytes | str) -> Record:
    """Read a stored record; raises msgspec.DecodeError."""
    return msgspec.json.decode(written, type=Record)


def again(record: Record, rule_sets: Mapping[int, RuleSet]) -> Decision:
    """Decide once more; `rule_sets` by version. KeyError for a version that is not there."""
    return decide(rule_sets[record.version], record.inputs)
