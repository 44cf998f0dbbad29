"""Merchant A can neither see nor change anything of merchant B: by API, and by SQL."""

import psycopg
import pytest

from rizzpay.core.tenant import Tenant
from rizzpay.infra.database import Database, Role
from tests.flows.merchant import open_shop


@pytest.fixture(scope="module")
def other(appliance):
    """A second merchant, made as an operator makes one."""
    return open_shop(appliance, "Other Shop")


@pytest.fixture(scope="module")
def belongings(merchant, appliance):
    payment = merchant.pay(10_000, customer={"email": "a@example.com"}).json()
    held = merchant.pay(10_000, capture_method="manual").json()
    refund = merchant.post("/v1/refunds", {"payment_id": payment["id"], "amount": 100}).json()
    endpoint = merchant.post(
        "/v1/webhook_endpoints", {"url": appliance.credentials["webhook_url_hint"]}
    ).json()
    event = merchant.get("/v1/events?limit=1").json()["data"][0]
    return {
        "payment": payment["id"],
        "held": held["id"],
        "refund": refund["id"],
        "endpoint": endpoint["id"],
        "event": event["id"],
        "key": merchant.key[0],
    }


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/payments/{payment}", None),
        ("GET", "/v1/payments/{payment}?sync=true", None),
        ("POST", "/v1/payments/{held}/capture", {}),
        ("POST", "/v1/payments/{held}/cancel", {}),
        ("POST", "/v1/refunds", {"payment_id": "{payment}"}),
        ("GET", "/v1/refunds/{refund}", None),
        ("GET", "/v1/webhook_endpoints/{endpoint}", None),
        ("PATCH", "/v1/webhook_endpoints/{endpoint}", {"description": "mine"}),
        ("DELETE", "/v1/webhook_endpoints/{endpoint}", None),
        ("POST", "/v1/webhook_endpoints/{endpoint}/rotate_secret", {}),
        ("GET", "/v1/webhook_endpoints/{endpoint}/deliveries", None),
        ("POST", "/v1/events/{event}/replay", {}),
        ("DELETE", "/v1/api_keys/{key}", None),
    ],
)
def test_what_is_not_yours_does_not_exist(other, belongings, method, path, body):
    if body and "payment_id" in body:
        body = {"payment_id": belongings["payment"]}
    answer = other.send(method, path.format(**belongings), body, key="foreign-key-0001" + method)
    assert answer.status == 404, answer.body


@pytest.mark.parametrize("path", ["payments", "refunds", "events", "webhook_endpoints"])
def test_lists_show_only_ones_own(other, merchant, belongings, path):
    theirs, foreign = (
        {row["id"] for row in client.get(f"/v1/{path}").json()["data"]}
        for client in (merchant, other)
    )
    assert theirs
    assert not theirs & foreign


def test_the_foreign_object_is_as_it_was(merchant, belongings):
    assert merchant.get(f"/v1/payments/{belongings['held']}").json()["status"] == "authorized"
    assert merchant.get(f"/v1/webhook_endpoints/{belongings['endpoint']}").status == 200


def test_with_ones_own_setting_sql_shows_only_ones_own(settings, other, merchant, belongings):
    mine = Tenant(other.merchant_id, livemode=False)
    database = Database(settings.database, Role.APP, size=1)
    try:
        other.pay(500)
        with database.transaction(mine) as conn:
            tables = conn.execute(
                "SELECT table_name FROM information_schema.columns "
                "WHERE table_schema = 'rizzpay' AND column_name = 'merchant_id' "
                "AND table_name <> 'gateway_callbacks'"
            ).fetchall()
            assert len(tables) > 10
            seen = 0
            for (table,) in tables:
                found = conn.execute(
                    f"SELECT count(*), count(*) FILTER (WHERE merchant_id <> %s) "
                    f"FROM rizzpay.{table}",
                    (mine.merchant_id,),
                ).fetchone()
                assert found[1] == 0, table
                seen += found[0]
            assert seen > 0
        with pytest.raises(psycopg.Error), database.transaction(mine) as conn:
            conn.execute(
                "UPDATE rizzpay.payments SET merchant_id = 'mer_x' WHERE merchant_id = %s",
                (mine.merchant_id,),
            )
        with database.transaction(mine) as conn:
            touched = conn.execute(
                "UPDATE rizzpay.payments SET description = 'x' WHERE id = %s",
                (belongings["payment"],),
            )
            assert touched.rowcount == 0
        with database.transaction() as conn:
            assert conn.execute("SELECT count(*) FROM rizzpay.payments").fetchone() == (0,)
    finally:
        database.close()


def test_the_application_role_owns_nothing_and_bypasses_nothing(database):
    with database.transaction() as conn:
        owned = conn.execute(
            "SELECT relname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner "
            "WHERE r.rolname = 'rizzpay_app'"
        ).fetchall()
        role = conn.execute(
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles "
            "WHERE rolname = 'rizzpay_app'"
        ).fetchone()
        open_tables = conn.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'merchant_id' "
            "WHERE n.nspname = 'rizzpay' AND c.relkind = 'r' "
            "AND NOT (c.relrowsecurity AND c.relforcerowsecurity)"
        ).fetchall()
    assert owned == []
    assert role == (False, False, False, False)
    assert open_tables == []
