"""Rules of routing by API: proposed by one key, approved by another, tried out, kept, replayed."""

import json

import pytest

from rizzpay.core import clock
from rizzpay.infra.database import Database, Role

URL = "/v1/routing/rule_sets"
FIRST = {"rules": [{"name": "first", "use": {"type": "priority", "gateways": ["sandbox"]}}]}
KEPT = """
SELECT d.attempt_id FROM rizzpay.routing_decisions AS d
JOIN rizzpay.payment_attempts AS a ON a.id = d.attempt_id WHERE a.payment_id = %s
"""


@pytest.fixture
def proposer(new_client):
    return new_client(scopes=["routing:propose", "routing:read"])


@pytest.fixture
def approver(new_client, proposer):
    return new_client(merchant=proposer.merchant, scopes=["routing:approve", "routing:read"])


@pytest.fixture
def database(settings):
    database = Database(settings.database, Role.WORKER, size=1)
    yield database
    database.close()


@pytest.fixture
def rules(proposer, approver, parts):
    """Put rules in force; afterwards none are."""

    def put(rule_set):
        made = proposer.post(URL, {"rule_set": rule_set})
        assert made.status == 201, made.body
        version = made.json()["version"]
        assert approver.post(f"{URL}/{version}/approve").status == 200
        return version

    yield put
    put({})
    assert parts.router.rule_sets.in_force == {}


def attempts(database, payment_id):
    with database.transaction() as conn:
        return [row[0] for row in conn.execute(KEPT, [payment_id]).fetchall()]


def test_a_change_takes_two_keys(proposer, approver, client, rules, parts):
    made = proposer.post(URL, {"rule_set": FIRST}).json()
    assert (made["status"], made["proposed_by"]) == ("proposed", proposer.key_id)
    version = made["version"]
    assert parts.router.rule_sets.in_force == {}
    assert proposer.post(f"{URL}/{version}/approve").code == "insufficient_scope"
    assert client.post(f"{URL}/{version}/approve").code == "insufficient_scope"
    done = approver.post(f"{URL}/{version}/approve").json()
    assert (done["status"], done["approved_by"]) == ("in_force", approver.key_id)
    assert approver.post(f"{URL}/{version}/approve").code == "approval_not_possible"
    assert approver.get(f"{URL}/{version}").json() == done
    rules(FIRST)
    assert approver.get(f"{URL}/{version}").json()["status"] == "replaced"


def test_no_key_both_proposes_and_approves(new_client, proposer, approver):
    with pytest.raises(Exception, match="both proposes and approves"):
        new_client(scopes=["routing:propose", "routing:approve"])
    refused = new_client(scopes=["keys:write", "routing:propose"]).post(
        "/v1/api_keys", {"scopes": ["routing:approve"]}
    )
    assert refused.code == "scope_not_grantable"


def test_a_key_has_no_right_to_the_rules_unless_an_operator_gives_it(client):
    assert client.post(URL, {"rule_set": FIRST}).code == "insufficient_scope"
    assert client.get(URL).code == "insufficient_scope"


def test_a_suspended_merchant_changes_no_rules(proposer, approver, operator, parts):
    version = proposer.post(URL, {"rule_set": FIRST}).json()["version"]
    operator.set_status(proposer.merchant.id, "suspended", "operator:test", clock.now())
    parts.merchants._remembered.clear()
    refused = [
        proposer.post(URL, {"rule_set": FIRST}),
        approver.post(f"{URL}/{version}/approve"),
    ]
    operator.set_status(proposer.merchant.id, "active", "operator:test", clock.now())
    parts.merchants._remembered.clear()
    assert [it.code for it in refused] == ["merchant_suspended"] * 2


def test_an_older_version_is_restored_by_two_keys_as_well(proposer, approver, rules, parts):
    first = rules(FIRST)
    second = rules({"default": {"type": "success_rate"}})
    made = proposer.post(URL, {"restores": first}).json()
    assert (made["restores"], made["version"] > second) == (first, True)
    approver.post(f"{URL}/{made['version']}/approve")
    assert parts.router.rule_sets.in_force[False].version == made["version"]
    assert made["rule_set"] == approver.get(f"{URL}/{first}").json()["rule_set"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "rule_set"),
        ({"rule_set": FIRST, "restores": 1}, "rule_set"),
        ({"restores": 9_999_999}, "restores"),
        ({"restores": "1"}, "restores"),
        ({"rule_set": {"rules": [{"name": "x", "use": {"type": "lowest"}}]}}, None),
        ({"rule_set": {"rules": [{"name": "x", "use": {"type": "priority", "gateways": ["no"]}}]}},
         "rules[0].use"),
        ({"rule_set": {"default": {"type": "volume_split", "shares": {"sandbox": 99}}}},
         "default.shares"),
        ({"rule_set": {"rules": [FIRST["rules"][0]] * 101}}, None),
        ({"rule_set": {"rules": FIRST["rules"] * 2}}, "rules[1].name"),
        ({"rule_set": {"fees": [{"gateway": "sandbox", "method": "card", "basis_points": 1.5}]}},
         None),
        ({"rule_set": {"rulez": []}}, None),
    ],
)  # fmt: skip
def test_rules_that_cannot_be_are_refused_by_field(proposer, body, param):
    refused = proposer.post(URL, body)
    assert refused.status in {404, 422}
    assert refused.code in {"invalid_request", "not_found"}
    if param:
        assert refused.error["param"] == param


