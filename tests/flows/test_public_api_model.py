"""A random merchant drives the public API; a few lines of arithmetic say what must come back."""

import secrets

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from tests.flows.merchant import Merchant

pytestmark = pytest.mark.slow

AMOUNTS = st.integers(1, 9).map(lambda hundreds: hundreds * 100)
TOKENS = st.sampled_from(["tok_approve"] * 4 + ["tok_decline_insufficient_funds"])
MERCHANTS: list[Merchant] = []


class Client(RuleBasedStateMachine):
    """Legal and illegal calls in any order; `known` is what we believe of every payment."""

    payments = Bundle("payments")

    def __init__(self):
        super().__init__()
        self.merchant = MERCHANTS[0]
        self.known: dict[str, dict] = {}

    @rule(target=payments, amount=AMOUNTS, token=TOKENS, manual=st.booleans())
    def create(self, amount, token, manual):
        key = secrets.token_hex(12)
        body = {
            "amount": amount,
            "method": {"type": "card", "token": token},
            "capture_method": "manual" if manual else "automatic",
        }
        answer = self.merchant.post("/v1/payments", body, key=key)
        again = self.merchant.post("/v1/payments", body, key=key)
        assert (again.status, again.body) == (answer.status, answer.body)
        assert again.headers["idempotency-replayed"] == "true"
        if token != "tok_approve":
            assert answer.status == 402
            payment_id = answer.json()["error"]["payment_id"]
            status = "failed"
        else:
            assert answer.status == 201
            payment_id = answer.json()["id"]
            status = "authorized" if manual else "captured"
        taken = amount if status == "captured" else 0
        held = amount if status == "authorized" else 0
        self.known[payment_id] = {
            "status": status,
            "amount_authorized": held or taken,
            "amount_captured": taken,
            "amount_refunded": 0,
        }
        return payment_id

    @rule(payment_id=payments, amount=st.one_of(st.none(), AMOUNTS), final=st.booleans())
    def capture(self, payment_id, amount, final):
        know = self.known[payment_id]
        body = {"final": final} | ({"amount": amount} if amount else {})
        answer = self.merchant.post(f"/v1/payments/{payment_id}/capture", body)
        left = know["amount_authorized"] - know["amount_captured"]
        if know["status"] not in {"authorized", "partially_captured"}:
            assert (answer.status, answer.code) == (409, "illegal_transition")
        elif amount is not None and amount > left:
            assert (answer.status, answer.code) == (422, "amount_exceeds_authorized")
        else:
            assert answer.status == 200, answer.body
            know["amount_captured"] += left if amount is None else amount
            everything = know["amount_captured"] == know["amount_authorized"]
            know["status"] = "captured" if final or everything else "partially_captured"

    @rule(payment_id=payments)
    def cancel(self, payment_id):
        know = self.known[payment_id]
        answer = self.merchant.post(f"/v1/payments/{payment_id}/cancel", {"reason": "test"})
        if know["status"] not in {"authorized", "partially_captured"}:
            assert (answer.status, answer.code) == (409, "illegal_transition")
        else:
            assert answer.status == 200, answer.body
            know["status"] = "captured" if know["amount_captured"] else "cancelled"

    @rule(payment_id=payments, amount=st.one_of(st.none(), AMOUNTS))
    def refund(self, payment_id, amount):
        know = self.known[payment_id]
        body = {"payment_id": payment_id} | ({"amount": amount} if amount else {})
        answer = self.merchant.post("/v1/refunds", body)
        left = know["amount_captured"] - know["amount_refunded"]
        if know["status"] not in {"captured", "partially_captured"}:
            assert (answer.status, answer.code) == (409, "illegal_transition")
        elif left == 0 or (amount or 0) > left:
            assert (answer.status, answer.code) == (422, "amount_exceeds_captured")
        else:
            assert answer.status == 201, answer.body
            know["amount_refunded"] += left if amount is None else amount

    @rule(payment_id=consumes(payments))
    def look(self, payment_id):
        self._compare(payment_id)

    @invariant()
    def nothing_else_is_listed(self):
        if self.known:
            newest = next(reversed(self.known))
            first = self.merchant.get("/v1/payments?limit=1").json()["data"][0]
            assert first["id"] == newest

    def _compare(self, payment_id):
        shown = self.merchant.get(f"/v1/payments/{payment_id}").json()
        assert {name: shown[name] for name in self.known[payment_id]} == self.known[payment_id]

    def teardown(self):
        for payment_id in self.known:
            self._compare(payment_id)


def test_a_random_merchant_and_the_model_agree(merchant):
    MERCHANTS[:] = [merchant]
    case = Client.TestCase()
    case.settings = settings(
        max_examples=25,
        stateful_step_count=20,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    case.runTest()
