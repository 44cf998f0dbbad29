"""Who may call: keys, secrets, networks, scopes, suspension; and how keys are made and ended."""

import base64
from datetime import timedelta

import pytest

from rizzpay.api.routes import ROUTES
from rizzpay.core import clock
from rizzpay.core.errors import Refused
from rizzpay.core.tenant import Tenant
from rizzpay.merchants.model import ADMIN_SCOPES, SCOPES
from rizzpay.merchants.service import REMEMBER_S
from tests.api.conftest import Client

PLACES = {
    "{payment_id}": "pay_01J9ZZZZZZZZZZZZZZZZZZZZZZ",
    "{refund_id}": "rfnd_01J9ZZZZZZZZZZZZZZZZZZZZZZ",
    "{event_id}": "evt_01J9ZZZZZZZZZZZZZZZZZZZZZZ",
    "{endpoint_id}": "whe_01J9ZZZZZZZZZZZZZZZZZZZZZZ",
    "{key_id}": "rk_test_01J9ZZZZZZZZZZZZZZZZZZZZZZ",
    "{gateway}": "sandbox",
    "{version}": "1",
}
GUARDED = [route for route in ROUTES if route.scope is not None]


def path_of(route):
    path = route.path
    for place, example in PLACES.items():
        path = path.replace(place, example)
    return path


def basic(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


@pytest.mark.parametrize("route", GUARDED, ids=lambda route: route.operation)
def test_a_route_needs_a_key(client, route):
    answer = client.send(route.method, path_of(route), headers={"Authorization": ""})
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Basic realm=")


@pytest.fixture
def scopeless(new_client):
    """A key of one merchant for each scope that is left out."""

    def make(scope):
        return new_client(scopes=sorted(SCOPES - {scope}))

    return make


@pytest.mark.parametrize("route", GUARDED, ids=lambda route: route.operation)
def test_a_route_needs_its_scope(scopeless, route):
    answer = scopeless(route.scope).send(route.method, path_of(route))
    assert (answer.status, answer.code) == (403, "insufficient_scope")


@pytest.mark.parametrize("scope", sorted(SCOPES | ADMIN_SCOPES))
def test_every_scope_opens_some_route(new_client, scope):
    client = new_client(scopes=[scope])
    for route in GUARDED:
        answer = client.send(route.method, path_of(route))
        assert (answer.status == 403) == (route.scope != scope), (route, answer.body)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic !!!",
        "Basic " + "QQ" * 3_000,
        "Bearer abc",
        basic("no colon")["Authorization"],
        basic("rk_test_x:y")["Authorization"],
        basic("rk_test_01J9ZZZZZZZZZZZZZZZZZZZZZZ:secret")["Authorization"],
        basic(":")["Authorization"],
        "Basic /w==",
    ],
)
def test_credentials_that_are_none_are_a_401(client, header):
    assert client.get("/v1/balance", headers={"Authorization": header}).status == 401


def test_a_wrong_secret_is_a_401_and_says_no_more(client):
    wrong = client.get("/v1/balance", headers=basic(f"{client.key_id}:wrong"))
    unknown = client.get("/v1/balance", headers=basic("rk_test_01J9ZZZZZZZZZZZZZZZZZZZZZZ:wrong"))
    assert wrong.status == unknown.status == 401
    for answer in (wrong, unknown):
        assert {**answer.error, "request_id": ""} == {**wrong.error, "request_id": ""}


def test_an_expired_key_is_a_401(new_client):
    client = new_client(expires_at=clock.now() + timedelta(seconds=0.4))
    assert client.get("/v1/balance").status == 200
    deadline = clock.monotonic_s() + 3
    while client.get("/v1/balance").status != 401:
        assert clock.monotonic_s() < deadline


NETWORKS = ("203.0.113.0/24", "2001:db8::/32")


