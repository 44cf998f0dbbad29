"""Which connection somebody gets: the one that was used last."""

from contextlib import ExitStack

import pytest

from rizzpay.core import clock
from rizzpay.infra import hot_first
from rizzpay.infra.database import Database, Role

SIZE = 4
PID = "SELECT pg_backend_pid()"


@pytest.fixture
def database(postgres):
    database = Database(postgres, Role.APP, size=SIZE)
    with ExitStack() as all_of_them:  # the pool opens them in the background
        for _ in range(SIZE):
            all_of_them.enter_context(database.transaction())
    yield database
    database.close()


def pid(database: Database) -> int:
    with database.transaction() as conn:
        return conn.send(PID).rows()[0][0]


def test_one_after_another_have_the_same_connection(database):
    assert len({pid(database) for _ in range(3 * SIZE)}) == 1


def test_the_one_that_was_given_back_last_comes_first(database):
    with database.transaction() as outer:
        outer_pid = outer.send(PID).rows()[0][0]
        inner_pid = pid(database)
        assert inner_pid != outer_pid
    assert pid(database) == outer_pid
    assert database.stats().available == SIZE


def test_a_connection_that_the_server_ended_is_replaced(database, cluster):
    lost = pid(database)
    with cluster.server.connect() as superuser:
        superuser.execute("SELECT pg_terminate_backend(%s, 5000)", [lost])
    assert {pid(database) for _ in range(SIZE)}.isdisjoint({lost})
    with database.transaction() as conn:
        assert conn.send("SELECT 1").rows() == [(1,)]


def test_after_a_while_it_goes_back_to_the_pool(database, monkeypatch):
    first = pid(database)
    later = clock.monotonic_s() + hot_first.LOAN_MAX_S
    monkeypatch.setattr(clock, "monotonic_s", lambda: later)
    assert pid(database) == first  # was idle here; now it is the pool's again, behind the others
    assert pid(database) != first


def test_every_connection_is_there_again_after_errors(database):
    for _ in range(2 * SIZE):
        with pytest.raises(ZeroDivisionError), database.transaction():
            raise ZeroDivisionError
    assert database.stats().available == SIZE


def test_a_connection_that_outlives_its_pool_is_closed_when_it_comes_back(database):
    with database.transaction() as conn:
        database.close()
        assert conn.send("SELECT 1").rows() == [(1,)]
    assert conn.closed
