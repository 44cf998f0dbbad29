"""Merchants and their customers: what happens to each payment is drawn from the seed beforehand."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier, Thread
from typing import Any

from rizzpay.gateways.port import ActionRequired
from tests.chaos.weather import draw
from tests.flows.merchant import Merchant

SHOPPERS = 32  # at once
FIRST_AMOUNT = 100_000  # minor units; the payments' amounts are a rupee apart, so each is its own
STEP = 100
METHODS = {
    '{"type": "upi", "flow": "qr"}': 35,
    '{"type": "upi", "flow": "intent"}': 10,
    '{"type": "card", "token": "tok_approve"}': 20,
    '{"type": "card"}': 15,
    '{"type": "netbanking", "bank": "HDFC"}': 12,
    '{"type": "wallet", "wallet": "paytm"}': 8,
}
CUSTOMERS = {"pays": 78, "declines": 9, "ignores": 8, "pays_late": 5}
AFTERWARDS = {"keeps": 60, "part_back": 15, "all_back": 15, "part_back_twice": 10}
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Plan:
    """One payment as its merchant and its customer mean it to go."""

    number: int
    amount: int
    method: dict[str, str]
    customer: str
    afterwards: str
    manual: bool  # captured later, in two parts or called off
    called_off: bool
    doubled: bool  # the merchant sends the request twice at once, with one key


def plan(seed: int, number: int) -> Plan:
    """Return the plan of a payment."""
    chance = draw(seed, number, "plan")
    method = json.loads(chance.choices(list(METHODS), list(METHODS.values()))[0])
    return Plan(
        number=number,
        amount=FIRST_AMOUNT + STEP * number,
        method=method,
        customer=chance.choices(list(CUSTOMERS), list(CUSTOMERS.values()))[0],
        afterwards=chance.choices(list(AFTERWARDS), list(AFTERWARDS.values()))[0],
        manual=method["type"] == "card" and chance.random() < 0.4,
        called_off=chance.random() < 0.2,
        doubled=chance.random() < 0.1,
    )


class Crowd:
    """Goes through all plans; `sides` are the gateways, by name, whose customers it plays."""

    def __init__(self, merchants: list[Merchant], sides: dict[str, Any], late_s: float) -> None:
        """Take who sells; a customer who is late comes after `late_s` seconds."""
        self._merchants, self._sides, self._late_s = merchants, sides, late_s
        self.payments: dict[int, str] = {}  # by the plans' numbers
        self.faults: list[str] = []

    def run(self, plans: list[Plan]) -> None:
        """Let every plan happen, and wait for the last."""
        with ThreadPoolExecutor(SHOPPERS) as shoppers:
            late = [it for it in shoppers.map(self._shop, plans) if it]
            end = time.monotonic() + self._late_s
            time.sleep(max(0.0, end - time.monotonic()))
            list(shoppers.map(self._pay_late, late))

    def _shop(self, it: Plan) -> tuple[Plan, dict[str, Any]] | None:
        try:
            return self._happen(it)
        except Exception as error:  # noqa: BLE001 - the run goes on, and fails at its end
            self.faults.append(f"payment {it.number}: {type(error).__name__}: {error}")
            return None

    def _happen(self, it: Plan) -> tuple[Plan, dict[str, Any]] | None:
        merchant = self._merchants[it.number % len(self._merchants)]
        payment_id = self._begin(merchant, it)
        self.payments[it.number] = payment_id
        payment = merchant.get(f"/v1/payments/{payment_id}").json()
        if payment["status"] == "requires_action":
            if it.customer == "pays_late":
                return it, payment
            self._act(it, payment)
        if it.manual:
            self._capture(merchant, it, payment_id)
        if it.afterwards != "keeps":
            self._give_back(merchant, it, payment_id)
        return None

    def _begin(self, merchant: Merchant, it: Plan) -> str:
        body = {
            "amount": it.amount,
            "method": it.method,
            "capture_method": "manual" if it.manual else "automatic",
            "reference": f"chaos-{it.number:06}",
        }
        key = f"chaos-{it.number:06}"
        if not it.doubled:
            return _payment_id(merchant.persist("/v1/payments", body, key))
        said: list[Any] = [None, None]
        gate = Barrier(2)

        def send(place: int) -> None:
            gate.wait()
            said[place] = _payment_id(merchant.persist("/v1/payments", body, key))

        both = [Thread(target=send, args=(place,)) for place in range(2)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        if said[0] != said[1]:
            raise AssertionError(f"one key made two payments: {said}")
        return str(said[0])

    def _act(self, it: Plan, payment: dict[str, Any]) -> None:
        side = self._sides[payment["gateway"]["name"]]
        asked = ActionRequired(payment["gateway"]["reference"], payment["next_action"])
        if it.customer == "pays":
            side.pay(asked)
        elif it.customer == "declines":
            side.refuse(asked)

    def _pay_late(self, late: tuple[Plan, dict[str, Any]]) -> None:
        _, payment = late
        try:
            self._sides[payment["gateway"]["name"]].pay(
                ActionRequired(payment["gateway"]["reference"], payment["next_action"])
            )
        except (OSError, AssertionError, TypeError):
            return  # the gateway has closed it; the customer sees that and goes away

    def _capture(self, merchant: Merchant, it: Plan, payment_id: str) -> None:
        if not self._waits_for(merchant, payment_id, "authorized"):
            return
        path = f"/v1/payments/{payment_id}"
        if it.called_off:
            self._ask(merchant, f"{path}/cancel", {}, f"chaos-{it.number:06}-off")
            return
        self._ask(merchant, f"{path}/capture", {}, f"chaos-{it.number:06}-capture")

    def _give_back(self, merchant: Merchant, it: Plan, payment_id: str) -> None:
        if not self._waits_for(merchant, payment_id, "captured"):
            return
        part = it.amount if it.afterwards == "all_back" else STEP * 5
        for turn in range(2 if it.afterwards == "part_back_twice" else 1):
            body = {"payment_id": payment_id, "amount": part}
            self._ask(merchant, "/v1/refunds", body, f"chaos-{it.number:06}-back-{turn}")

    def _ask(self, merchant: Merchant, path: str, body: dict[str, Any], key: str) -> None:
        """Ask for a movement of money; while an outcome is open it is refused, and asked again."""
        end = time.monotonic() + PATIENCE_S
        while True:
            answer = merchant.persist(path, body, key)
            if answer.code != "unknown_outcome_pending" or time.monotonic() > end:
                break
            time.sleep(0.5)
        if answer.status >= 500 and answer.code == "internal_error":
            raise AssertionError(f"{path}: {answer.body!r}")

    def _waits_for(self, merchant: Merchant, payment_id: str, status: str) -> bool:
        """Wait a while for a status; False when it will not come, or not soon."""
        end = time.monotonic() + 8.0
        while time.monotonic() < end:
            found = merchant.get(f"/v1/payments/{payment_id}").json()["status"]
            if found == status:
                return True
            if found not in {"requires_action", "processing", "unknown", "authorized"}:
                return False
            time.sleep(0.3)
        return False


def _payment_id(answer: Any) -> str:
    """Return the payment that an answer is about, a refusal included."""
    told = answer.json()
    found = told.get("id") or told.get("error", {}).get("payment_id")
    if found is None:
        raise AssertionError(f"{answer.status} {answer.body[:300]!r}")
    return str(found)
