"""What the API shows of gateways and of routing."""

from typing import Literal

from rizzpay.api.schemas import Currency
from rizzpay.api.shown import Listed, Shown, Time
from rizzpay.gateways.routing.rules import RuleSet


class DowntimeObject(Shown, frozen=True, kw_only=True):
    """A time in which an operator takes a gateway away; `method` null: all of its methods."""

    id: str
    object: Literal["downtime"] = "downtime"
    method: str | None
    starts_at: Time
    ends_at: Time | None
    reason: str


class HealthObject(Shown, frozen=True, kw_only=True):
    """Whether payments go there now: `down` is declared, `open` and `half_open` are the breaker's.

    `approved` and `declined` count what became of payments lately, in all of this installation.
    """

    state: Literal["up", "down", "open", "half_open"]
    since: Time | None
    approved: int
    declined: int


class GatewayMethodObject(Shown, frozen=True, kw_only=True):
    """A method of a gateway; `card_page` is a card that the gateway's own page asks for."""

    method: str
    capabilities: dict[str, bool]
    health: HealthObject


class GatewayStatusObject(Shown, frozen=True, kw_only=True):
    """A configured gateway: what it can do, as the contract suite has proved it, and how it is."""

    name: str
    object: Literal["gateway"] = "gateway"
    livemode: bool
    kind: str
    currencies: list[Currency]
    capabilities: dict[str, bool]
    methods: list[GatewayMethodObject]
    downtimes: list[DowntimeObject]


class GatewayStatusList(Listed, frozen=True, kw_only=True):
    """The gateways of the key's mode, in order of preference."""

    data: list[GatewayStatusObject]


class RuleSetObject(Shown, frozen=True, kw_only=True):
    """A version of the rules of routing. In force is what was approved last; it never changes."""

    version: int
    object: Literal["rule_set"] = "rule_set"
    livemode: bool
    status: Literal["proposed", "in_force", "replaced"]
    rule_set: RuleSet
    restores: int | None
    proposed_by: str
    proposed_at: Time
    approved_by: str | None
    approved_at: Time | None


class RuleSetList(Listed, frozen=True, kw_only=True):
    """The newest versions, the newest first."""

    data: list[RuleSetObject]


class RoutingDecisionObject(Shown, frozen=True, kw_only=True):
    """Whom a payment would be asked of, best first, and why.

    `ill` names eligible gateways that are not up; `rates` are approved and declined of the window.
    """

    object: Literal["routing_decision"] = "routing_decision"
    livemode: bool
    version: int | None
    rule: str | None
    strategy: str
    why: str
    gateways: list[str]
    eligible: list[str]
    ill: dict[str, str]
    rates: dict[str, tuple[int, int]]
