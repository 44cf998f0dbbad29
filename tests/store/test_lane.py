"""Drafts that follow one another on a connection, on a real PostgreSQL: errors, kills, losses."""

from random import Random

import gevent
import psycopg
import pytest
from gevent.event import Event

from rizzpay.core.errors import Unavailable
from rizzpay.infra.database import CommitUnknown, Database, Role, Severed
from rizzpay.infra.pipeline import Draft

INSERT = "INSERT INTO rizzpay.jobs (kind, key, run_at) VALUES ('lane', %(key)s, now())"
FOUND = "SELECT key FROM rizzpay.jobs WHERE kind = 'lane' AND key LIKE %(key)s ORDER BY key"
DIVIDE = "SELECT 1 / %(by)s::integer"
SLEEP = "SELECT pg_sleep(%(seconds)s::float8)"
READ_ONLY = "SET TRANSACTION READ ONLY"  # as every one is on a standby that is being promoted
BACKEND = "SELECT pg_backend_pid()"
END = "SELECT pg_terminate_backend(%(pid)s::integer)"
LONG = "SELECT length(%(key)s::text)"
OUTCOMES = (Severed, CommitUnknown)


@pytest.fixture
def database(postgres):
    database = Database(postgres, Role.WORKER, size=1)
    for query, values in ((SLEEP, {"seconds": "0"}), (INSERT, {"key": ""}), (DIVIDE, {"by": 1})):
        draft = Draft()  # known to the server from now on, so that they may follow each other
        draft.send(query, values)
        draft.send("DELETE FROM rizzpay.jobs WHERE kind = 'lane' AND key = ''")
        database.run(draft)
    yield database
    database.close()


def start(database, *statements):
    """Run one draft in a greenlet; its value is the draft or the exception."""
    draft = Draft()
    for query, values in statements:
        draft.send(query, values)

    def run():
        try:
            database.run(draft)
        except Exception as error:  # noqa: BLE001 - the outcome is what is looked at
            return error
        return draft

    return gevent.spawn(run)


def found(worker, like):
    with worker.transaction() as conn:
        return [key for (key,) in conn.send(FOUND, {"key": like}).rows()]


def outcomes(greenlets):
    with gevent.Timeout(20):
        return [greenlet.get() for greenlet in greenlets]


def test_drafts_that_run_together_use_one_connection_one_after_the_other(database, worker):
    sleep = (SLEEP, {"seconds": "0.2"})
    drafts = outcomes(
        start(database, sleep, (BACKEND, {}), (INSERT, {"key": f"together-{n}"})) for n in range(5)
    )
    assert len({draft.sent[1].rows()[0][0] for draft in drafts}) == 1
    assert found(worker, "together-%") == [f"together-{n}" for n in range(5)]
    assert database.stats().available == 1


def test_a_server_that_takes_no_writes_is_unavailable_and_nobody_calls_it_a_bug(database, worker):
    drafts = [(READ_ONLY, {}), (INSERT, {"key": "read-only"})]
    (error,) = outcomes([start(database, *drafts)])
    assert type(error) is Unavailable
    for begin in (worker.transaction, worker.pipelined):
        with pytest.raises(Unavailable, match="ReadOnlySqlTransaction"), begin() as conn:
            for query, values in drafts:
                conn.send(query, values)
    assert found(worker, "read-only") == []
    assert database.stats().available == database.size
    assert worker.stats().available == worker.size


def test_a_draft_sets_out_before_the_one_ahead_is_through(database, worker):
    """The server needs nobody to go on: it does the second while we look at neither."""
    ahead = start(database, (SLEEP, {"seconds": "0.1"}), (INSERT, {"key": "ahead-1"}))
    behind = start(database, (INSERT, {"key": "ahead-2"}))
    gevent.sleep(0.02)
    with worker.transaction() as conn:  # sleeps in the server, and nothing else runs here
        psycopg.Connection.execute(conn, SLEEP.replace("%(seconds)s", "0.5"))
        assert not ahead.dead
        assert not behind.dead
        (keys,) = conn.send(
            "SELECT array_agg(key) FROM rizzpay.jobs WHERE key LIKE 'ahead-%%'"
        ).rows()
    assert sorted(keys[0]) == ["ahead-1", "ahead-2"]
    outcomes([ahead, behind])


