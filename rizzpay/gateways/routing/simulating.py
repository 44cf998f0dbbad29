"""A day of payments through gateways that fail, with the real rules, breaker and windows.

Everything is drawn from hashes of the seed: the same seed gives the same day, and every strategy
meets the same day. What becomes of a payment depends on its gateway and the time alone.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from rizzpay.gateways.routing import breaker
from rizzpay.gateways.routing.breaker import Breaker, Heard, Policy, State
from rizzpay.gateways.routing.deciding import Inputs, decide
from rizzpay.gateways.routing.rules import Asked, Fee, RuleSet, Strategy
from rizzpay.gateways.routing.strategies import chance, cost

MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
DAY_MS = 86_400_000
MILLION = 1_000_000
AMOUNTS = (19_900, 49_900, 120_000, 499_900)  # paise
METHOD = "card"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Between two minutes of the day so many in a hundred succeed, and so many do not answer."""

    from_min: int
    until_min: int
    succeeds_percent: int
    silent_percent: int


@dataclass(frozen=True, slots=True)
class Simulated:
    """A gateway of the day."""

    name: str
    fee: Fee
    succeeds_percent: int
    troubles: tuple[Trouble, ...] = ()

    def fate(self, minute: int) -> tuple[int, int]:
        """Return how many in a hundred succeed and how many do not answer in a minute."""
        for it in self.troubles:
            if it.from_min <= minute < it.until_min:
                return it.succeeds_percent, it.silent_percent
        return self.succeeds_percent, 0


# Rates and fees as acquirers of cards in India have them; the troubles are a bad day's.
GATEWAYS = (
    Simulated("first", Fee("first", METHOD, 175), 88, (Trouble(600, 645, 0, 100),)),
    Simulated("second", Fee("second", METHOD, 190), 91, (Trouble(840, 990, 35, 2),)),
    Simulated("third", Fee("third", METHOD, 210, 100), 86, (Trouble(1200, 1260, 60, 30),)),
)


@dataclass(frozen=True, slots=True)
class Windows:
    """What the installation would be set to."""

    policy: Policy
    rates_s: int


@dataclass(slots=True)
class Hour:
    """What became of an hour's payments; `cost` in paise with GST, of what succeeded."""

    payments: int = 0
    approved: int = 0
    unknown: int = 0
    collected: int = 0
    cost: int = 0


class _Known:
    """What is known of one gateway: its breaker and what was heard within the windows."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows
        self._answers: deque[tuple[datetime, bool]] = deque()  # when, whether it failed
        self._money: deque[tuple[datetime, bool]] = deque()  # when, whether it came
        self._came = 0
        self.breaker = Breaker(State.CLOSED, MIDNIGHT)

    def is_up(self) -> bool:
        it = self.breaker
        return it.state is State.CLOSED or (it.state is State.HALF_OPEN and it.probes_left > 0)

    def look(self, now: datetime) -> None:
        """Forget what is too old, and move the breaker when it is due."""
        _forget(self._answers, now - timedelta(seconds=self._windows.policy.window_s))
        gone = _forget(self._money, now - timedelta(seconds=self._windows.rates_s))
        self._came -= gone
        recent = [failed for at, failed in self._answers if at >= self.breaker.since]
        heard = Heard(len(recent), sum(recent))
        self.breaker = breaker.moved(self._windows.policy, self.breaker, heard, now) or self.breaker

    def hear(self, now: datetime, *, silent: bool, approved: bool) -> None:
        self._answers.append((now, silent))
        if not silent:
            self._money.append((now, approved))
            self._came += approved
        it = self.breaker
        if it.state is State.HALF_OPEN:
            probed = Heard(it.probed.calls + 1, it.probed.failures + silent)
            self.breaker = replace(it, probes_left=max(0, it.probes_left - 1), probed=probed)

    @property
    def rate(self) -> tuple[int, int]:
        return self._came, len(self._money) - self._came


def day(
    strategy: Strategy, windows: Windows, *, payments: int, seed: int,
    gateways: Sequence[Simulated] = GATEWAYS,
) -> list[Hour]:  # fmt: skip
    """Route a day of payments by one strategy; returns what became of them, hour by hour."""
    rule_set = RuleSet(default=strategy, fees=tuple(it.fee for it in gateways))
    known = {it.name: _Known(windows) for it in gateways}
    fates = {it.name: it for it in gateways}
    hours = [Hour() for _ in range(24)]
    for asked, now in _payments(payments, seed):
        for it in known.values():
            it.look(now)
        inputs = Inputs(
            asked,
            tuple(known),
            {name: it.breaker.state.value for name, it in known.items() if not it.is_up()},
            {name: it.rate for name, it in known.items()},
        )
        chosen = decide(rule_set, inputs).gateways
        hour = hours[now.hour]
        hour.payments += 1
        if not chosen:
            continue
        name = chosen[0]
        approved, silent = _fate(fates[name], asked, now)
        known[name].hear(now, silent=silent, approved=approved)
        hour.unknown += silent
        if approved:
            hour.approved += 1
            hour.collected += asked.amount
            hour.cost += cost(rule_set, name, METHOD, asked.amount) or 0
    return hours


def _payments(count: int, seed: int) -> Iterator[tuple[Asked, datetime]]:
    for number in range(count):
        now = MIDNIGHT + timedelta(milliseconds=number * DAY_MS // count)
        id_ = f"{seed}:{number}"
        amount = AMOUNTS[chance(id_, "amount", len(AMOUNTS))]
        yield Asked(id_, "mer", "5411", METHOD, "INR", amount, None, int(now.timestamp())), now


def _fate(gateway: Simulated, asked: Asked, now: datetime) -> tuple[bool, bool]:
    """Return whether the money comes, and whether no answer does."""
    succeeds, silent = gateway.fate(now.hour * 60 + now.minute)
    if chance(asked.payment_id, "silent", MILLION) < silent * MILLION // 100:
        return False, True
    return chance(asked.payment_id, "succeeds", MILLION) < succeeds * MILLION // 100, False


def _forget(heard: deque[tuple[datetime, bool]], before: datetime) -> int:
    """Drop what is older; return how much of it was true."""
    true = 0
    while heard and heard[0][0] < before:
        true += heard.popleft()[1]
    return true
