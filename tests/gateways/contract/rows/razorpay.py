"""Razorpay: `rizzpay conformance razorpay`."""

import base64
import json
import re
from urllib.parse import urlencode

from rizzpay.gateways.port import ActionRequired, Declined, UpiIntent
from rizzpay.gateways.razorpay.wire import REASON_OF_ERROR
from tests.gateways.contract.row import Held
from tests.gateways.contract.server import Server


class Row(Server):
    """Plays the customer's browser at the hosted checkout and the mock bank page."""

    kind = "razorpay"
    signature = "x-razorpay-signature"
    letters = 3  # payment.authorized, payment.captured, order.paid
    signs_time = False
    declines = tuple(sorted(REASON_OF_ERROR.items()))

    def waiting(self, callback_url):
        return self.request(UpiIntent(), callback_url)

    def pay(self, asked):
        self.act(self.begin(asked), "success")

    def begin(self, asked):
        """Post the form that the customer's browser was handed; return the payment's id."""
        assert isinstance(asked, ActionRequired)
        assert asked.next_action["type"] == "form_post"
        fields = {k: v for k, v in asked.next_action.items() if k not in {"type", "url"}}
        page = self.open(f"{self.url}/v1/checkout/embedded", urlencode(fields).encode())
        return re.search(r"/bank/(pay_\w+)/", page)[1]

    def act(self, payment_id, act):
        """Press a button of the bank's page."""
        return json.loads(self.open(f"{self.url}/bank/{payment_id}/{act}", b""))

    def decline(self, connector, how, callback_url):
        request = self.waiting(callback_url)
        payment_id = self.begin(connector.authorize(request))
        self.act(payment_id, f"failure?reason={how}")
        outcome = connector.enquire(request.attempt_id)
        assert isinstance(outcome, Declined)
        assert self.held(request) == Held()
        return outcome

    def held(self, request):
        path = f"/v1/orders?receipt={request.attempt_id}&expand[]=payments"
        orders = self.api(path)["items"]
        payments = [payment for order in orders for payment in order["payments"]["items"]]
        captured = [payment for payment in payments if payment["captured"]]
        return Held(
            sum(payment["amount"] for payment in captured),
            sum(payment["amount_refunded"] for payment in captured),
        )

    def api(self, path, body=None):
        """Call the API as the account does."""
        token = base64.b64encode(f"{self.key_id}:{self.secret}".encode()).decode()
        return json.loads(self.open(self.url + path, body, {"Authorization": f"Basic {token}"}))
