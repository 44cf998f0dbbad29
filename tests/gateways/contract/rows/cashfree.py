"""Cashfree: `rizzpay conformance cashfree`."""

import json
from decimal import Decimal

from rizzpay.gateways.cashfree.wire import REASON_OF_ERROR
from rizzpay.gateways.port import ActionRequired, Declined, UpiIntent
from tests.gateways.contract.row import Held
from tests.gateways.contract.server import Server


class Row(Server):
    """Plays the customer's browser at the page of an order."""

    kind = "cashfree"
    signature = "x-webhook-signature"
    letters = 1  # PAYMENT_SUCCESS_WEBHOOK
    signs_time = False
    declines = tuple(sorted(REASON_OF_ERROR.items()))

    def waiting(self, callback_url):
        return self.request(UpiIntent(), callback_url)

    def pay(self, asked):
        self.act(asked, "success")

    def act(self, asked, act):
        """Post the form that the customer was handed, and press a button of the page."""
        assert isinstance(asked, ActionRequired)
        assert asked.next_action["type"] == "form_post"
        session = asked.next_action["payment_session_id"]
        page = self.form(f"{self.url}/pg/view/sessions/checkout", payment_session_id=session)
        assert session in page
        return json.loads(self.open(f"{self.url}/bank/{session}/{act}", b""))

    def decline(self, connector, how, callback_url):
        request = self.waiting(callback_url)
        asked = connector.authorize(request)
        self.act(asked, f"failure?reason={how}")
        assert connector.enquire(request.attempt_id) == asked
        self.act(asked, "expire")
        outcome = connector.enquire(request.attempt_id)
        assert isinstance(outcome, Declined)
        assert self.held(request) == Held()
        return outcome

    def held(self, request):
        payments = self.api(f"/pg/orders/{request.attempt_id}/payments", default=[])
        refunds = self.api(f"/pg/orders/{request.attempt_id}/refunds", default=[])
        taken = [one for one in payments if one["payment_status"] == "SUCCESS"]
        given = [one for one in refunds if one["refund_status"] != "CANCELLED"]
        return Held(
            sum(paise(one["payment_amount"]) for one in taken),
            sum(paise(one["refund_amount"]) for one in given),
        )

    def api(self, path, default=None):
        """Ask the API as the account does."""
        headers = {
            "x-client-id": self.key_id,
            "x-client-secret": self.secret,
            "x-api-version": "2023-08-01",
        }
        found = self.open_or(default, self.url + path, headers)
        return json.loads(found, parse_float=Decimal) if isinstance(found, str) else found


def paise(amount):
    return int(amount * 100)
