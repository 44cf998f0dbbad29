"""Razorpay: `rizzpay conformance razorpay`."""

import base64
import json
import re
import secrets
import signal
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from rizzpay.core.money import Money
from rizzpay.gateways.port import (
    ActionRequired,
    AuthorizeRequest,
    CaptureMethod,
    Card,
    Declined,
    UpiIntent,
)
from rizzpay.gateways.razorpay.wire import REASON_OF_ERROR
from tests.gateways.acquirer import new_id
from tests.gateways.contract.row import Held, secret_file

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Row:
    """Plays the customer's browser at the hosted checkout and the mock bank page."""

    kind = "razorpay"
    signature = "x-razorpay-signature"
    letters = 3  # payment.authorized, payment.captured, order.paid
    signs_time = False
    declines = tuple(sorted(REASON_OF_ERROR.items()))
    pending_refund = 10_002

    def __init__(self, directory, callback_url):
        directory.mkdir(exist_ok=True)
        self.key_id = f"rzp_test_{secrets.token_hex(7)}"
        self._secret = secrets.token_urlsafe(18)
        self.secret_file = str(secret_file(directory / "key", self._secret))
        callback = secrets.token_urlsafe(18)
        self.callback_secret_file = str(secret_file(directory / "webhook", callback))
        command = [sys.executable, "-m", "rizzpay", "conformance", "razorpay"]
        command += ["--listen", "127.0.0.1:0", "--key-id", self.key_id]
        command += ["--secret-file", self.secret_file, "--webhook-url", callback_url]
        command += ["--webhook-secret-file", self.callback_secret_file]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self._process.stdout.readline()
        assert line.startswith("ready http://127.0.0.1:"), line
        self.url = line.split()[1]

    def waiting(self, callback_url):
        return self._request(UpiIntent(), CaptureMethod.AUTOMATIC, callback_url)

    def holding(self, callback_url):
        return self._request(Card(None), CaptureMethod.MANUAL, callback_url)

    def _request(self, method, capture_method, callback_url):
        return AuthorizeRequest(
            attempt_id=new_id("attempt"),
            payment_id=new_id("payment"),
            money=Money(50_000, "INR"),
            method=method,
            capture_method=capture_method,
            description="Two books & a pen",
            return_url="https://shop.example/back",
            callback_url=callback_url,
            expires_at=datetime.now(UTC) + timedelta(minutes=15),
        )

    def pay(self, asked):
        self.act(self.begin(asked), "success")

    def begin(self, asked):
        """Post the form that the customer's browser was handed; return the payment's id."""
        assert isinstance(asked, ActionRequired)
        assert asked.next_action["type"] == "form_post"
        fields = {k: v for k, v in asked.next_action.items() if k not in {"type", "url"}}
        page = self._open(f"{self.url}/v1/checkout/embedded", urlencode(fields).encode())
        return re.search(r"/bank/(pay_\w+)/", page)[1]

    def act(self, payment_id, act):
        """Press a button of the bank's page."""
        return json.loads(self._open(f"{self.url}/bank/{payment_id}/{act}", b""))

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
        token = base64.b64encode(f"{self.key_id}:{self._secret}".encode()).decode()
        return json.loads(self._open(self.url + path, body, {"Authorization": f"Basic {token}"}))

    def _open(self, url, body, headers=None):
        request = urllib.request.Request(url, data=body, headers=headers or {})  # noqa: S310
        with OPENER.open(request, timeout=10) as response:
            return response.read().decode()

    def stop(self):
        self._process.send_signal(signal.SIGTERM)
        status = self._process.wait(timeout=10)
        self._process.stdout.close()
        return status
