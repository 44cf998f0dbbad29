"""The inbox in groups: many callbacks at once, copies, a poison one, a database that is away."""

import secrets
from collections import Counter

import gevent
import psycopg
import pytest

from rizzpay.core import ids
from rizzpay.infra.database import Database, Role
from rizzpay.webhooks import inbound
from tests.webhooks.world import NOON, later

CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE usename = current_user AND datname = current_database() AND pid <> pg_backend_pid()
"""
BODY = b'{"event":"payment.captured"}'
TOO_LONG = secrets.token_hex(4_500)  # and not to be compressed: no index takes that


@pytest.fixture
def gateway():
    """A gateway that no other test knows."""
    return f"sandbox_{ids.new_id('request', NOON)[-8:].lower()}"


@pytest.fixture
def inbox(app):
    inbox = inbound.Inbox(app)
    yield inbox
    inbox.close()


def arrived(world, gateway, number, at=NOON):
    sealed = inbound.seal(world.envelope, gateway, number, {}, BODY)
    return inbound.Arrived(gateway, number, sealed, at)


def together(inbox, wanted):
    """Hand in all at once; results or exceptions, in order."""
    greenlets = [gevent.spawn(inbox.keep, one) for one in wanted]
    gevent.joinall(greenlets, timeout=30)
    return [g.value if g.successful() else g.exception for g in greenlets]


def kept(world, gateway):
    """Return the numbers that are there, each with how many jobs it has."""
    with world.worker.transaction() as conn:
        rows = conn.execute(
            "SELECT c.provider_event_id, count(j.id) FROM rizzpay.gateway_callbacks AS c "
            "LEFT JOIN rizzpay.jobs AS j ON j.kind = 'callbacks.apply' "
            "AND j.payload -> 'ids' @> to_jsonb(c.id) "
            "WHERE c.gateway = %s GROUP BY c.id ORDER BY c.provider_event_id",
            [gateway],
        ).fetchall()
    return [tuple(row) for row in rows]


def test_callbacks_that_come_together_are_all_kept_with_their_jobs(world, inbox, gateway):
    numbers = [f"cb_{n:03}" for n in range(300)]
    assert together(inbox, [arrived(world, gateway, n) for n in numbers]) == [True] * 300
    assert kept(world, gateway) == [(number, 1) for number in numbers]


def test_of_many_copies_at_once_one_is_new_and_one_is_kept(world, inbox, app, gateway):
    other = inbound.Inbox(app)  # another process
    greenlets = [
        gevent.spawn((other if n % 2 else inbox).keep, arrived(world, gateway, f"cb_{n % 5}"))
        for n in range(100)
    ]
    gevent.joinall(greenlets, timeout=30, raise_error=True)
    other.close()
    assert Counter(greenlet.value for greenlet in greenlets) == {True: 5, False: 95}
    assert kept(world, gateway) == [(f"cb_{n}", 1) for n in range(5)]
    assert inbox.keep(arrived(world, gateway, "cb_0")) is False


def test_one_that_the_database_cannot_take_fails_alone(world, inbox, gateway):
    wanted = [arrived(world, gateway, f"cb_{n:02}") for n in range(60)]
    wanted.insert(17, arrived(world, gateway, TOO_LONG))
    results = together(inbox, wanted)
    assert isinstance(results.pop(17), psycopg.errors.ProgramLimitExceeded)
    assert results == [True] * 60
    assert kept(world, gateway) == [(f"cb_{n:02}", 1) for n in range(60)]


def test_nobody_hears_anything_good_when_the_database_is_away(world, own_database, gateway):
    database = Database(own_database, Role.APP, size=2)
    inbox = inbound.Inbox(database)
    assert inbox.keep(arrived(world, gateway, "cb_1")) is True
    database.close()
    results = together(inbox, [arrived(world, gateway, f"cb_{n}") for n in range(5)])
    assert len(results) == 5
    assert not any(result in {True, False} for result in results)


def test_connections_that_were_cut_are_replaced(world, own_database, gateway):
    database = Database(own_database, Role.APP, size=3)
    inbox = inbound.Inbox(database)
    assert inbox.keep(arrived(world, gateway, "cb_1")) is True
    with database.transaction() as conn:
        conn.execute(CUT)
    assert together(inbox, [arrived(world, gateway, f"cb_{n}") for n in range(3)]) == [
        True,
        False,
        True,
    ]
    inbox.close()
    database.close()


def test_the_lag_is_the_age_of_the_oldest_that_waits(own_database, world):
    app, worker = Database(own_database, Role.APP, size=1), Database(own_database, Role.WORKER)
    with worker.transaction() as conn:
        assert inbound.lag(conn, NOON) == inbound.Lag(0, 0.0)
    inbox = inbound.Inbox(app)
    together(inbox, [arrived(world, "sandbox", f"cb_{n}") for n in range(3)])
    with worker.transaction() as conn:
        (now,) = conn.execute("SELECT now() + interval '90 seconds'").fetchone()
        lag = inbound.lag(conn, now)
    assert lag.waiting == 3
    assert 90 <= lag.oldest_s < 95
    with worker.transaction() as conn:
        ids_ = [row[0] for row in conn.execute("SELECT id FROM rizzpay.gateway_callbacks")]
        assert inbound.mark_all(conn, dict.fromkeys(ids_, "applied"), later(seconds=1)) == 3
        assert inbound.mark_all(conn, dict.fromkeys(ids_, "again"), later(seconds=2)) == 0
        assert inbound.mark_all(conn, {}, NOON) == 0
    inbox.close()
    app.close()
    worker.close()