@pytest.mark.parametrize(
    ("peer", "forwarded", "status"),
    [
        ("203.0.113.9", "", 200),
        ("2001:db8::7", "", 200),
        ("::ffff:203.0.113.9", "", 200),
        ("203.0.114.9", "", 403),
        ("2001:db9::7", "", 403),
        ("203.0.114.9", "203.0.113.9", 403),  # a stranger's header is not believed
        ("203.0.113.9", "8.8.8.8", 200),
        ("", "203.0.113.9", 200),  # our HAProxy, on its Unix socket
        ("", "8.8.8.8, 203.0.113.9", 200),
        ("", "203.0.113.9, 8.8.8.8", 403),  # only the last entry is HAProxy's
        ("", "", 403),
        ("", "nonsense", 403),
        ("unix:", "203.0.113.9", 200),
    ],
)
def test_a_key_works_only_from_its_networks(new_client, peer, forwarded, status):
    client = new_client(allowed_cidrs=NETWORKS)
    env = {"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": forwarded}
    answer = client.get("/v1/balance", env=env)
    assert answer.status == status
    if status == 403:
        assert answer.code == "ip_not_allowed"


def test_a_suspended_merchant_reads_and_changes_nothing(new_client, operator, parts):
    client = new_client()
    payment = client.pay(capture_method="manual").json()
    operator.set_status(client.merchant.id, "suspended", "operator:test", clock.now())
    parts.merchants._remembered.clear()  # other processes wait two seconds instead
    assert client.get(f"/v1/payments/{payment['id']}").status == 200
    for route in GUARDED:
        answer = client.send(route.method, path_of(route))
        if route.writes:
            assert (answer.status, answer.code) == (403, "merchant_suspended")
    assert not any(row["enabled"] for row in capabilities(client))
    operator.set_status(client.merchant.id, "active", "operator:test", clock.now())
    parts.merchants._remembered.clear()
    assert client.pay().status == 201


def capabilities(client):
    return client.get("/v1/merchants/me/capabilities").json()["methods"]


def test_capabilities_say_why_a_method_does_not_work_and_what_to_do(new_client):
    shown = {(m["method"], m.get("flow")): m for m in capabilities(new_client())}
    assert all(method["enabled"] for method in shown.values())
    assert shown["card", None]["capture_methods"] == ["automatic", "manual"]
    without = {
        (m["method"], m.get("flow")): m for m in capabilities(new_client(collect_exemption=None))
    }
    collect = without["upi", "collect"]
    assert not collect["enabled"]
    assert collect["reason"]
    assert collect["fix"]
    live = capabilities(new_client(livemode=True))
    assert not any(method["enabled"] for method in live)


def test_a_second_key_is_made_used_and_revoked(client, application):
    made = client.send("POST", "/v1/api_keys", {"label": "rotation"})
    assert made.status == 201
    key = made.json()
    assert key["id"].startswith("rk_test_")
    assert key["status"] == "active"
    second = Client(application, key["id"], key["secret"])
    assert second.get("/v1/balance").status == 200
    shown = client.get(f"/v1/api_keys/{key['id']}").json()
    assert "secret" not in shown
    assert {k: v for k, v in key.items() if k != "secret"} == {**shown, "last_used_at": None}
    revoked = client.send("DELETE", f"/v1/api_keys/{key['id']}")
    assert (revoked.status, revoked.json()["status"]) == (200, "revoked")
    assert second.get("/v1/balance").status == 401
    assert client.send("DELETE", f"/v1/api_keys/{key['id']}").json() == revoked.json()


def test_a_third_live_key_is_refused(client):
    assert client.send("POST", "/v1/api_keys").status == 201
    answer = client.send("POST", "/v1/api_keys")
    assert (answer.status, answer.code) == (409, "too_many_keys")
    assert len(client.get("/v1/api_keys").json()["data"]) == 2


def test_an_expired_key_makes_room_for_another(new_client):
    client = new_client()
    soon = clock.now() + timedelta(seconds=0.3)
    new_client(merchant=client.merchant, expires_at=soon)
    while clock.now() < soon:
        pass
    assert client.send("POST", "/v1/api_keys").status == 201
    states = [key["status"] for key in client.get("/v1/api_keys").json()["data"]]
    assert sorted(states) == ["active", "active", "revoked"]