def test_one_that_fails_takes_only_what_is_already_behind_it_along(database, worker):
    slow = (SLEEP, {"seconds": "0.2"})
    bad = start(database, slow, (INSERT, {"key": "fails-1"}), (DIVIDE, {"by": 0}))
    behind = start(database, (INSERT, {"key": "fails-2"}))
    failed, skipped = outcomes([bad, behind])
    assert isinstance(failed, psycopg.errors.DivisionByZero)
    assert isinstance(skipped, Severed)
    assert isinstance(outcomes([start(database, (INSERT, {"key": "fails-3"}))])[0], Draft)
    assert found(worker, "fails-%") == ["fails-3"]


def test_statements_that_the_server_does_not_know_yet_wait_for_the_ones_ahead(database):
    ahead = start(database, (SLEEP, {"seconds": "0.2"}))
    new = [start(database, ("SELECT 'not sent before'", {})) for _ in range(3)]
    assert all(isinstance(outcome, Draft) for outcome in outcomes([ahead, *new]))


def test_more_than_a_socket_holds_goes_through_behind_another(database):
    text = "x" * 3_000_000
    drafts = outcomes(
        start(database, (SLEEP, {"seconds": "0.2"}), (LONG, {"key": text})) for _ in range(3)
    )
    assert [draft.sent[1].rows() for draft in drafts] == [[(len(text),)]] * 3


def test_whoever_is_killed_leaves_a_connection_for_the_next_and_nobody_waits(database, worker):
    killed = start(database, (SLEEP, {"seconds": "20"}), (INSERT, {"key": "killed-1"}))
    behind = start(database, (INSERT, {"key": "killed-2"}))
    gevent.sleep(0.2)
    killed.kill()
    (told,) = outcomes([behind])
    assert isinstance(told, OUTCOMES)
    assert isinstance(outcomes([start(database, (DIVIDE, {"by": 1}))])[0], Draft)
    assert database.stats().available == 1
    assert "killed-1" not in found(worker, "killed-%")


def test_the_one_behind_may_be_killed_before_its_turn(database):
    ahead = start(database, (SLEEP, {"seconds": "1"}))
    behind = start(database, (SLEEP, {"seconds": "20"}))
    gevent.sleep(0.2)
    behind.kill()
    assert isinstance(outcomes([ahead])[0], (Draft, *OUTCOMES))
    assert isinstance(outcomes([start(database, (DIVIDE, {"by": 1}))])[0], Draft)


def test_a_server_that_ends_the_connection_did_nothing_of_what_says_so(database, worker):
    (draft,) = outcomes([start(database, (BACKEND, {}))])
    ((pid,),) = draft.sent[0].rows()
    ahead = start(database, (SLEEP, {"seconds": "5"}), (INSERT, {"key": "ended-1"}))
    behind = start(database, (INSERT, {"key": "ended-2"}))
    gevent.sleep(0.2)
    with worker.transaction() as conn:
        conn.send(END, {"pid": pid})
    assert [type(outcome) for outcome in outcomes([ahead, behind])] == [Severed, Severed]
    assert found(worker, "ended-%") == []
    assert isinstance(outcomes([start(database, (DIVIDE, {"by": 1}))])[0], Draft)


def test_what_is_said_of_a_storm_of_drafts_is_true(database, worker):
    """Hundreds at once, some bad, some killed, the connection ended now and then."""
    random, through = Random(20261121), Event()

    def end_connections():
        while not through.wait(0.15):
            with worker.transaction() as conn:
                conn.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE pid <> pg_backend_pid() AND query LIKE '%rizzpay.jobs%' "
                    "AND datname = current_database() AND application_name = 'rizzpay_worker' "
                    "AND state <> 'idle'"
                )

    ender = gevent.spawn(end_connections)
    greenlets = []
    for number in range(400):
        by = 0 if random.random() < 0.1 else 1
        insert = (INSERT, {"key": f"storm-{number:03}"})
        greenlets.append(start(database, insert, (DIVIDE, {"by": by})))
        gevent.sleep(0.002)
    done = outcomes(greenlets)
    through.set()
    ender.join()
    there = set(found(worker, "storm-%"))
    for number, outcome in enumerate(done):
        if not isinstance(outcome, CommitUnknown):
            assert (f"storm-{number:03}" in there) is isinstance(outcome, Draft), outcome
    assert sum(isinstance(outcome, Draft) for outcome in done) > 200
    assert sum(isinstance(outcome, psycopg.errors.DivisionByZero) for outcome in done) > 10
