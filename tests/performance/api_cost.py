"""What the API itself costs: microseconds of CPU a request, without HTTP, database and gateways.

    .venv/bin/python -m tests.performance.api_cost [--requests 20000] [--rounds 7] [--profile]

Run by hand; it is no test, because a figure of a busy machine proves nothing. It calls the WSGI
application in this process, as the HTTP server does, with the real gate, keys, envelope, cache
(a Valkey of its own), views, metrics and log. The payments service is a stand-in that makes the
ids of a payment, its answer, the seal of that answer and its two events, and writes nothing;
the database is one that knows a single key. What is printed is the best of the rounds, by
`time.process_time`, less what making the WSGI environment costs. `reference` is a thousand rounds
of an empty loop: it says how fast the machine was, which neighbours on a shared core halve.
"""

import argparse
import base64
import cProfile
import gc
import io
import os
import pstats
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.embedded import valkey as embedded_valkey
from appliance.embedded.layout import write_private
from appliance.embedded.programs import Child, wait_until_ready
from rizzpay import app as composition
from rizzpay.api.views import Renderer
from rizzpay.config import Config, DatabaseSettings, HsmSettings, Service
from rizzpay.core import clock, ids
from rizzpay.core.secret import Secret
from rizzpay.core.tenant import Tenant
from rizzpay.gateways.port import CaptureMethod
from rizzpay.infra import log
from rizzpay.infra.cache import Cache
from rizzpay.infra.envelope import DataKey, Envelope, Keys
from rizzpay.infra.hsm.inventory import Purpose
from rizzpay.ledger.model import MERCHANT_PENDING
from rizzpay.merchants.service import Merchants
from rizzpay.payments.states import Status
from rizzpay.payments.types import Payment, Served
from rizzpay.risk import service as risk

MERCHANT = "mer_01J9ZZZZZZZZZZZZZZZZZZZZZZ"
KEY_ID = "rk_test_01J9ZZZZZZZZZZZZZZZZZZZZZZ"
SECRET = "made-for-this-run-" + os.urandom(16).hex()
BODY = b'{"amount":50000,"currency":"INR","method":{"type":"upi","flow":"intent"}}'
UPI = {"type": "upi_intent", "url": "upi://pay?pa=shop%40bank&pn=Shop&tr=1&am=500.00&cu=INR"}
IDS = 5  # attempt, events and transfers of one payment


class OneKey:
    """A database in which nothing is but one key: rows as store.FIND_KEY returns them."""

    def __init__(self) -> None:
        self.row: tuple[Any, ...] | None = None

    @contextmanager
    def transaction(self, *_: Tenant) -> Iterator["OneKey"]:
        yield self

    def execute(self, _: str, __: object = None) -> "OneKey":
        return self

    def fetchone(self) -> tuple[Any, ...] | None:
        return self.row


class NothingWritten:
    """Payments that are made and answered, and forgotten."""

    def __init__(self, envelope: Envelope, renderer: Renderer) -> None:
        self._envelope = envelope
        self._renderer = renderer
        self._asked, self._made = _payment(), _payment()

    def create(self, caller: Any, command: Any, claim: Any, request_id: str) -> Served:
        risk.assess(caller.merchant, command.method, command.money)
        now = clock.now()
        [ids.ulid(now) for _ in range(IDS)]
        self._renderer.payment_event_json(self._asked)
        self._renderer.payment_event_json(self._made)
        answer = self._renderer.payment_answer(self._made, command.payer, request_id)
        context = f"idempotency_claims|response|{claim.key}|{MERCHANT}"
        self._envelope.seal("answer", answer.body, context)
        return Served(answer, replayed=False)


def _payment() -> Payment:
    from rizzpay.core.money import Money

    now = clock.now()
    return Payment(
        id="", tenant=Tenant(MERCHANT, False), status=Status.REQUIRES_ACTION,
        money=Money(1, "INR"), amount_authorized=0, amount_captured=0, amount_capture_pending=0,
        amount_refunded=0, amount_refund_pending=0, capture_method=CaptureMethod.AUTOMATIC,
        method={"type": "upi", "flow": "intent"}, reference=None, description=None, metadata={},
        return_url=None, payer_id=None, gateway="sandbox", gateway_reference="sbx_1", rrn=None,
        next_action=UPI, failure=None, cancellation_reason=None, late=False,
        funds=MERCHANT_PENDING, hold_transfer_id=None, hold_amount=0, closing_attempt_id=None,
        fee_basis_points=200, gst_basis_points=1800, late_authorization="capture",
        open_unknown=0, expires_at=now, authorization_expires_at=None, version=2,
        created_at=now, updated_at=now,
    )  # fmt: skip


