"""The API in this process, with everything behind it real: database, cache, HSM and acquirer."""

import base64
import copy
import json
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import falcon.testing
import msgspec
import pytest
from click.testing import CliRunner

from rizzpay import app as composition
from rizzpay import worker
from rizzpay.__main__ import main
from rizzpay.config import Config, GatewaySettings, Service
from rizzpay.core import clock
from rizzpay.core.tenant import Tenant
from rizzpay.infra import envelope
from rizzpay.infra.database import Database, Role
from rizzpay.infra.hsm.client import HsmClient
from rizzpay.merchants.model import ADMIN_SCOPES, SCOPES, NewKey, NewMerchant
from rizzpay.merchants.service import Merchants
from tests.api import contract, shop
from tests.gateways.conftest import Receiver
from tests.gateways.contract.faults import Proxy

START_S = 20.0
PAYEE_VPA = "shops@testbank"
NOBODY = "http://127.0.0.1:9/"  # tests hand callbacks in by themselves
ALL = tuple(sorted(SCOPES))
EVERY_SCOPE = SCOPES | ADMIN_SCOPES


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        return self.json()["error"]

    @property
    def code(self) -> str:
        return self.error["code"]


class Client:
    """One key of one merchant, speaking to the application without a socket."""

    def __init__(self, application, key_id: str, secret: str) -> None:
        self.key_id = key_id
        token = base64.b64encode(f"{key_id}:{secret}".encode()).decode()
        self._client = falcon.testing.TestClient(application)
        self._headers = {"Authorization": f"Basic {token}"}
        self._count = 0

    def at(self, application) -> "Client":
        """Return the same key at another application."""
        other = copy.copy(self)
        other._client = falcon.testing.TestClient(application)
        return other

    def send(self, method, path, body=None, *, key=None, headers=None, env=None) -> Answer:
        """Send `body` as it is (bytes) or as JSON; `env` is put over the WSGI environment."""
        sent = {**self._headers, **(headers or {})}
        if key is not None:
            sent["Idempotency-Key"] = key
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        path, _, query = path.partition("?")
        result = self._client.simulate_request(
            method,
            path,
            query_string=query,
            body=body,
            headers=sent,
            extras={"REMOTE_ADDR": "127.0.0.1", **(env or {})},
        )
        answer = Answer(result.status_code, dict(result.headers), result.content)
        contract.check(method, path, answer)
        return answer

    def get(self, path, **more) -> Answer:
        return self.send("GET", path, **more)

    def post(self, path, body=None, **more) -> Answer:
        """Post with a fresh Idempotency-Key."""
        self._count += 1
        return self.send("POST", path, body, **{"key": f"{self.key_id}-{self._count}", **more})

    def pay(self, amount=10_000, **more) -> Answer:
        body = {"amount": amount, "method": {"type": "card", "token": "tok_approve"}, **more}
        return self.post("/v1/payments", body)


@pytest.fixture(scope="session")
def acquirer(tmp_path_factory):
    """The sandbox acquirer, and the settings of a gateway that reaches it."""
    directory = tmp_path_factory.mktemp("acquirer")
    for name in ("secret", "callback"):
        path = directory / name
        path.write_text(f"made-for-this-test-{name}-0123456789abcdef\n")
        path.chmod(0o600)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "rizzpay", "sandbox"),
            *("--listen", f"127.0.0.1:{port}", "--data", str(directory / "data")),
            *("--secret-file", str(directory / "secret"), "--hang-s", "3"),
            *("--callback-secret-file", str(directory / "callback")),
            *("--upi-payee-vpa", PAYEE_VPA, "--upi-callback-url", NOBODY),
        ],
        stdout=subprocess.DEVNULL,
    )
    _wait_for(port)
    yield GatewaySettings(
        kind="sandbox",
        base_url=f"http://127.0.0.1:{port}",
        livemode=False,
        key_id="sandbox",
        secret_file=str(directory / "secret"),
        callback_secret_file=str(directory / "callback"),
        answer_timeout_s=1.0,
        upi_payee_vpa=PAYEE_VPA,
        upi_payee_name="Test Shops",
        upi_payee_mcc="5411",
        upi_payee_city="Pune",
        upi_payee_pincode="411001",
    )
    process.terminate()
    process.wait(timeout=10)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError("the sandbox acquirer did not start")


