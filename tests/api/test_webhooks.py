"""Events, endpoints and deliveries through the API, and callbacks of gateways."""

import hashlib
import hmac
import json

import pytest

from rizzpay.api import bodies
from rizzpay.config import read_secret
from rizzpay.core import clock, ids

URL = "https://1.1.1.1/hook"  # nothing is sent: no worker runs here


def endpoint(client, **fields):
    return client.send("POST", "/v1/webhook_endpoints", {"url": URL, **fields})


def test_events_are_numbered_and_paged_by_their_number(client):
    payment = client.pay().json()
    page = client.get("/v1/events").json()
    assert [(e["sequence"], e["type"]) for e in page["data"]] == [
        (1, "payment.created"),
        (2, "payment.captured"),
    ]
    second = page["data"][1]
    assert second["data"]["object"]["id"] == second["object_id"] == payment["id"]
    assert second["data"]["object"]["status"] == "captured"
    assert client.get("/v1/events?after_sequence=1").json()["data"] == [second]
    assert client.get("/v1/events?limit=1").json()["has_more"] is True
    assert client.get("/v1/events?type=payment.captured").json()["data"] == [second]
    assert client.get(f"/v1/events/{second['id']}").json() == second


def test_an_event_carries_of_the_customer_only_the_id(client):
    customer = {"name": "Asha Rao", "email": "asha@example.com", "phone": "+919876543210"}
    payment = client.pay(customer=customer).json()
    answer = client.get("/v1/events")
    for event in answer.json()["data"]:
        assert event["data"]["object"]["customer"] == {"id": payment["customer"]["id"]}
    for value in customer.values():
        assert value.encode() not in answer.body


def test_an_endpoint_shows_its_secret_once(client):
    made = endpoint(client, event_types=["payment.*"], description="orders")
    assert made.status == 201
    secret = made.json()["secret"]
    assert secret.startswith("whsec_")
    shown = client.get(f"/v1/webhook_endpoints/{made.json()['id']}")
    assert {**shown.json(), "secret": secret} == made.json()
    assert [row["id"] for row in client.get("/v1/webhook_endpoints").json()["data"]] == [
        made.json()["id"]
    ]


def test_an_endpoint_is_changed_rotated_and_deleted(client):
    first = endpoint(client).json()
    path = f"/v1/webhook_endpoints/{first['id']}"
    changed = client.send("PATCH", path, {"description": "x", "status": "disabled"}).json()
    assert (changed["description"], changed["status"]) == ("x", "disabled")
    assert changed["event_types"] == ["*"]
    rotated = client.send("POST", path + "/rotate_secret").json()
    assert rotated["secret"] != first["secret"]
    assert rotated["previous_secret_expires_at"] > clock.unix_s(clock.now())
    gone = client.send("DELETE", path)
    assert (gone.status, gone.body) == (204, b"")
    assert client.get(path).code == "webhook_endpoint_not_found"
    assert client.send("DELETE", path).status == 404


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("http://1.1.1.1/hook", 422),
        ("https://127.0.0.1/hook", 422),
        ("https://169.254.169.254/latest", 422),
        ("https://[::ffff:10.0.0.1]/", 422),
        ("https://user:word@1.1.1.1/", 422),
        ("nonsense", 422),
        (URL, 201),
    ],
)
def test_a_target_on_the_inside_is_refused(client, url, status):
    answer = endpoint(client, url=url)
    assert answer.status == status
    if status == 422:
        assert answer.code in {
            "invalid_request",
            "invalid_webhook_url",
            "webhook_target_forbidden",
        }


@pytest.mark.parametrize(
    "event_types", [[], ["payment"], ["PAYMENT.captured"], ["*.captured"], "*"]
)
def test_event_types_that_are_none_are_refused(client, event_types):
    assert endpoint(client, event_types=event_types).code == "invalid_request"


def test_an_event_is_sent_again_on_demand(client):
    wanted = endpoint(client, event_types=["payment.captured"]).json()
    endpoint(client, event_types=["refund.*"])
    client.pay()
    event = client.get("/v1/events?type=payment.captured").json()["data"][0]
    answer = client.send("POST", f"/v1/events/{event['id']}/replay")
    assert answer.status == 201
    [delivery] = answer.json()["deliveries"]
    assert (delivery["endpoint_id"], delivery["origin"]) == (wanted["id"], "replay")
    listed = client.get(f"/v1/webhook_endpoints/{wanted['id']}/deliveries").json()
    assert listed["data"] == [delivery]


