"""The count in the database after a load: it finds what is missing, doubled or unbalanced.

Each damage is done by the superuser in a transaction that is rolled back.
"""

import json
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from capacity import installation
from capacity.load import preflight, proof, running
from capacity.load.mixes import Acknowledged, Wording
from capacity.load.proof import Case
from capacity.load.running import Session, Wish

COLUMNS = """
SELECT string_agg(quote_ident(column_name), ', ')
FROM information_schema.columns
WHERE table_schema = 'rizzpay' AND table_name = 'payments' AND column_name <> 'id'
"""


@pytest.fixture(scope="module")
def session(appliance):
    data = appliance.data
    found = Session.open(installation.read(data / "credentials.json", data / "rizzpay.toml"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def case(session):
    """What a short run has acknowledged."""
    sent = running.send(session, Wish(mix="refund", connections=2, seconds=1.0))
    return sent.case


@pytest.fixture
def superuser(appliance):
    with appliance.superuser() as conn:
        conn.autocommit = False
        conn.execute("SET session_replication_role = replica")  # no triggers, no foreign keys
        yield conn
        conn.rollback()


@pytest.mark.alone  # a generator that is late itself says nothing
def test_a_run_of_every_mix_is_proved(session):
    for mix in ("create", "read", "refund"):
        found = running.run(session, Wish(mix=mix, rate=20.0, connections=8, seconds=1.0))
        assert found.result, found.reasons
        assert found.unsent == found.unanswered == 0
        if mix != "read":
            assert found.proof.acknowledged == found.proof.found == found.proof.claims > 0
    assert found.proof.refunds == found.proof.acknowledged


@pytest.mark.alone  # a generator that is late itself says nothing
def test_the_figures_of_a_run_name_components_and_durable_settings(session):
    found = running.run(session, Wish(connections=2, seconds=1.0, merchants=2))
    assert found.durable["fsync"] == "on"
    assert found.cpu_us_each["api"] > 0
    assert found.cpu_us_each["postgres"] > 0
    assert found.service["groups"] > 0
    assert found.workers == len(found.worker_rss_mb) > 0
    assert found.merchants == 2


def test_an_untouched_database_has_no_fault(session, case):
    assert proof.prove(session.conn, case).faults == []


def test_a_payment_that_vanished_is_found(superuser, case):
    lost = case.acknowledged.payments[0][2].decode()
    superuser.execute("DELETE FROM rizzpay.payments WHERE id = %s", [lost])
    faults = proof.prove(superuser, case).faults
    assert any("are not in the database" in fault and lost in fault for fault in faults)


def test_a_payment_that_is_there_twice_is_found(superuser, case):
    first = case.acknowledged.payments[0][2].decode()
    plain = superuser.execute(COLUMNS).fetchone()[0]
    # what names money at the gateway is one payment's, and the database sees to that
    others = plain.replace("rrn", "NULL").replace("gateway_reference", "'ch_twice'")
    superuser.execute(
        f"INSERT INTO rizzpay.payments (id, {plain}) "
        f"SELECT 'pay_twice', {others} FROM rizzpay.payments WHERE id = %s",
        [first],
    )
    faults = proof.prove(superuser, case).faults
    assert any("payments were written by" in fault for fault in faults)


def test_a_payment_that_nobody_was_told_of_is_found(session, case):
    told = Acknowledged()
    told.payments += case.acknowledged.payments[1:]
    faults = proof.prove(session.conn, replace(case, acknowledged=told)).faults
    assert any("nobody was told of" in fault for fault in faults)


def test_a_key_that_made_another_payment_is_found(superuser, case):
    first = case.acknowledged.payments[0][2].decode()
    superuser.execute(
        "UPDATE rizzpay.idempotency_claims SET object_id = 'pay_other' WHERE object_id = %s",
        [first],
    )
    faults = proof.prove(superuser, case).faults
    assert any("not what their idempotency key made" in fault for fault in faults)


def test_a_refund_that_vanished_is_found(superuser, case):
    paid = case.acknowledged.refunds[0].decode()
    superuser.execute("DELETE FROM rizzpay.refunds WHERE payment_id = %s", [paid])
    faults = proof.prove(superuser, case).faults
    assert any("exactly the one refund" in fault for fault in faults)


def test_an_account_that_differs_from_its_transfers_is_found(superuser, case):
    superuser.execute(
        "UPDATE rizzpay.ledger_accounts SET debits_posted = debits_posted + 1 "
        "WHERE merchant_id = %s AND name = 'merchant_pending'",
        [case.merchants[0]],
    )
    faults = proof.books(superuser, case.merchants)
    assert any("accounts differ" in fault for fault in faults)
    assert any("do not balance" in fault for fault in faults)


def test_a_capture_that_did_not_happen_is_found(session, case):
    told = Acknowledged()
    told.captures.append(b"pay_never")
    wording = Wording("x", case.shops, "none-")
    now = proof.clock(session.conn)
    found = proof.prove(session.conn, Case(wording, case.shops, now, now, told, 0))
    assert found.captured == 0
    assert any("are not captured" in fault for fault in found.faults)


def test_the_real_database_is_durable(session):
    assert preflight.durable(session.conn)["synchronous_commit"] == "on"


def test_ctrl_c_ends_a_run_with_a_report_of_its_part(appliance, tmp_path):
    data, file = appliance.data, tmp_path / "run.json"
    # whoever runs the tests in the background ignores SIGINT, and so would the child
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        load = subprocess.Popen(
            [
                *(sys.executable, "-m", "capacity", "load", "--rate", "10", "--seconds", "60"),
                *("--credentials", data / "credentials.json", "--config", data / "rizzpay.toml"),
                *("--json", file),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    with pytest.raises(subprocess.TimeoutExpired):
        load.wait(6)
    load.send_signal(signal.SIGINT)
    said, _ = load.communicate(timeout=40)
    assert "interrupted: a part of the run" in said
    assert "the books balance" in said
    found = json.loads(file.read_text())
    assert found["interrupted"]
    assert 0 < found["proof"]["acknowledged"] == found["proof"]["found"]
