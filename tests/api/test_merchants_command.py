"""`rizzpay merchants` and `rizzpay health` as an operator runs them, against the same parts."""

import json

import pytest

from rizzpay.core import clock
from rizzpay.core.secret import Secret
from rizzpay.merchants.service import Presented
from tests.api.conftest import Client


def asked(run, *arguments):
    return json.loads(run("merchants", *arguments, "--json"))


@pytest.fixture
def shop(rizzpay):
    return asked(rizzpay, "create", "--name", "Asha's Books", "--mcc", "5942")


def test_a_merchant_is_created_shown_and_listed(rizzpay, shop):
    assert shop["id"].startswith("mer_")
    assert (shop["tier"], shop["requests_per_minute"]) == ("standard", 100)
    assert asked(rizzpay, "show", shop["id"]) == shop
    assert shop in asked(rizzpay, "list")["merchants"]
    assert "Asha's Books" in rizzpay("merchants", "list")
    assert "5942" in rizzpay("merchants", "show", shop["id"])


def test_a_limit_that_the_tier_does_not_have_is_refused(rizzpay):
    new = ("--name", "Asha's Wishes", "--mcc", "5942", "--requests-per-minute", "9000")
    said = rizzpay("merchants", "create", *new, status=1)
    assert "requests_per_minute is for tier enterprise" in said
    assert "Asha's Wishes" not in rizzpay("merchants", "list")


def test_a_key_made_by_the_operator_works_and_its_secret_is_printed_once(
    rizzpay, shop, application
):
    key = asked(rizzpay, "keys", "create", shop["id"], "--label", "first")
    client = Client(application, key["id"], key["secret"])
    assert client.pay().status == 201
    assert key["secret"] not in rizzpay("merchants", "keys", "list", shop["id"], "--json")
    revoked = asked(rizzpay, "keys", "revoke", key["id"], "--merchant", shop["id"])
    assert revoked["revoked_at"]


def test_a_key_may_be_live_narrow_and_short_lived(rizzpay, shop, operator):
    key = asked(
        rizzpay,
        *("keys", "create", shop["id"], "--live", "--scope", "payments:read"),
        *("--allow", "203.0.113.0/24", "--expires-at", "2099-01-01"),
    )
    assert key["id"].startswith("rk_live_")
    assert key["expires_at"] == "2099-01-01T00:00:00+00:00"
    shown = Presented(key["id"], Secret(key["secret"]), None)
    with pytest.raises(Exception, match="ip_not_allowed"):
        operator.authenticate(shown, clock.now())


def test_a_third_key_is_one_clear_sentence(rizzpay, shop):
    for _ in range(2):
        asked(rizzpay, "keys", "create", shop["id"])
    said = rizzpay("merchants", "keys", "create", shop["id"], status=1)
    assert "too_many_keys" in said
    assert "Traceback" not in said


def test_status_and_tier_are_changed_and_stand_in_the_trail(rizzpay, shop, operator):
    assert asked(rizzpay, "suspend", shop["id"])["status"] == "suspended"
    assert asked(rizzpay, "activate", shop["id"])["status"] == "active"
    assert asked(rizzpay, "tier", shop["id"], "--tier", "premium")["requests_per_minute"] == 500
    own = ("--tier", "enterprise", "--requests-per-minute", "9000")
    assert asked(rizzpay, "tier", shop["id"], *own)["requests_per_minute"] == 9000
    said = rizzpay("merchants", "tier", shop["id"], "--tier", "enterprise", status=1)
    assert "enterprise needs requests_per_minute" in said
    own = ("--tier", "premium", "--requests-per-minute", "9000")
    said = rizzpay("merchants", "tier", shop["id"], *own, status=1)
    assert "choose that tier, or leave it out for the 500 of tier premium" in said
    with operator._database.transaction() as conn:
        rows = conn.execute(
            "SELECT action, actor FROM rizzpay.audit_log WHERE object_id = %s ORDER BY id",
            [shop["id"]],
        ).fetchall()
    actions = ["merchant.created", *["merchant.status_set"] * 2, *["merchant.tier_set"] * 2]
    assert rows == [(action, "operator:asha") for action in actions]


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "--name", "x", "--mcc", "54x1"),
        ("create", "--name", "x", "--mcc", "5411", "--upi-vpa", "nobody"),
        ("create", "--name", "x", "--mcc", "5411", "--tier", "golden"),
        ("tier",),
    ],
)
def test_wrong_use_is_status_two(rizzpay, arguments):
    assert "Usage:" in rizzpay("merchants", *arguments, status=2)


def test_an_unknown_merchant_is_one_clear_sentence(rizzpay):
    assert "no such merchant" in rizzpay("merchants", "show", "mer_nobody", status=1)


def test_health_says_ready_in_words_and_json(rizzpay):
    assert rizzpay("health").startswith("ready\n")
    shown = json.loads(rizzpay("health", "--json"))
    assert shown["status"] == "ready"
    assert shown["checks"]["hsm"]["state"] == "up"