def _envelope() -> Envelope:
    def made(purpose: str) -> DataKey:
        secret = os.urandom(32)
        return DataKey(f"dek_{ids.ulid(clock.now())}", purpose, True, Secret(secret),
                       AESGCM(secret))  # fmt: skip

    keys = [made(purpose) for purpose in Purpose]
    return Envelope(
        lambda _: Keys({key.id: key for key in keys}, {key.purpose: key for key in keys})
    )


def _application(directory: Path, cache: Cache) -> Any:
    envelope = _envelope()
    database = OneKey()
    merchants = Merchants(database, envelope)  # type: ignore[arg-type]
    pepper_id, digest = envelope.pepper_digest(None, SECRET)
    database.row = (
        KEY_ID, False, digest, pepper_id, ["payments:write", "payments:read"], [], None, None,
        MERCHANT, "Shop", "5411", "active", "enterprise", 100_000_000, 200, 1800, "capture",
        None, None,
    )  # fmt: skip
    config = Config(
        service=Service("embedded", str(directory), "https://127.0.0.1:8443", str(directory)),
        database=DatabaseSettings("", 0, "", "", "", ""),
        cache=cache_settings(directory),
        hsm=HsmSettings("", "", "", "", ""),
    )
    parts: Any = composition.Collaborators(
        **{
            **dict.fromkeys(composition.Collaborators.__dataclass_fields__),
            "database": database,
            "envelope": envelope,
            "cache": cache,
            "merchants": merchants,
            "payments": NothingWritten(envelope, Renderer()),
        }
    )
    return composition.create_app(config, parts)


def cache_settings(directory: Path) -> Any:
    """Return the settings of the Valkey that runs in `directory`."""
    return embedded_valkey.settings(directory / "valkey.sock", directory / "valkey.password")


def _environment() -> dict[str, Any]:
    token = base64.b64encode(f"{KEY_ID}:{SECRET}".encode()).decode()
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/v1/payments",
        "QUERY_STRING": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "api",
        "SERVER_PORT": "443",
        "REMOTE_ADDR": "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(BODY)),
        "HTTP_HOST": "127.0.0.1:8443",
        "HTTP_AUTHORIZATION": f"Basic {token}",
        "HTTP_X_FORWARDED_FOR": "203.0.113.7",
        "HTTP_X_REQUEST_ID": "req_0B7C64F1A5D24E8A9B3C5D7E4F",
    }


def _calls(application: Any) -> tuple[Callable[[int], None], Callable[[int], None]]:
    """Return what sends `count` requests, and what only makes their environments."""
    template = _environment()
    statuses: list[str] = []

    def start_response(status: str, _: list[tuple[str, str]], __: Any = None) -> Any:
        statuses.append(status)

    def made(number: int) -> dict[str, Any]:
        env = template.copy()
        env["HTTP_IDEMPOTENCY_KEY"] = f"order-{number:08d}"
        env["wsgi.input"] = io.BytesIO(BODY)
        return env

    def send(count: int) -> None:
        statuses.clear()
        for number in range(count):
            b"".join(application(made(number), start_response))
        if statuses.count("201 Created") != count:
            raise RuntimeError(f"not every answer was a 201: {set(statuses)}")

    def make(count: int) -> None:
        for number in range(count):
            made(number)

    return send, make


def _count_up(count: int) -> None:
    for _ in range(count):
        pass


def _best_us(call: Callable[[int], None], count: int, rounds: int) -> float:
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        call(count)
        best = min(best, time.process_time() - began)
    return best / count * 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--profile", action="store_true", help="show where the time goes instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rz", dir="/tmp") as name:
        directory = Path(name)
        write_private(directory / "valkey.password", os.urandom(16).hex() + "\n")
        child = Child(embedded_valkey.program(cache_settings(directory), directory, 0))
        child.start()
        wait_until_ready(child)
        cache = Cache(cache_settings(directory))
        with (directory / "log").open("wb") as stream:
            log.configure("info", stream)
            send, make = _calls(_application(directory, cache))
            send(200)
            gc.collect()
            gc.freeze()  # as app.build does
            if options.profile:
                with cProfile.Profile() as profile:
                    send(options.requests)
                pstats.Stats(profile).sort_stats("tottime").print_stats(45)
            else:
                base = _best_us(make, options.requests, 3)
                took = _best_us(send, options.requests, options.rounds) - base
                print(
                    f"{took:.1f} us a request; environment {base:.1f} us; "
                    f"reference {_best_us(_count_up, 1_000_000, options.rounds) * 1000:.1f} us"
                )
        cache.close()
        child.stop()


if __name__ == "__main__":
    main()
