"""What a merchant sees of the gateways: the catalog's rows, how they are, and what that means."""

import json
from contextlib import contextmanager
from dataclasses import fields

import msgspec
import pytest

from rizzpay.config import RoutingSettings
from rizzpay.core import clock, ids
from rizzpay.gateways import catalog, router
from rizzpay.gateways.health import Downtime
from rizzpay.gateways.port import Unknown
from rizzpay.infra.database import Database, Role

CARD = {"type": "card", "token_last4": "1111"}


@pytest.fixture
def health(parts, settings):
    """What the application knows; as it was afterwards."""
    health = parts.router.health
    yield health
    database = Database(settings.database, Role.WORKER, size=1)
    with database.transaction() as conn:
        conn.execute("UPDATE rizzpay.gateway_breakers SET state = 'closed'")
    database.close()
    health.share()


@pytest.fixture
def decider(settings, parts):
    """The worker's, who declares and moves."""
    database = Database(settings.database, Role.WORKER, size=1)
    soon = msgspec.structs.replace(RoutingSettings(), breaker_calls_min=1)
    yield router.build(soon, database, parts.router.gateways).health
    database.close()


@contextmanager
def down(decider, health, method):
    now = clock.now()
    about = ("sandbox", method, now, None, "works on the line", "operator:test", now)
    wanted = Downtime(ids.new_id("downtime", now), *about)
    decider.declare(wanted)
    health.share()
    yield wanted
    decider.end(wanted.id, "operator:test")
    health.share()


def test_the_matrix_is_the_catalogs_row_whatever_that_has(client):
    [shown] = client.get("/v1/gateways").json()["data"]
    row = catalog.CAPABILITIES["sandbox"]
    assert (shown["name"], shown["kind"], shown["livemode"]) == ("sandbox", "sandbox", False)
    assert shown["currencies"] == sorted(row.currencies)
    assert [it["method"] for it in shown["methods"]] == sorted(row.methods)
    told = shown["capabilities"] | {
        name: None for it in shown["methods"] for name in it["capabilities"]
    }
    wanted = {field.name for field in fields(catalog.Capability)} - {"methods", "currencies"}
    assert set(told) == wanted
    for name in wanted:
        value = getattr(row, name)
        if isinstance(value, bool):
            assert shown["capabilities"][name] is value
        else:
            of_method = {it["method"]: it["capabilities"][name] for it in shown["methods"]}
            assert {method for method, does in of_method.items() if does} == value


def test_a_gateway_is_fetched_by_its_name_and_says_no_secret(client, settings):
    answer = client.get("/v1/gateways/sandbox")
    assert answer.status == 200
    assert answer.json() == client.get("/v1/gateways").json()["data"][0]
    own = settings.gateways["sandbox"]
    for hidden in (own.base_url, own.secret_file, own.callback_secret_file):
        assert hidden not in answer.body.decode()
    assert "key_id" not in answer.body.decode()


@pytest.mark.parametrize("name", ["nobody", "sand%20box", "..", "S" * 200])
def test_a_gateway_that_is_not_there_is_not_found(client, name):
    assert client.get(f"/v1/gateways/{name}").code == "not_found"


def test_a_live_key_does_not_see_gateways_of_test_mode(new_client):
    live = new_client(livemode=True)
    assert live.get("/v1/gateways").json()["data"] == []
    assert live.get("/v1/gateways/sandbox").code == "not_found"


def test_a_declared_downtime_is_shown_and_refuses_before_anything_is_done(client, decider, health):
    with down(decider, health, "card") as wanted:
        shown = client.get("/v1/gateways/sandbox").json()
        states = {it["method"]: it["health"]["state"] for it in shown["methods"]}
        assert states["card"] == "down"
        assert states["upi"] == "up"
        [told] = shown["downtimes"]
        assert (told["id"], told["method"], told["reason"]) == (
            wanted.id,
            "card",
            "works on the line",
        )
        refused = client.pay()
        assert (refused.status, refused.code) == (503, "gateway_unavailable")
        assert refused.headers["retry-after"] == "30"
        assert client.pay(method={"type": "upi"}).status == 201
    assert client.get("/v1/payments").json()["data"][0]["method"]["type"] == "upi"
    assert client.pay().status == 201


def test_a_breaker_is_opened_by_answers_that_do_not_come(client, decider, health, parts):
    kind = {"type": "wallet", "wallet": "paytm"}
    parts.router.answered("sandbox", kind, Unknown("time-out"))
    health.share()
    decider.move()
    health.share()
    shown = client.get("/v1/gateways/sandbox").json()
    wallet = next(it for it in shown["methods"] if it["method"] == "wallet")
    assert wallet["health"]["state"] == "open"
    assert wallet["health"]["since"] > 0
    assert client.pay(method=kind).code == "gateway_unavailable"


def test_payments_are_counted_where_the_gateway_answered(client, decider, health):
    def rate():
        health.share()
        shown = client.get("/v1/gateways/sandbox").json()["methods"]
        return next(it["health"] for it in shown if it["method"] == "card")

    before = rate()
    assert client.pay().status == 201
    assert client.pay(method={"type": "card", "token": "tok_decline_generic"}).status == 402
    after = rate()
    assert after["approved"] - before["approved"] == 1
    assert after["declined"] - before["declined"] == 1


def test_the_document_knows_every_field(client):
    document = json.loads(client.get("/openapi.json").body)
    schema = document["components"]["schemas"]["GatewayStatusObject"]
    shown = client.get("/v1/gateways/sandbox").json()
    assert set(schema["properties"]) == set(shown)
