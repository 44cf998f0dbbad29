"""A conformance server as a process, for the rows that need one."""

import secrets
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from rizzpay.core.money import Money
from rizzpay.gateways.port import AuthorizeRequest, CaptureMethod, Card
from tests.gateways.acquirer import new_id
from tests.gateways.contract.row import secret_file

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Server:
    """Starts `rizzpay conformance KIND` and speaks to it; a row adds the customer."""

    kind = ""
    finds_lost = True
    pending_refund = 10_002

    def __init__(self, directory, callback_url):
        directory.mkdir(exist_ok=True)
        self.key_id = self.new_key_id()
        self.secret = secrets.token_urlsafe(18)
        self.secret_file = str(secret_file(directory / "key", self.secret))
        self.callback_secret = self.new_callback_secret()
        callback = secret_file(directory / "webhook", self.callback_secret)
        self.callback_secret_file = str(callback)
        command = [sys.executable, "-m", "rizzpay", "conformance", self.kind]
        command += ["--listen", "127.0.0.1:0", "--key-id", self.key_id]
        command += ["--secret-file", self.secret_file, "--webhook-url", callback_url]
        command += ["--webhook-secret-file", self.callback_secret_file]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self._process.stdout.readline()
        assert line.startswith("ready http://127.0.0.1:"), line
        self.url = line.split()[1]

    def new_key_id(self):
        return f"test_{secrets.token_hex(7)}"

    def new_callback_secret(self):
        return secrets.token_urlsafe(18)

    def request(self, method, callback_url, capture_method=CaptureMethod.AUTOMATIC):
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

    def holding(self, callback_url):
        return self.request(Card(None), callback_url, CaptureMethod.MANUAL)

    def open(self, url, body=None, headers=None):
        """Send a request as a browser or the account does; return the text of the answer."""
        request = urllib.request.Request(url, data=body, headers=headers or {})  # noqa: S310
        with OPENER.open(request, timeout=10) as response:
            return response.read().decode()

    def open_or(self, default, url, headers):
        """Ask for something that may not be there."""
        try:
            return self.open(url, None, headers)
        except urllib.error.HTTPError as error:
            assert error.code == 404, error
            return default

    def form(self, url, **fields):
        return self.open(url, urlencode(fields).encode())

    def stop(self):
        self._process.send_signal(signal.SIGTERM)
        status = self._process.wait(timeout=10)
        self._process.stdout.close()
        return status
