"""Chooses the gateways of a payment: what can take it, of that what is well, in order by the rules.

While every gateway is well and no rules are in force a choice is a look into a dictionary, nothing
of the payment is looked at and nothing is stored.
"""

from collections.abc import Callable, Mapping

from msgspec import Struct

from rizzpay.config import RoutingSettings
from rizzpay.core.values import value
from rizzpay.gateways.catalog import Gateways, Question
from rizzpay.gateways.health import Health, Standing
from rizzpay.gateways.port import Outcome
from rizzpay.gateways.routing import NoRoute, breaker, deciding, kind_of
from rizzpay.gateways.routing.breaker import Policy
from rizzpay.gateways.routing.deciding import Inputs, Record
from rizzpay.gateways.routing.rules import Asked, RuleSet
from rizzpay.gateways.rule_sets import RuleSets
from rizzpay.infra.database import Database

ILL = "Every gateway that takes this method is down or does not answer now."
SHARE_EVERY_S = 1.0  # for whoever runs `Router.refresh` and `Health.move`
NO_RULES = RuleSet()
# What says more of the customer than of the gateway.
HIS_OWN = frozenset({"customer_cancelled", "payment_expired"})


@value
class Choice(Struct, frozen=True, gc=False):
    """Whom to ask, best first; `record` is what is to be stored of the decision, if anything."""

    gateways: tuple[str, ...]
    record: Record | None = None


class Router:
    """Chooses, and learns from what became of it."""

    def __init__(self, gateways: Gateways, health: Health, rule_sets: RuleSets) -> None:
        """Take the configured gateways, what is known of them, and the rules."""
        self.gateways = gateways
        self.health = health
        self.rule_sets = rule_sets
        self._plain: dict[Question, Choice | NoRoute] = {}

    def choose(self, question: Question, ask: Callable[[], Asked]) -> Choice | NoRoute:
        """Return the gateways that can take a payment and are well, best first.

        `ask` is called only when rules or the health of a gateway say something.
        """
        plain = self._plain.get(question)
        if plain is None:
            plain = self._plain[question] = self._able(question)
        ruled = question[2] in self.rule_sets.in_force
        if isinstance(plain, NoRoute) or not (ruled or self.health.impaired):
            return plain
        return self._decide(plain.gateways, question, ask())

    def try_out(
        self, question: Question, asked: Asked, rule_set: RuleSet | None
    ) -> Record | NoRoute:
        """Return what would be decided now, by the rules in force or by others; nothing happens."""
        plain = self._able(question)
        if isinstance(plain, NoRoute):
            return plain
        record = self._record(plain.gateways, question, asked)
        if rule_set is not None:
            record = Record(0, record.inputs, deciding.decide(rule_set, record.inputs))
        return record

    def _able(self, question: Question) -> Choice | NoRoute:
        able = self.gateways.choose(question)
        return able if isinstance(able, NoRoute) else Choice(tuple(it.gateway for it in able))

    def _decide(self, able: tuple[str, ...], question: Question, asked: Asked) -> Choice | NoRoute:
        record = self._record(able, question, asked)
        gateways = record.decision.gateways
        if not gateways:
            return NoRoute(ILL, for_now=True)
        self.health.use_leave((gateways[0], question[0]))
        return Choice(gateways, record)

    def _record(self, able: tuple[str, ...], question: Question, asked: Asked) -> Record:
        method, livemode = question[0], question[2]
        version = self.rule_sets.in_force.get(livemode)
        standings = {it: self.health.standing((it, method)) for it in able}
        rates = self.health.view.rates
        inputs = Inputs(
            asked,
            able,
            {it: found.value for it, found in standings.items() if found is not Standing.UP},
            {
                it: (rates[it, method].approved, rates[it, method].declined)
                for it in able
                if (it, method) in rates
            },
        )
        rule_set = version.rule_set if version else NO_RULES
        decision = deciding.decide(rule_set, inputs)
        return Record(version.version if version else 0, inputs, decision)

    def answered(self, gateway: str, method: Mapping[str, str], outcome: Outcome) -> None:
        """Hear what a gateway answered to a request for money; `method` as it is stored."""
        self.health.answered((gateway, kind_of(method)), failed=breaker.failed(outcome))

    def concluded(self, gateway: str, method: Mapping[str, str], declined_as: str | None) -> None:
        """Hear what became of the money; `declined_as` is our reason, None when it came."""
        if declined_as not in HIS_OWN:
            self.health.concluded((gateway, kind_of(method)), approved=declined_as is None)

    def refresh(self) -> None:
        """Learn what others know and tell them what is known here; raises Unavailable."""
        self.health.share()
        self.rule_sets.refresh()


def build(settings: RoutingSettings, database: Database, gateways: Gateways) -> Router:
    """Put the router of an installation together; nothing is read yet."""
    health = Health(database, policy_of(settings), settings.rates_window_s)
    return Router(gateways, health, RuleSets(database))


def policy_of(settings: RoutingSettings) -> Policy:
    """Return the breakers' policy as the settings have it."""
    return Policy(
        window_s=settings.breaker_window_s,
        calls_min=settings.breaker_calls_min,
        failure_percent=settings.breaker_failure_percent,
        open_s=settings.breaker_open_s,
        probes=settings.breaker_probes,
    )
