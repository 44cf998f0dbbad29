"""Stripe: `rizzpay conformance stripe`."""

import json
from urllib.parse import urlsplit

from rizzpay.gateways.port import ActionRequired, Card, Declined
from rizzpay.gateways.stripe.wire import REASON_OF_DECLINE
from tests.gateways.contract.row import Held
from tests.gateways.contract.server import Server


class Row(Server):
    """Plays the customer's browser at the page of Checkout."""

    kind = "stripe"
    signature = "stripe-signature"
    letters = 2  # payment_intent.succeeded, checkout.session.completed
    signs_time = True
    declines = tuple(sorted(REASON_OF_DECLINE.items()))
    finds_lost = False

    def new_callback_secret(self):
        return f"whsec_{super().new_callback_secret()}"

    def waiting(self, callback_url):
        return self.request(Card(None), callback_url)

    def pay(self, asked):
        self.act(asked, "success")

    def act(self, asked, act):
        """Press a button of the page that the customer was sent to."""
        assert isinstance(asked, ActionRequired)
        assert asked.next_action["type"] == "redirect"
        path = urlsplit(asked.next_action["url"]).path
        assert "<button>" in self.open(self.url + path)
        return json.loads(self.open(f"{self.url}{path}/{act}", b""))

    def decline(self, connector, how, callback_url):
        request = self.waiting(callback_url)
        asked = connector.authorize(request)
        self.act(asked, f"decline?code={how}")
        assert isinstance(connector.enquire(request.attempt_id), ActionRequired)
        self.act(asked, "expire")
        outcome = connector.enquire(request.attempt_id)
        assert isinstance(outcome, Declined)
        assert self.held(request) == Held()
        return outcome

    def held(self, request):
        captured = refunded = 0
        for intent in self.intents():
            if intent["metadata"].get("rizzpay_attempt") == request.attempt_id:
                refunds = self.api(f"/v1/refunds?payment_intent={intent['id']}&limit=100")["data"]
                captured += intent["amount_received"]
                refunded += sum(one["amount"] for one in refunds if one["status"] != "failed")
        return Held(captured, refunded)

    def intents(self):
        after, more = "", True
        while more:
            page = self.api(f"/v1/payment_intents?limit=100{after}")
            yield from page["data"]
            more = page["has_more"]
            after = f"&starting_after={page['data'][-1]['id']}" if more else ""

    def api(self, path):
        """Ask the API as the account does."""
        headers = {"Authorization": f"Bearer {self.secret}"}
        return json.loads(self.open(self.url + path, None, headers))
