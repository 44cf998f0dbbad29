"""Every call that /docs shows is run by a shell, as a reader would paste it."""

import json
import os
import subprocess

import pytest

from rizzpay.api import docs
from rizzpay.api.routes import ROUTES
from tests.flows.merchant import Merchant, open_shop

# A route whose success is not 2xx when it is called as shown: a gateway has to sign its callbacks.
REFUSED = {"receiveCallback": "callback_rejected"}


@pytest.fixture(scope="module")
def shop(appliance):
    options = ("--tier", "enterprise", "--requests-per-minute", "60000")
    return open_shop(appliance, "Reader's Shop", *options)


@pytest.fixture(scope="module")
def desk(appliance, shop):
    """The two keys that a change of rules takes, by scope, and a version that waits for its yes."""
    made = {}
    for scope in ("routing:propose", "routing:approve"):
        rights = ("--scope", "routing:read", "--scope", scope)
        merchant = open_shop(appliance, "Our Desk").merchant_id
        key = appliance.rizzpay("merchants", "keys", "create", "--json", merchant, *rights)
        made[scope] = {f"KEY_{name.upper()}": json.loads(key)[name] for name in ("id", "secret")}
    proposer = made["routing:propose"]
    keyed = Merchant(appliance.credentials, key=(proposer["KEY_ID"], proposer["KEY_SECRET"]))
    made["version"] = keyed.post("/v1/routing/rule_sets", {"rule_set": {}}).json()["version"]
    return made


@pytest.fixture
def variables(appliance, shop):
    """What the page asks its reader to set; a fresh payment for each call."""
    manual = shop.pay(50_000, capture_method="manual").json()
    paid = shop.pay(50_000).json()
    refund = shop.post("/v1/refunds", {"payment_id": paid["id"], "amount": 100}).json()
    hook = appliance.credentials["webhook_url_hint"]
    endpoint = shop.post("/v1/webhook_endpoints", {"url": hook}).json()
    code = shop.post("/v1/qr_codes", {"type": "upi_qr", "usage": "single_use"}).json()
    event = shop.get("/v1/events?limit=1").json()["data"][0]
    yield {
        "BASE_URL": shop.base_url,
        "CA_FILE": appliance.credentials["ca_file"],
        "KEY_ID": shop.key[0],
        "KEY_SECRET": shop.key[1],
        "AUTHORIZED": manual["id"],
        "CAPTURED": paid["id"],
        "REFUND_ID": refund["id"],
        "ENDPOINT_ID": endpoint["id"],
        "EVENT_ID": event["id"],
        "QR_CODE_ID": code["id"],
        "WEBHOOK_URL": hook,
        "GATEWAY": "sandbox",
    }
    shop.send("DELETE", f"/v1/webhook_endpoints/{endpoint['id']}")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation)
def test_a_call_works_as_it_is_shown(route, variables, appliance, shop, desk):
    held = route.operation in {"capturePayment", "cancelPayment"}
    environment = {"PAYMENT_ID": variables["AUTHORIZED" if held else "CAPTURED"], **variables}
    if route.operation == "revokeApiKey":  # it revokes the key that asks
        last = open_shop(appliance, "Last Call")
        environment |= {"KEY_ID": last.key[0], "KEY_SECRET": last.key[1]}
    if (route.scope or "").startswith("routing:"):
        own = desk.get(route.scope, desk["routing:propose"])
        environment |= {**own, "VERSION": str(desk["version"])}
    done = subprocess.run(
        ["bash", "-euo", "pipefail"],
        input=docs.curl(route).replace("curl ", "curl --write-out '\\n%{http_code}' ", 1),
        env={**os.environ, **environment},
        capture_output=True,
        encoding="utf-8",
        errors="replace",  # an image is none
        check=True,
        timeout=30,
    )
    body, _, status = done.stdout.rpartition("\n")
    if route.operation in REFUSED:
        assert json.loads(body)["error"]["code"] == REFUSED[route.operation]
        return
    assert status in {"200", "201", "202", "204"}, done.stdout
