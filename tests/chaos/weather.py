"""What goes wrong between us and gateways, and when: drawn from a seed, the same every time.

Which fault a message meets depends on the seed, on the payment that it is about and on how many
messages of its kind that payment had before; on nothing that two runs could differ in.
"""

import re
import threading
from collections import Counter
from random import Random

from tests.gateways.contract.faults import (
    HIDING,
    LOSING,
    Proxy,
    editing,
    other_amount,
    other_currency,
)
from tests.gateways.raw_server import read_request

TOKEN = re.compile(rb"\b(?:att|cap|rfnd|pay|ch|order)_[A-Za-z0-9]{8,}")
# "amount": 50000, order_amount in rupees, and unit_amount of a form.
AMOUNT = re.compile(rb'amount"?(?:%5D|\])?\s*[:=]\s*"?(\d+)(\.\d\d)?')
LYING = [editing(other_amount), editing(other_currency)]
FAULTY = 0.2  # of the messages to a gateway
LYING_SHARE = 0.02  # of these; each ends with a person
# How a callback is brought: once at once, later, several times, damaged, or never.
POST = {
    "once": 70, "twice": 8, "thrice": 4, "late": 9, "damaged": 2, "refused": 3, "never": 4,
}  # fmt: skip


def draw(*parts) -> Random:
    """Return a source of chance that is the same for the same parts."""
    return Random("/".join(str(part) for part in parts))


class Known:
    """Which payment a message is about: by ids that were seen with its amount, which is its own."""

    def __init__(self, number_of: dict[int, int]) -> None:
        """Take the payments' numbers by their amounts in minor units."""
        self._number_of = number_of
        self._seen: dict[bytes, int] = {}
        self._counts: Counter[tuple[int, str]] = Counter()
        self._lock = threading.Lock()

    def number(self, message: bytes) -> int | None:
        """Return the payment's number, None when the message is about none of ours."""
        tokens = TOKEN.findall(message)
        with self._lock:
            known = next((self._seen[token] for token in tokens if token in self._seen), None)
            if known is None:
                found = AMOUNT.search(message)
                known = self._number_of.get(_minor(found)) if found else None
            if known is not None:
                self._seen.update(dict.fromkeys(tokens, known))
        return known

    def count(self, number: int, kind: str) -> int:
        """Return how many messages of a kind a payment had before this one."""
        with self._lock:
            self._counts[number, kind] += 1
            return self._counts[number, kind]


def _minor(amount: re.Match[bytes]) -> int:
    """Return an amount in minor units; with a point it is in rupees."""
    return int(amount[1] + amount[2][1:]) if amount[2] else int(amount[1])


class Storm(Proxy):
    """Stands before one gateway; most requests pass, some meet a fault."""

    def __init__(self, target: str, seed: int, known: Known) -> None:
        """Begin to listen; `target` is the gateway's URL."""
        self.seed, self.known = seed, known
        self.met: Counter[str] = Counter()
        super().__init__(target)

    def _behave(self, connection, _):
        while request := read_request(connection):
            fault = self._fault(request)
            if fault is None:
                connection.sendall(self._learned(request))
                continue
            self.met[getattr(fault, "__name__", "fault")] += 1
            fault(connection, request, lambda request=request: self._learned(request))
            return

    def _fault(self, request):
        number = self.known.number(request)
        if number is None:
            return None
        kind = request.split(b" ", 1)[0].decode()
        chance = draw(self.seed, number, kind, self.known.count(number, kind))
        if chance.random() >= FAULTY:
            return None
        if chance.random() < LYING_SHARE:
            return chance.choice(LYING)
        return chance.choice(LOSING + HIDING)

    def _learned(self, request):
        response = self._forward(request)
        number = self.known.number(request)
        if number is not None:
            self.known.number(request + response)  # ids of the answer are this payment's
        return response


def bringing(seed: int, number: int, ordinal: int) -> str:
    """Return how one callback about a payment is brought: a key of POST."""
    return draw(seed, number, "callback", ordinal).choices(list(POST), list(POST.values()))[0]
