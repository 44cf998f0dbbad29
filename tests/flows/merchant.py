"""A merchant's side: requests through the front door, with retries as our documents advise."""

import base64
import json
import secrets
import ssl
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import urllib3

RETRIED = {409, 429, 500, 502, 503}  # 504 is an answer: the outcome is unknown, ask later


@dataclass(frozen=True)
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        return self.json().get("error", {}).get("code") if self.body else None


class Merchant:
    """Speaks HTTPS to one appliance with one API key; may be shared by threads."""

    def __init__(self, credentials: dict, *, key: tuple[str, str] | None = None) -> None:
        context = ssl.create_default_context(cafile=credentials["ca_file"])
        self.base_url = credentials["base_url"]
        self.host = urlsplit(self.base_url).netloc
        self.key = key or (credentials["key_id"], credentials["key_secret"])
        self.pool = urllib3.PoolManager(
            ssl_context=context, maxsize=64, retries=False, timeout=urllib3.Timeout(30)
        )
        token = base64.b64encode(":".join(self.key).encode()).decode()
        self.headers = {"Authorization": f"Basic {token}"}
        self.merchant_id = credentials["merchant_id"]

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Response:
        """Send once. `body` is bytes as they are, or an object to be written as JSON."""
        sent = {**self.headers, **(headers or {})}
        if key is not None:
            sent["Idempotency-Key"] = key
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        answer = self.pool.request(method, self.base_url + path, body=data, headers=sent)
        return Response(
            answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.data
        )

    def get(self, path: str) -> Response:
        return self.send("GET", path)

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> Response:
        return self.send("POST", path, body, key=key or secrets.token_hex(12))

    def persist(self, path: str, body: Any, key: str, deadline_s: float = 90.0) -> Response:
        """Send with one key until there is an answer, as a careful client does."""
        end = time.monotonic() + deadline_s
        while True:
            try:
                answer = self.send("POST", path, body, key=key)
            except (urllib3.exceptions.HTTPError, OSError):
                answer = None
            if answer is not None and not _again(answer):
                return answer
            if time.monotonic() > end:
                raise TimeoutError(f"{path}: {answer.body if answer else 'no answer'}")
            time.sleep(0.1)

    def pay(self, amount: int = 10_000, **fields: Any) -> Response:
        """Make a card payment that is approved unless told otherwise."""
        body = {"amount": amount, "method": {"type": "card", "token": "tok_approve"}, **fields}
        return self.post("/v1/payments", body)

    def wait(self, payment_id: str, *statuses: str, deadline_s: float = 20.0) -> dict:
        """Read a payment until it has one of the statuses."""
        end = time.monotonic() + deadline_s
        while True:
            payment = self.get(f"/v1/payments/{payment_id}").json()
            if payment.get("status") in statuses:
                return payment
            if time.monotonic() > end:
                raise TimeoutError(f"{payment_id} is {payment.get('status')}")
            time.sleep(0.1)


def open_shop(appliance: Any, name: str, *options: str) -> "Merchant":
    """Set up one more merchant with a test key, as an operator does."""
    made = json.loads(
        appliance.rizzpay(
            *("merchants", "create", "--json", "--name", name, "--mcc", "5411", *options)
        )
    )
    key = json.loads(appliance.rizzpay("merchants", "keys", "create", "--json", made["id"]))
    shop = Merchant(appliance.credentials, key=(key["id"], key["secret"]))
    shop.merchant_id = made["id"]
    return shop


def _again(answer: Response) -> bool:
    if answer.code == "interrupted":  # nobody knows; the same key is done once at most
        return True
    if answer.status not in RETRIED:
        return False
    if answer.status == 409:
        return answer.code == "idempotency_in_progress"
    # 502 of a gateway that was certainly not reached is an answer with a payment in it
    return not (answer.status == 502 and "payment_id" in answer.json().get("error", {}))


def together(count: int, work: Any) -> list[Any]:
    """Call work(index) in `count` threads that start at the same moment; return the results."""
    results: list[Any] = [None] * count
    gate = threading.Barrier(count)

    def run(index: int) -> None:
        gate.wait()
        results[index] = work(index)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return results
