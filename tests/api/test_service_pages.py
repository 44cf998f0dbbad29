"""Health, readiness, figures and limits: what operators and proxies ask."""

import dataclasses
import io
import json
import shutil

import msgspec
import pytest

from rizzpay.api.readiness import Neighbours, Readiness
from rizzpay.config import CacheSettings
from rizzpay.core import clock
from rizzpay.infra import log
from rizzpay.infra.cache import Cache
from rizzpay.infra.database import Database, Role
from rizzpay.infra.hsm.client import HsmClient

NOBODY = {"headers": {"Authorization": ""}}


def test_a_process_that_answers_is_alive(client):
    answer = client.get("/health/live", **NOBODY)
    assert (answer.status, answer.json()) == (200, {"status": "ok"})


def test_everything_in_order_is_ready(client):
    answer = client.get("/health/ready", **NOBODY)
    assert answer.status == 200, answer.body
    shown = answer.json()
    assert shown["status"] == "ready", shown
    assert set(shown["checks"]) == {"postgresql", "cache", "hsm", "disk", "clock"}
    assert shown["gateways"]["sandbox"]["state"] == "up"
    assert not any(digit in answer.body.decode() for digit in "0123456789")


@pytest.fixture
def look(settings, parts):
    """Look at the installation with some of its parts replaced by ones that do not answer."""
    opened = []

    def looking(*, service=settings.service, **other):
        neighbours = {
            "database": parts.database,
            "cache": parts.cache,
            "hsm": parts.hsm,
            "gateways": parts.router.gateways,
            **other,
        }
        opened.extend(other.values())
        return Readiness(Neighbours(**neighbours), service).look()

    yield looking
    for part in opened:
        if hasattr(part, "close"):
            part.close()


def test_without_the_hsm_it_is_degraded_and_payments_go_on(look):
    found = look(hsm=HsmClient("/nowhere/h.sock"))
    assert (found.status, found.checks["hsm"].state) == ("degraded", "down")


def test_without_the_cache_it_is_degraded(look):
    found = look(cache=Cache(CacheSettings(socket="/nowhere/v.sock")))
    assert (found.status, found.checks["cache"].state) == ("degraded", "down")


def test_with_a_full_disk_it_is_degraded(look, settings):
    free = shutil.disk_usage(settings.service.data_dir).free
    wanting = msgspec.structs.replace(settings.service, disk_free_min_bytes=free * 2)
    found = look(service=wanting)
    assert (found.status, found.checks["disk"].state) == ("degraded", "degraded")


def test_without_postgresql_it_is_unavailable(look, settings, monkeypatch):
    monkeypatch.setattr("rizzpay.infra.database.WAIT_S", 0.2)
    nowhere = msgspec.structs.replace(settings.database, host="/nowhere", pool_size=1)
    found = look(database=Database(nowhere, Role.APP))
    assert (found.status, found.checks["postgresql"].state) == ("unavailable", "down")


def test_figures_are_for_the_operators_network_only(client):
    client.get("/v1/balance")
    answer = client.get("/metrics", **NOBODY)
    assert answer.status == 200
    text = answer.body.decode()
    for name in (
        'rizzpay_request_seconds_bucket{le="0.005",method="GET",route="/v1/balance",status="200"}',
        "rizzpay_hub_stall_seconds",
        "rizzpay_rate_limited_total",
        "rizzpay_cache_fallback_total",
    ):
        assert name in text
    assert client.merchant.id not in text
    for env in (
        {"REMOTE_ADDR": "203.0.113.7"},
        {"REMOTE_ADDR": "", "HTTP_X_FORWARDED_FOR": "127.0.0.1, 203.0.113.7"},
        {"REMOTE_ADDR": ""},
    ):
        answer = client.get("/metrics", env=env, **NOBODY)
        assert (answer.status, answer.code) == (403, "management_only")
    through_proxy = {"REMOTE_ADDR": "", "HTTP_X_FORWARDED_FOR": "127.0.0.1"}
    assert client.get("/metrics", env=through_proxy, **NOBODY).status == 200


