"""What becomes of payments when nobody is waiting: expiry, holds that run out, the human queue.

Jobs and expiries are brought forward in the database, as time would do it; everything else is
real.
"""

import os
import signal
import subprocess
import sys
import time

import pytest

from rizzpay.payments.model import EXPIRE_PAYMENT
from tests.flows.test_crashes import Journal, check_everything, kill, wait_for_new
from tests.flows.test_life_of_a_payment import events_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

BRING_FORWARD = """
UPDATE rizzpay.jobs SET run_at = now() - interval '1 second' WHERE kind = %s AND key = %s
"""
OVER_NOW = "UPDATE rizzpay.payments SET expires_at = now() WHERE id = %s AND expires_at > now()"
LEASES_OVER = "UPDATE rizzpay.jobs SET lease_until = now() WHERE lease_until > now()"
ENDS = """
SELECT object_id, count(*) FROM rizzpay.events
WHERE type = 'payment.expired' AND object_id = ANY (%s) GROUP BY object_id
"""
ASKED = "SELECT enquiries FROM rizzpay.payment_attempts WHERE payment_id = %s"
CASES = "SELECT reason FROM rizzpay.review_cases WHERE payment_id = %s AND closed_at IS NULL"


def bring_forward(database, kind: str, key: str, deadline_s: float = 20.0) -> None:
    """Let a job be due now; waits until there is one. A payment's end has none before it is due."""
    end = time.monotonic() + deadline_s
    while True:
        with database.transaction() as conn:
            ends = kind == EXPIRE_PAYMENT and conn.execute(OVER_NOW, (key,)).rowcount
            if ends or conn.execute(BRING_FORWARD, (kind, key)).rowcount:
                return
        assert time.monotonic() < end, f"there is no job {kind} {key}"
        time.sleep(0.1)


def types_of(merchant, payment_id: str) -> list[str]:
    return [event["type"] for event in events_of(merchant, payment_id)]


def rizzpay(appliance, *arguments: str) -> str:
    """Run the command as an operator of this installation does; returns what it printed."""
    command = [sys.executable, "-m", "rizzpay", "--config", appliance.data / "rizzpay.toml"]
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, timeout=60, check=False
    ).stdout


def test_a_payment_that_nobody_acts_on_expires_and_late_money_goes_back(
    merchant, database, customer
):
    payment = merchant.pay(7_000, method={"type": "upi", "flow": "qr"}).json()
    bring_forward(database, "payment.expire", payment["id"])
    assert merchant.wait(payment["id"], "expired")["next_action"] is None
    assert types_of(merchant, payment["id"])[-1] == "payment.expired"
    customer.approve(payment)
    shown = merchant.wait(payment["id"], "captured")
    end = time.monotonic() + 20
    while shown["refund_status"] != "full":
        assert time.monotonic() < end
        time.sleep(0.2)
        shown = merchant.get(f"/v1/payments/{payment['id']}").json()
    assert shown["late_authorization"] is True
    assert "payment.late_authorized" in types_of(merchant, payment["id"])


def test_a_payment_that_was_made_in_the_last_moment_does_not_expire(
    appliance, merchant, database, customer
):
    payment = merchant.pay(7_100, method={"type": "upi", "flow": "qr"}).json()
    worker = appliance.pids()["worker"]
    os.kill(worker, signal.SIGSTOP)
    try:
        customer.approve(payment)
        bring_forward(database, "payment.expire", payment["id"])
    finally:
        os.kill(worker, signal.SIGCONT)
    assert merchant.wait(payment["id"], "captured")["late_authorization"] is False


@pytest.mark.parametrize("after_s", [0.0, 0.3, 1.2])
def test_a_worker_that_dies_among_expiries_ends_each_payment_once(
    appliance, merchant, database, after_s
):
    payments = [
        merchant.pay(6_000 + 100 * n, method={"type": "upi", "flow": "qr"}).json()["id"]
        for n in range(20)
    ]
    worker = appliance.pids()["worker"]
    os.kill(worker, signal.SIGSTOP)
    try:
        with database.transaction() as conn:
            for payment_id in payments:
                assert conn.execute(OVER_NOW, (payment_id,)).rowcount == 1
    finally:
        os.kill(worker, signal.SIGCONT)
    time.sleep(after_s)
    kill(worker)
    wait_for_new(appliance, "worker", worker)
    with database.transaction() as conn:  # leases of the dead one run out, as time would have it
        conn.execute(LEASES_OVER)
    for payment_id in payments:
        merchant.wait(payment_id, "expired")
    with database.transaction() as conn:
        assert dict(conn.execute(ENDS, (payments,)).fetchall()) == dict.fromkeys(payments, 1)
    check_everything(appliance, database, Journal())


@pytest.mark.parametrize("captured", [0, 4_000])
def test_a_hold_that_runs_out_is_released(merchant, database, captured):
    payment = merchant.pay(10_000, capture_method="manual").json()
    path = f"/v1/payments/{payment['id']}"
    if captured:
        merchant.post(path + "/capture", {"amount": captured, "final": False})
    bring_forward(database, "authorization.expire", payment["id"])
    shown = merchant.wait(payment["id"], "captured" if captured else "expired")
    assert shown["amount_captured"] == captured
    assert "payment.expired" in types_of(merchant, payment["id"])
    assert merchant.post(path + "/capture", {}).status == 409


def test_an_outcome_that_no_enquiry_settles_goes_to_a_person_and_still_comes_home(
    appliance, merchant, database, settings
):
    answer = merchant.pay(method={"type": "card", "token": "tok_timeout_success"})
    payment_id = answer.json()["error"]["payment_id"]
    shown = merchant.get(f"/v1/payments/{payment_id}?expand[]=attempts").json()
    attempt_id = shown["attempts"][0]["id"]
    sandbox = appliance.pids()["sandbox"]
    os.kill(sandbox, signal.SIGSTOP)
    try:
        end = time.monotonic() + 120
        while True:
            # again and again: a job that is at work now sets its next time itself afterwards
            bring_forward(database, "attempt.resolve", attempt_id)
            with database.transaction() as conn:
                (asked,) = conn.execute(ASKED, (payment_id,)).fetchone()
            if asked >= len(settings.payments.resolve_schedule_s):
                break
            assert time.monotonic() < end, f"asked {asked} times"
            time.sleep(0.3)
        assert merchant.get(f"/v1/payments/{payment_id}").json()["status"] == "unknown"
        with database.transaction() as conn:
            assert conn.execute(CASES, (payment_id,)).fetchall() == [("unknown_outcome",)]
        assert attempt_id in rizzpay(appliance, "unknown", "list", "--older-than", "0s")
    finally:
        os.kill(sandbox, signal.SIGCONT)
    end = time.monotonic() + 60
    while merchant.get(f"/v1/payments/{payment_id}").json()["status"] != "captured":
        assert time.monotonic() < end
        rizzpay(appliance, "unknown", "ask", payment_id)
        time.sleep(1)  # again: an enquiry that was under way sets its next time itself
    assert merchant.get(f"/v1/payments/{payment_id}").json()["amount_captured"] == shown["amount"]
    with database.transaction() as conn:
        assert conn.execute(CASES, (payment_id,)).fetchall() == []
    assert attempt_id not in rizzpay(appliance, "unknown", "list", "--older-than", "0s")