@pytest.mark.parametrize("version", ["0", "9" * 18, "9" * 30, "x", "-1", "1.5", "%D9%A1"])
def test_a_version_that_is_not_there_is_not_found(approver, version):
    assert approver.get(f"{URL}/{version}").code == "not_found"
    assert approver.post(f"{URL}/{version}/approve").code == "not_found"


def test_rules_of_test_mode_are_not_those_of_live_mode(new_client, rules):
    version = rules(FIRST)
    live = new_client(livemode=True, scopes=["routing:read"])
    assert live.get(f"{URL}/{version}").code == "not_found"
    assert live.get(URL).json()["data"] == []


def test_a_decision_is_tried_out_by_the_rules_in_force_or_any_other(proposer, rules):
    rules({"rules": [{"name": "large", "when": {"amount_min": 100_000},
                      "use": {"type": "success_rate"}}]})  # fmt: skip
    ask = {"method": "card", "amount": 50_000}
    small = proposer.post("/v1/routing/evaluate", ask).json()
    assert (small["rule"], small["strategy"], small["gateways"]) == (
        None,
        "preference",
        ["sandbox"],
    )
    large = proposer.post("/v1/routing/evaluate", {**ask, "amount": 100_000}).json()
    assert (large["rule"], large["strategy"]) == ("large", "success_rate")
    other = proposer.post(URL, {"rule_set": FIRST}).json()["version"]
    tried = proposer.post("/v1/routing/evaluate", {**ask, "version": other}).json()
    assert (tried["version"], tried["rule"]) == (other, "first")
    no = proposer.post("/v1/routing/evaluate", {"method": "cheque", "amount": 1})
    assert no.code == "method_not_supported"


def test_without_rules_nothing_is_kept_of_a_decision(client, database):
    paid = client.pay().json()
    assert attempts(database, paid["id"]) == []


@pytest.mark.parametrize("method", [{"type": "card", "token": "tok_approve"}, {"type": "upi"}])
def test_a_decision_is_kept_with_its_attempt_and_replayed(client, rules, database, rizzpay, method):
    version = rules(FIRST)
    paid = client.pay(method=method).json()
    [attempt] = attempts(database, paid["id"])
    told = json.loads(rizzpay("routing", "replay", attempt, "--json"))
    assert told["identical"] is True
    assert told["version"] == version
    assert told["decision"]["rule"] == "first"
    asked = told["inputs"]["asked"]
    assert asked["payment_id"] == paid["id"]
    assert asked["merchant_id"] == client.merchant.id
    assert (asked["amount"], asked["mcc"]) == (10_000, "5411")
    assert rizzpay("routing", "replay", attempt).startswith("identical\n")


def test_a_repeated_request_keeps_one_decision(client, rules, database):
    rules(FIRST)
    body = {"amount": 10_000, "method": {"type": "card", "token": "tok_approve"}}
    one = client.post("/v1/payments", body, key="the-same-key").json()
    two = client.post("/v1/payments", body, key="the-same-key").json()
    assert one == two
    assert len(attempts(database, one["id"])) == 1


def test_a_decision_that_comes_out_otherwise_is_said(client, rules, database, rizzpay, settings):
    rules(FIRST)
    [attempt] = attempts(database, client.pay().json()["id"])
    owner = Database(settings.database, Role.OWNER, size=1)
    with owner.transaction() as conn:
        conn.execute("ALTER TABLE rizzpay.routing_decisions NO FORCE ROW LEVEL SECURITY")
        conn.execute(
            "UPDATE rizzpay.routing_decisions SET record = jsonb_set(record::jsonb, "
            "'{decision,gateways}', '[\"elsewhere\"]')::json WHERE attempt_id = %s",
            [attempt],
        )
        conn.execute("ALTER TABLE rizzpay.routing_decisions FORCE ROW LEVEL SECURITY")
    owner.close()
    assert "NOT identical" in rizzpay("routing", "replay", attempt, status=1)


def test_an_attempt_of_which_nothing_is_kept_is_said(rizzpay):
    told = rizzpay("routing", "replay", "att_01J9ZZZZZZZZZZZZZZZZZZZZZZ", status=1)
    assert "Nothing is kept of this attempt" in told


def test_proposal_and_approval_stand_in_the_trail(proposer, approver, rules, database):
    version = rules(FIRST)
    with database.transaction() as conn:
        rows = conn.execute(
            "SELECT action, actor FROM rizzpay.audit_log WHERE object_id = 'routing' "
            "AND (detail ->> 'version')::bigint = %s ORDER BY id",
            [version],
        ).fetchall()
    assert rows == [
        ("routing.proposed", proposer.key_id),
        ("routing.approved", approver.key_id),
    ]