@pytest.fixture(scope="session")
def settings(postgres, valkey, hsm, acquirer, tmp_path_factory):
    """The configuration of an installation made of these parts."""
    directory = str(tmp_path_factory.mktemp("run"))
    return Config(
        service=Service(
            deployment="embedded",
            run_dir=directory,
            public_url="https://127.0.0.1:8443",
            data_dir=directory,
        ),
        database=msgspec.structs.replace(postgres, pool_size=4),
        cache=valkey,
        hsm=hsm,
        gateways={"sandbox": acquirer},
    )


@pytest.fixture(scope="session")
def parts(settings):
    """What the application works with."""
    parts = composition.collaborators(settings)
    yield parts
    parts.close()


@pytest.fixture(scope="session")
def application(settings, parts):
    """The application itself."""
    return composition.create_app(settings, parts)


@pytest.fixture(scope="session")
def operator(settings):
    """Merchants as the command line sees them: with the worker's role."""
    database = Database(settings.database, Role.WORKER, size=1)
    yield Merchants(database, envelope.load(database, HsmClient(settings.hsm.socket)))
    database.close()


@pytest.fixture
def new_client(application, operator):
    """Make a merchant with a key; everything about both can be chosen."""

    def make(
        *,
        merchant=None,
        scopes=ALL,
        allowed_cidrs=(),
        livemode=False,
        expires_at=None,
        **about,
    ) -> Client:
        now = clock.now()
        if merchant is None:
            large = {"tier": "enterprise", "requests_per_minute": 600_000}
            about = {"collect_exemption": "ios", **({} if "tier" in about else large), **about}
            merchant = operator.create(
                NewMerchant(name="Shop", mcc="5411", **about), "operator:test", now
            )
        new = NewKey("test", tuple(scopes), tuple(allowed_cidrs), expires_at)
        made = operator.create_key(
            Tenant(merchant.id, livemode), new, EVERY_SCOPE, "operator:test", now
        )
        client = Client(application, made.key.id, made.secret.reveal())
        client.merchant = merchant
        return client

    return make


@pytest.fixture
def client(new_client):
    """A merchant of this test's own, with every scope."""
    return new_client()


@pytest.fixture(scope="session")
def rizzpay(settings, tmp_path_factory):
    """Run the command with the installation's configuration."""
    path = tmp_path_factory.mktemp("command") / "rizzpay.toml"
    path.write_text(toml(msgspec.to_builtins(settings)))

    def run(*arguments, status=0):
        done = CliRunner().invoke(
            main, ["--config", str(path), *arguments], env={"SUDO_USER": "asha"}
        )
        assert done.exit_code == status, done.output
        return done.output

    return run


def toml(whole, path=""):
    """Write nested dictionaries as TOML; JSON's values are TOML's too."""
    plain = {name: value for name, value in whole.items() if not isinstance(value, dict)}
    lines = [f"[{path}]"] if path else []
    lines += [f"{name} = {json.dumps(value)}" for name, value in plain.items()]
    for name, value in whole.items():
        if isinstance(value, dict):
            lines.append(toml(value, f"{path}.{name}" if path else name))
    return "\n".join(lines)


@pytest.fixture(scope="module")
def receiver():
    with Receiver() as made:
        yield made


@pytest.fixture(scope="module")
def row(request, tmp_path_factory, receiver):
    """The conformance server that the test module names."""
    made = request.module.ROW(tmp_path_factory.mktemp(request.module.NAME), receiver.url)
    yield made
    assert made.stop() == 0


@pytest.fixture(scope="module")
def proxy(row):
    with Proxy(row.url) as made:
        yield made


@pytest.fixture(scope="module")
def shop_settings(request, settings, row, proxy):
    """The settings of an installation with this account alone."""
    gateways = {request.module.NAME: shop.settings_of(row, proxy)}
    return msgspec.structs.replace(settings, gateways=gateways)


@pytest.fixture(scope="module")
def at_work(shop_settings):
    parts = worker.build(shop_settings)
    with parts.database.transaction() as conn:  # those of gateways that only other tests have
        conn.execute(shop.LEFT_BEHIND)
    yield parts
    parts.database.close()


@pytest.fixture(scope="module")
def shop_api(shop_settings):
    parts = composition.collaborators(shop_settings)
    yield composition.create_app(shop_settings, parts)
    parts.close()


@pytest.fixture
def other_side(row, proxy, receiver):
    return row, proxy, receiver


@pytest.fixture
def new_shop(request, new_client, shop_api, other_side, at_work):
    """Make a merchant at the gateway of the test module."""

    def make(kind=shop.Shop):
        client = new_client().at(shop_api)
        left = len(other_side[2].letters)
        return kind(request.module.NAME, client, *other_side, at_work, left)

    return make
