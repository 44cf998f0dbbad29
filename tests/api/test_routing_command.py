"""`rizzpay routing`: what an operator declares, for everybody and in the trail."""

import json

import pytest

from rizzpay.infra.database import Database, Role

DECLARED = """
SELECT action, actor, detail FROM rizzpay.audit_log
WHERE action LIKE 'gateway.downtime_%%' AND %s IN (object_id, detail ->> 'downtime') ORDER BY id
"""


@pytest.fixture
def declare(rizzpay):
    """Declare a downtime that begins tomorrow, so that no other test meets it."""
    made = []

    def run(*more, start="2099-01-01", status=0):
        about = ("sandbox", "--start", start, "--reason", "works  on\nthe line", *more)
        told = rizzpay("routing", "downtime", "declare", *about, "--json", status=status)
        if status:
            return told
        [downtime] = json.loads(told)["downtimes"]
        made.append(downtime["id"])
        return downtime

    return run


def test_a_downtime_is_declared_listed_ended_and_in_the_trail(rizzpay, declare, settings):
    made = declare("--method", "card", "--end", "2099-01-01T06:30")
    assert made["starts_at"] == "2099-01-01T00:00:00+00:00"
    assert made["ends_at"] == "2099-01-01T06:30:00+00:00"
    assert made["reason"] == "works on the line"
    listed = json.loads(rizzpay("routing", "downtime", "list", "--json"))["downtimes"]
    assert made in listed
    assert "works on" in rizzpay("routing", "downtime", "list")
    assert "is over" in rizzpay("routing", "downtime", "end", made["id"])
    assert made["id"] not in rizzpay("routing", "downtime", "list", "--json")
    database = Database(settings.database, Role.WORKER, size=1)
    with database.transaction() as conn:
        trail = conn.execute(DECLARED, [made["id"]]).fetchall()
    database.close()
    assert [row[:2] for row in trail] == [
        ("gateway.downtime_declared", "operator:asha"),
        ("gateway.downtime_ended", "operator:asha"),
    ]
    assert trail[0][2]["method"] == "card"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--method", "cheque"), "sandbox takes"),
        (("--end", "2098-01-01"), "before it starts"),
        (("--reason", " "), "1 to 200 characters"),
        (("--reason", "x" * 201), "1 to 200 characters"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(declare, more, words):
    assert words in declare(*more, status=1)


def test_a_gateway_that_is_not_configured_is_refused(rizzpay):
    told = rizzpay("routing", "downtime", "declare", "nobody", "--reason", "x", status=1)
    assert "There is no gateway nobody; there are: sandbox." in told


def test_a_downtime_that_is_over_cannot_be_ended(rizzpay, declare):
    made = declare()
    rizzpay("routing", "downtime", "end", made["id"])
    assert "not_found" in rizzpay("routing", "downtime", "end", made["id"], status=1)
