"""Payments whose time is up are queued once, whoever looks and however often."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from rizzpay.core import clock
from rizzpay.infra import jobs
from rizzpay.infra.database import Database, Role
from rizzpay.payments.expiry import Sweep, sweep
from rizzpay.payments.model import EXPIRE_PAYMENT
from tests.store.test_beginnings import beginning, make_writer, shop
from tests.store.test_writer import submitted

QUEUED = "SELECT key, merchant_id, livemode, attempts FROM rizzpay.jobs WHERE kind = %s"
MIX = (-7200, -1, 600)  # seconds from now until they are over


@pytest.fixture
def database(own_database):
    database = Database(own_database, Role.WORKER, size=4)
    yield database
    database.close()


@pytest.fixture
def tenant(database):
    return shop(database)


def waiting(database, tenant, *seconds: float, waits: bool = True) -> list[str]:
    """Return new payments that wait for their customer for so many seconds from now."""
    writer = make_writer(database)
    now = clock.now()
    writes = [
        beginning(tenant, waits=waits, expires_at=now + timedelta(seconds=left)) for left in seconds
    ]
    submitted(writer, writes)
    writer.close()
    return [write.payment_id for write in writes]


def queued(database) -> dict[str, tuple]:
    with database.transaction() as conn:
        rows = conn.execute(QUEUED, (EXPIRE_PAYMENT,)).fetchall()
    return {row[0]: row[1:] for row in rows}


def test_what_is_over_is_queued_once_and_what_is_not_stays(database, tenant):
    old, fresh, _later = waiting(database, tenant, *MIX)
    waiting(database, tenant, -5, waits=False)  # its customer was not asked for anything yet
    look = Sweep(database)
    assert look.queue_expired() == 2
    assert queued(database) == dict.fromkeys([old, fresh], (tenant.merchant_id, False, 0))
    assert [look.queue_expired(), Sweep(database).queue_expired()] == [0, 0]


def test_a_job_that_is_being_done_keeps_its_lease_and_its_tries(database, tenant):
    waiting(database, tenant, -1)
    Sweep(database).queue_expired()
    with database.transaction() as conn:
        (leased,) = jobs.lease(conn, clock.now(), {EXPIRE_PAYMENT: 5}, 60.0)
    assert Sweep(database).queue_expired() == 0
    with database.transaction() as conn:
        again = jobs.Again(clock.now() + timedelta(hours=1), "no answer")
        assert jobs.retry(conn, [(leased, again)]) == 1
    assert queued(database)[leased.key][2] == 1


def test_one_that_begins_to_wait_after_its_time_is_found(database, tenant, monkeypatch):
    look = Sweep(database)
    assert look.queue_expired() == 0
    waiting(database, tenant, -30)
    assert look.queue_expired() == 1
    waiting(database, tenant, -sweep.LATE_S - 30)
    assert look.queue_expired() == 0
    later_s = clock.monotonic_s() + sweep.ALL_EVERY_S
    monkeypatch.setattr(clock, "monotonic_s", lambda: later_s)
    assert look.queue_expired() == 1


def test_many_are_queued_in_small_transactions(database, tenant, monkeypatch):
    monkeypatch.setattr(sweep, "MOST", 2)
    waiting(database, tenant, *[-1.0] * 5)
    assert Sweep(database).queue_expired() == 5
    assert len(queued(database)) == 5


def test_workers_that_look_side_by_side_queue_each_payment_once(own_database, database, tenant):
    made = waiting(database, tenant, *[-1.0] * 200)

    def look(_: int) -> int:
        mine = Database(own_database, Role.WORKER, size=1)  # a worker is a process of its own
        try:
            return Sweep(mine).queue_expired()
        finally:
            mine.close()

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(look, range(8)))
    assert sum(counts) == 200, counts
    assert set(queued(database)) == set(made)
