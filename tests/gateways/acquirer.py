"""Starts the real sandbox acquirer as a process, and asks it what really happened."""

import hashlib
import hmac
import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rizzpay.config import GatewaySettings
from rizzpay.core import ids
from rizzpay.core.money import Money
from rizzpay.core.secret import Secret
from rizzpay.gateways.port import AuthorizeRequest, CaptureMethod, Card
from rizzpay.gateways.sandbox.connector import Keys, SandboxGateway
from rizzpay.infra.http_client import HttpClient

KEYS = Keys("test-key", Secret("request-secret-of-the-test"), Secret("callback-secret-of-the-test"))
FAST = {
    "--approve-after-ms": "40",
    "--late-after-s": "0.5",
    "--slow-ms": "300",
    "--hang-s": "5",
    "--key-id": KEYS.key_id,
}


class Acquirer:
    """A running sandbox on a free port; `restart` keeps port and data."""

    def __init__(self, directory: Path, options: dict[str, str] | None = None) -> None:
        """Start it and wait until it is ready."""
        directory.mkdir(exist_ok=True)
        self.data = directory / "data"
        self._options = {**FAST, **(options or {})}
        self._secrets = []
        named = {"--secret-file": KEYS.secret, "--callback-secret-file": KEYS.callback_secret}
        for option, secret in named.items():
            file = directory / option.strip("-")
            file.touch(mode=0o600)
            file.write_text(secret.reveal())
            self._secrets += [option, str(file)]
        self.port = 0
        self._http = HttpClient()
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "rizzpay", "sandbox", "--data", str(self.data)]
        command += ["--listen", f"127.0.0.1:{self.port}", *self._secrets]
        command += [part for option in self._options.items() for part in option]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("ready http://127.0.0.1:"), line
        self.url = line.split()[1]
        self.port = int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        """End it as a power cut of the process would."""
        self.process.kill()
        self.process.wait()
        self._forget()

    def stop(self) -> int:
        """Ask it to end; return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=10)
        self._forget()
        return status

    def _forget(self) -> None:
        self.process.stdout.close()
        self._http.close()

    def gateway(self, **settings) -> SandboxGateway:
        """Return a connector to it; time-outs after 0.8 s unless told otherwise."""
        values = {"answer_timeout_s": 0.8, "connect_timeout_s": 1.0, **settings}
        keys = values.pop("keys", KEYS)
        configured = GatewaySettings(
            kind="sandbox", base_url=self.url, livemode=False, key_id="", secret_file="",
            callback_secret_file="", **values,
        )  # fmt: skip
        return SandboxGateway("sandbox", configured, self._http, keys)

    def call(self, method: str, target: str, body=None, *, secret=None, at=None):
        """Make a signed call; return status and JSON."""
        content = b"" if body is None else json.dumps(body).encode()
        timestamp = str(int(at or time.time()))
        message = f"{timestamp}\n{method}\n{target}\n".encode() + content
        key = (secret or KEYS.secret.reveal()).encode()
        headers = {
            "X-Sandbox-Key": KEYS.key_id,
            "X-Sandbox-Timestamp": timestamp,
            "X-Sandbox-Signature": hmac.new(key, message, hashlib.sha256).hexdigest(),
        }
        status, _, text = self.http(method, target, content, headers)
        return status, json.loads(text)

    def http(self, method: str, target: str, body: bytes = b"", headers=None):
        """Make a plain call; return status, headers and text; follows no redirect."""
        request = urllib.request.Request(  # noqa: S310 - our own loopback server
            self.url + target, data=body or None, method=method, headers=headers or {}
        )
        try:
            with OPENER.open(request, timeout=10) as response:
                return response.status, response.headers, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read().decode()

    def ledger(self, payment_id: str | None = None) -> list[dict]:
        """Return everything that really happened, or what happened to one payment."""
        rows, after = [], 0
        while True:
            _, page = self.call("GET", f"/v1/ledger?after={after}")
            rows += page["data"]
            if not page["has_more"]:
                break
            after = page["data"][-1]["seq"]
        return [row for row in rows if payment_id in {None, row["payment_id"]}]

    def moved(self, payment_id: str) -> dict[str, int]:
        """Return the sums of a payment by kind."""
        sums: dict[str, int] = {}
        for row in self.ledger(payment_id):
            sums[row["kind"]] = sums.get(row["kind"], 0) + row["amount"]
        return sums


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


OPENER = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))


def new_id(kind: str) -> str:
    return ids.new_id(kind, datetime.now(UTC))


def order(method=None, amount=50_000, **changes) -> AuthorizeRequest:
    """Return a request for a new payment; a card that is approved, unless told otherwise."""
    values = {
        "attempt_id": new_id("attempt"),
        "payment_id": new_id("payment"),
        "money": Money(amount, "INR"),
        "method": method or Card(Secret("tok_approve")),
        "capture_method": CaptureMethod.AUTOMATIC,
        "description": "Two books & a pen",
        "return_url": None,
        "callback_url": "http://127.0.0.1:9/nobody-listens",
        "expires_at": datetime.now(UTC) + timedelta(minutes=15),
        **changes,
    }
    return AuthorizeRequest(**values)


def card(token: str, amount=50_000, **changes) -> AuthorizeRequest:
    return order(Card(Secret(token)), amount, **changes)


def held(token: str = "tok_approve", amount=50_000, **changes) -> AuthorizeRequest:
    """Return a card payment that is captured later."""
    return card(token, amount, capture_method=CaptureMethod.MANUAL, **changes)