def test_a_key_gives_only_what_it_has(new_client):
    client = new_client(scopes=["keys:write", "payments:read"])
    made = client.send("POST", "/v1/api_keys").json()
    assert made["scopes"] == ["keys:write", "payments:read"]
    client.send("DELETE", f"/v1/api_keys/{made['id']}")
    answer = client.send("POST", "/v1/api_keys", {"scopes": ["refunds:write"]})
    assert (answer.status, answer.code) == (422, "scope_not_grantable")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes.0"),
        ({"allowed_cidrs": ["10.0.0.1/8"]}, "allowed_cidrs"),
        ({"allowed_cidrs": ["somewhere"]}, "allowed_cidrs"),
        ({"expires_at": 1}, "expires_at"),
        ({"label": "x" * 81}, "label"),
        ({"merchant_id": "mer_1"}, "merchant_id"),
    ],
    ids=str,
)
def test_a_key_that_makes_no_sense_is_refused(client, body, param):
    answer = client.send("POST", "/v1/api_keys", body)
    assert (answer.status, answer.error["param"]) == (422, param)


def test_the_last_use_of_a_key_is_written_beside_the_requests(client, parts):
    client.get("/v1/balance")
    parts.merchants.flush_used()
    [key] = client.get("/v1/api_keys").json()["data"]
    assert abs(key["last_used_at"] - clock.unix_s(clock.now())) < 5


def test_another_merchants_key_is_not_there(client, new_client):
    stranger = new_client()
    assert stranger.get(f"/v1/api_keys/{client.key_id}").status == 404
    assert stranger.send("DELETE", f"/v1/api_keys/{client.key_id}").status == 404
    assert client.get("/v1/balance").status == 200


def test_a_key_revoked_elsewhere_stops_within_two_seconds(client, operator):
    assert client.get("/v1/balance").status == 200
    tenant = Tenant(client.merchant.id, livemode=False)
    operator.revoke_key(tenant, client.key_id, "operator:test", clock.now())
    deadline = clock.monotonic_s() + REMEMBER_S + 1
    while client.get("/v1/balance").status != 401:
        assert clock.monotonic_s() < deadline


def test_a_header_that_was_right_is_known_again_as_long_as_its_key_works(client, parts):
    header, merchants = client._headers["Authorization"], parts.merchants
    assert merchants.recognise(header, None, clock.now()) is None
    assert client.get("/v1/balance").status == 200
    assert merchants.recognise(header, None, clock.now()).key_id == client.key_id
    tenant = Tenant(client.merchant.id, livemode=False)
    merchants.revoke_key(tenant, client.key_id, "operator:test", clock.now())
    with pytest.raises(Refused, match="unauthenticated"):
        merchants.recognise(header, None, clock.now())


def test_a_header_that_was_wrong_is_never_known(client, parts):
    header = basic(f"{client.key_id}:made-up")
    assert client.get("/v1/balance", headers=header).status == 401
    assert client.get("/v1/balance").status == 200
    assert parts.merchants.recognise(header["Authorization"], None, clock.now()) is None


def test_what_is_remembered_of_a_header_is_not_its_secret(client, parts):
    assert client.get("/v1/balance").status == 200
    secret = base64.b64decode(client._headers["Authorization"][6:]).decode().partition(":")[2]
    assert secret not in str(parts.merchants._proofs)


def test_a_secret_is_in_the_database_only_as_a_digest(new_client, parts, operator):
    client = new_client()
    secret = base64.b64decode(client._headers["Authorization"][6:]).decode().partition(":")[2]
    with operator._database.transaction() as conn:
        row = conn.execute(
            "SELECT digest, api_keys::text FROM rizzpay.api_keys WHERE id = %s", [client.key_id]
        ).fetchone()
    assert len(row[0]) == 32
    assert secret not in row[1]
    assert secret.encode() not in row[0]
