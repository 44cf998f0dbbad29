"""Callbacks that wait together: a worker that dies among them, and a second one beside it."""

import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.flows.test_crashes import Journal, check_everything, kill, wait_for_new

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

COUNT = 25
WAITING = """
SELECT coalesce(sum(coalesce(jsonb_array_length(payload -> 'ids'), 1)), 0)
FROM rizzpay.jobs WHERE kind IN ('callback.apply', 'callbacks.apply')
"""
EVENTS = """
SELECT object_id, count(*) FROM rizzpay.events
WHERE type = 'payment.captured' AND object_id = ANY (%s) GROUP BY object_id
"""
TRANSFERS = """
SELECT payment_id, count(*) FROM rizzpay.ledger_transfers
WHERE code = 'capture' AND payment_id = ANY (%s) GROUP BY payment_id
"""
RESULTS = "SELECT count(*) FROM rizzpay.gateway_callbacks WHERE applied_at IS NULL"


def wait_for(database, query: str, wanted, deadline_s: float = 60.0) -> None:
    """Wait until a query gives a number that is wanted."""
    end = time.monotonic() + deadline_s
    while True:
        with database.transaction() as conn:
            (found,) = conn.execute(query).fetchone()
        if wanted(found):
            return
        assert time.monotonic() < end, f"{query}: {found}"
        time.sleep(0.02)


@pytest.fixture
def second_worker(appliance):
    """Another worker of the same installation, started as the first one was."""
    process = Path("/proc") / str(appliance.pids()["worker"])
    command = (process / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    pairs = (process / "environ").read_bytes().rstrip(b"\0").split(b"\0")
    environment = dict(pair.split(b"=", 1) for pair in pairs if b"=" in pair)
    started = subprocess.Popen(
        command,
        env=environment,
        cwd=(process / "cwd").readlink(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield started
    started.terminate()
    assert started.wait(30) == 0


def stopped_with_callbacks(merchant, database, customer, *workers: int) -> list[str]:
    """Let callbacks of COUNT payments wait while all workers stand still; returns the payments."""
    payments = [
        merchant.pay(5_000 + 100 * n, method={"type": "upi", "flow": "qr"}).json()
        for n in range(COUNT)
    ]
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)
    for payment in payments:
        customer.approve(payment)
    wait_for(database, WAITING, lambda found: found >= COUNT)
    return [payment["id"] for payment in payments]


def leases_run_out(appliance, database, worker: int) -> None:
    """Let the leases of a killed worker end, as time would have it, once it has a successor.

    Not before: what the dead one had sent may still become a lease after its end.
    """
    wait_for_new(appliance, "worker", worker)
    with database.transaction() as conn:
        conn.execute("UPDATE rizzpay.jobs SET lease_until = now() WHERE lease_until > now()")


def check_applied_once(merchant, database, payment_ids: list[str]) -> None:
    """Every payment is captured, by one transfer, and its merchant is told once."""
    for payment_id in payment_ids:
        merchant.wait(payment_id, "captured")
    wait_for(database, RESULTS, lambda found: found == 0)
    wait_for(database, WAITING, lambda found: found == 0)
    for query in (EVENTS, TRANSFERS):
        with database.transaction() as conn:
            counted = Counter(dict(conn.execute(query, (payment_ids,)).fetchall()))
        assert counted == Counter(payment_ids)


@pytest.mark.parametrize("after_s", [0.0, 0.02, 0.08])
def test_a_worker_that_dies_in_a_set_loses_and_doubles_nothing(
    appliance, merchant, database, customer, after_s
):
    worker = appliance.pids()["worker"]
    payment_ids = stopped_with_callbacks(merchant, database, customer, worker)
    os.kill(worker, signal.SIGCONT)
    time.sleep(after_s)
    kill(worker)
    leases_run_out(appliance, database, worker)
    check_applied_once(merchant, database, payment_ids)
    check_everything(appliance, database, Journal())


def test_two_workers_share_the_work_and_one_of_them_may_die(
    appliance, merchant, database, customer, second_worker
):
    worker = appliance.pids()["worker"]
    payment_ids = stopped_with_callbacks(merchant, database, customer, worker, second_worker.pid)
    for pid in (worker, second_worker.pid):
        os.kill(pid, signal.SIGCONT)
    kill(worker)
    leases_run_out(appliance, database, worker)
    check_applied_once(merchant, database, payment_ids)
    check_everything(appliance, database, Journal())
    assert second_worker.poll() is None