def test_an_event_is_sent_again_to_one_endpoint_that_is_enabled(client):
    other = endpoint(client, event_types=["refund.*"]).json()["id"]
    client.pay()
    path = f"/v1/events/{client.get('/v1/events').json()['data'][0]['id']}/replay"
    [delivery] = client.send("POST", path, {"endpoint_id": other}).json()["deliveries"]
    assert delivery["endpoint_id"] == other
    client.send("PATCH", f"/v1/webhook_endpoints/{other}", {"status": "disabled"})
    answer = client.send("POST", path, {"endpoint_id": other})
    assert (answer.status, answer.code) == (409, "endpoint_disabled")


def test_deliveries_are_paged(client):
    wanted = endpoint(client).json()
    client.pay()
    event = client.get("/v1/events").json()["data"][0]
    for _ in range(3):
        client.send("POST", f"/v1/events/{event['id']}/replay")
    path = f"/v1/webhook_endpoints/{wanted['id']}/deliveries"
    first = client.get(path + "?limit=2").json()
    second = client.get(f"{path}?limit=2&cursor={first['next_cursor']}").json()
    seen = [row["id"] for row in (*first["data"], *second["data"])]
    assert len(set(seen)) == 3
    assert second["has_more"] is False
    other = endpoint(client).json()["id"]
    foreign = client.get(f"/v1/webhook_endpoints/{other}/deliveries?cursor={first['next_cursor']}")
    assert foreign.code == "invalid_cursor"


def test_another_merchants_endpoint_and_event_are_not_there(client, new_client):
    made = endpoint(client).json()
    client.pay()
    event = client.get("/v1/events").json()["data"][0]
    stranger = new_client()
    path = f"/v1/webhook_endpoints/{made['id']}"
    answers = [
        stranger.get(path),
        stranger.send("PATCH", path, {"url": URL}),
        stranger.send("DELETE", path),
        stranger.send("POST", path + "/rotate_secret"),
        stranger.get(path + "/deliveries"),
        stranger.get(f"/v1/events/{event['id']}"),
        stranger.send("POST", f"/v1/events/{event['id']}/replay"),
    ]
    assert [answer.status for answer in answers] == [404] * len(answers)
    assert stranger.get("/v1/events").json()["data"] == []


def test_a_callback_without_a_right_signature_is_a_401(client):
    forged = {"X-Sandbox-Id": "1", "X-Sandbox-Timestamp": "1", "X-Sandbox-Signature": "00"}
    for headers in ({}, forged):
        answer = client.send("POST", "/webhooks/sandbox", {"result": {}}, headers=headers)
        assert (answer.status, answer.code) == (401, "callback_rejected")


def test_a_callback_of_an_unknown_gateway_is_a_404(client):
    assert client.send("POST", "/webhooks/nobody", {}).code == "not_found"


def test_a_callback_that_is_too_large_is_a_413(client):
    answer = client.send("POST", "/webhooks/sandbox", b"x" * (bodies.BODY_MAX + 1))
    assert answer.code == "body_too_large"


def test_a_signed_callback_is_stored_once_before_it_is_acknowledged(client, operator, settings):
    attempt_id, number = ids.new_id("attempt", clock.now()), ids.new_id("event", clock.now())
    result = {
        "attempt_id": attempt_id,
        "kind": "charge",
        "reference": "ch_1",
        "status": "approved",
        "captured": True,
        "amount": 10_000,
        "currency": "INR",
        "rrn": "632512345678",
    }
    stamp, body = str(clock.unix_s(clock.now())), json.dumps({"result": result}).encode()
    secret = read_secret(settings.gateways["sandbox"].callback_secret_file)
    message = f"{number}.{stamp}.".encode() + body
    signature = hmac.new(secret.reveal().encode(), message, hashlib.sha256).hexdigest()
    headers = {
        "X-Sandbox-Id": number,
        "X-Sandbox-Timestamp": stamp,
        "X-Sandbox-Signature": signature,
        "Authorization": "",
    }
    for _ in range(2):
        answer = client.send("POST", "/webhooks/sandbox", body, headers=headers)
        assert (answer.status, answer.body) == (200, b'{"received":true}')
    with operator._database.transaction() as conn:
        rows = conn.execute(
            "SELECT body FROM rizzpay.gateway_callbacks WHERE provider_event_id = %s", [number]
        ).fetchall()
    assert len(rows) == 1
    assert attempt_id.encode() not in bytes(rows[0][0])