def test_a_merchant_has_its_tiers_requests_and_no_more(new_client):
    client = new_client(tier="standard")
    began = clock.monotonic_s()
    answers = [client.get("/v1/balance")]
    while answers[-1].status == 200:
        answers.append(client.get("/v1/balance"))
    refilled = (clock.monotonic_s() - began) * 100 / 60
    assert 101 <= len(answers) <= 102 + refilled
    last = answers[-1]
    assert (last.status, last.code) == (429, "rate_limited")
    assert 1 <= int(last.headers["retry-after"]) <= 60
    first = answers[0].headers
    assert (first["ratelimit-limit"], first["ratelimit-policy"]) == ("100", "100;w=60")
    assert int(first["ratelimit-remaining"]) == 99
    assert last.headers["ratelimit-remaining"] == "0"
    assert int(last.headers["ratelimit-reset"]) > 50


def test_the_limit_is_the_merchants_in_each_mode_not_the_keys(new_client):
    client = new_client(tier="standard")
    second = new_client(merchant=client.merchant)
    live = new_client(merchant=client.merchant, livemode=True)
    while client.get("/v1/balance").status == 200:
        pass
    assert second.get("/v1/balance").status == 429
    assert live.get("/v1/balance").status == 200


def test_premium_gets_five_hundred(new_client):
    answer = new_client(tier="premium").get("/v1/balance")
    assert answer.headers["ratelimit-limit"] == "500"


def test_one_line_a_request_and_nothing_personal_in_it(client, application):
    stream = io.BytesIO()
    log.configure("info", stream)
    try:
        client.pay(
            customer={"name": "Asha Rao", "email": "asha@example.com", "phone": "+919876543210"},
            reference="order-77",
        )
    finally:
        log.configure("info")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    [line] = [line for line in lines if line["event"] == "request.finished"]
    assert line["route"] == "/v1/payments"
    assert (line["method"], line["status"]) == ("POST", 201)
    assert line["merchant"] == client.merchant.id
    assert line["duration_ms"] > 0
    assert line["request_id"].startswith("req_")
    for secret in (b"asha", b"Asha", b"9876543210", b"tok_", b"order-77", b"127.0.0.1"):
        assert secret not in stream.getvalue()


def test_a_bug_is_a_bare_500_and_is_logged_once(client, application, monkeypatch):
    stream = io.BytesIO()
    log.configure("info", stream)
    resource = next(
        node.resource
        for root in application._router._roots
        for node in _nodes(root)
        if node.uri_template == "/v1/balance"
    )
    monkeypatch.setattr(resource, "_database", None)  # a part that is broken, not one that is faked
    try:
        answer = client.get("/v1/balance")
    finally:
        log.configure("info")
    assert (answer.status, answer.code) == (500, "internal_error")
    assert answer.error["type"] == "internal"
    assert b"NoneType" not in answer.body
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    failed = [line for line in lines if line["event"] == "request.failed"]
    assert len(failed) == 1
    assert failed[0]["request_id"] == answer.error["request_id"]
    assert "Traceback" in failed[0]["exception"]


def _nodes(node):
    yield node
    for child in node.children:
        yield from _nodes(child)


def test_a_part_that_does_not_answer_is_a_503_with_retry_after(settings, parts, monkeypatch):
    from rizzpay import app as composition
    from tests.api.conftest import Client

    monkeypatch.setattr("rizzpay.infra.database.WAIT_S", 0.2)
    nowhere = msgspec.structs.replace(settings.database, host="/nowhere", pool_size=1)
    database = Database(nowhere, Role.APP)
    try:
        merchants = type(parts.merchants)(database, parts.envelope)
        broken = dataclasses.replace(parts, merchants=merchants)
        client = Client(composition.create_app(settings, broken), "rk_test_" + "0" * 26, "x")
        answer = client.get("/v1/balance")
    finally:
        database.close()
    assert (answer.status, answer.code) == (503, "unavailable")
    assert answer.headers["retry-after"] == "1"
    assert b"nowhere" not in answer.body
