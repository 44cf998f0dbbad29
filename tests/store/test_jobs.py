"""Jobs on a real database: queues, leases, fencing tokens, sets, and the way to what is due."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest

from rizzpay.core import clock
from rizzpay.infra import arrays, jobs
from rizzpay.infra.database import Database, Role, conninfo
from rizzpay.infra.jobs import Again, NewJob

FUTURE = """
INSERT INTO rizzpay.jobs (kind, key, run_at)
SELECT 'payment.expire', 'pay_' || n, now() + interval '1 hour' + n * interval '1 ms'
FROM generate_series(1, 200000) AS n
"""

SEQ_SCANS = "SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'jobs'"


@pytest.fixture
def database(own_database):
    """The worker's pool of a database that has no jobs but this test's."""
    database = Database(own_database, Role.WORKER, size=8)
    yield database
    database.close()


def add(database, kind, keys, *, ago_s=1.0, **more):
    at = clock.now() - timedelta(seconds=ago_s)
    with database.transaction() as conn:
        jobs.enqueue(conn, [NewJob(kind, str(key), at, **more) for key in keys])


def lease(database, lease_s=60.0, since=jobs.ALL, **limits):
    with database.transaction() as conn:
        return jobs.lease(conn, clock.now(), limits, lease_s, since)


def finish(database, *leased):
    with database.transaction() as conn:
        return jobs.finish(conn, *leased)


def retry(database, *pairs):
    with database.transaction() as conn:
        return jobs.retry(conn, pairs)


def left(database):
    with database.transaction() as conn:
        return conn.execute("SELECT kind, key FROM rizzpay.jobs ORDER BY kind, key").fetchall()


def test_each_kind_has_its_own_limit_and_nobody_stands_in_front_of_another(database):
    add(database, "slow", range(10, 60), ago_s=100)
    add(database, "money", range(5))
    leased = lease(database, slow=3, money=10)
    assert sorted(job.kind for job in leased) == ["money"] * 5 + ["slow"] * 3
    assert [job.key for job in leased if job.kind == "slow"] == ["10", "11", "12"]
    assert [job.kind for job in lease(database, other=10)] == []


def test_what_is_due_longest_comes_first_and_what_is_not_due_stays(database):
    add(database, "k", ["later"], ago_s=-60)
    add(database, "k", ["new"], ago_s=1)
    add(database, "k", ["old"], ago_s=9)
    assert [job.key for job in lease(database, k=1)] == ["old"]
    assert [job.key for job in lease(database, k=9)] == ["new"]


def test_a_lease_keeps_others_away_until_it_runs_out(database):
    add(database, "k", ["a"])
    (first,) = lease(database, lease_s=0.0, k=9)
    (second,) = lease(database, k=9)
    assert (second.attempts, second.lease_token) == (2, first.lease_token + 1)
    assert lease(database, k=9) == []
    assert finish(database, first) == 0  # it was taken over
    assert finish(database, second) == 1
    assert left(database) == []


def test_a_set_is_finished_but_for_what_was_lost_or_asked_for_again(database):
    add(database, "k", ["a", "b", "c"])
    leased = {job.key: job for job in lease(database, k=9)}
    add(database, "k", ["b"], ago_s=-60)  # somebody wants it once more, later
    assert finish(database, *leased.values()) == 2
    assert left(database) == [("k", "b")]
    assert finish(database) == 0


def test_a_set_is_given_back_each_with_its_own_time_and_note(database):
    add(database, "k", ["a", "b"])
    a, b = lease(database, k=9)
    soon, late = clock.now() - timedelta(seconds=1), clock.now() + timedelta(hours=1)
    assert retry(database, (b, Again(late, "x" * 1000)), (a, Again(soon, "busy"))) == 2
    assert retry(database, (a, Again(late, "twice"))) == 1  # still the same lease
    assert lease(database, k=9) == []
    with database.transaction() as conn:
        notes = conn.execute("SELECT last_error FROM rizzpay.jobs ORDER BY key").fetchall()
    assert notes == [("twice",), ("x" * 500,)]


def test_payloads_and_tenants_come_back_as_they_went_in(database):
    add(database, "k", ["a"], payload={"endpoint_id": "we_1"})
    add(database, "k", ["b"])
    assert [(job.payload, job.tenant) for job in lease(database, k=9)] == [
        ({"endpoint_id": "we_1"}, None),
        ({}, None),
    ]


def test_what_was_due_before_a_moment_can_be_left_alone(database):
    add(database, "k", ["old"], ago_s=60)
    add(database, "k", ["new"], ago_s=1)
    since = {"k": clock.now() - timedelta(seconds=10)}
    assert [job.key for job in lease(database, since=since, k=9)] == ["new"]
    assert [job.key for job in lease(database, k=9)] == ["old"]


def test_leases_at_the_same_time_share_nothing_and_miss_nothing(database):
    add(database, "k", range(1000))
    start = threading.Barrier(8)

    def work(_):
        start.wait()
        mine = []
        while leased := lease(database, k=32):
            mine += [job.key for job in leased]
            finish(database, *leased)
        return mine

    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(work, range(8)))
    done = [key for part in parts for key in part]
    assert len(done) == len(set(done))
    # What another one was just looking at is passed over, so a last look may be needed.
    assert {job.key for job in lease(database, k=1000)} | set(done) == {str(n) for n in range(1000)}


def test_the_backlog_is_counted_by_kind(database):
    add(database, "k", range(3), ago_s=60)
    add(database, "later", range(3), ago_s=-60)
    with database.transaction() as conn:
        (only,) = jobs.backlog(conn, ["k", "later", "none"], clock.now())
    assert (only.kind, only.count) == ("k", 3)
    assert 59 < (clock.now() - only.oldest).total_seconds() < 70


def test_due_jobs_are_found_by_an_index_among_many_that_are_not(database, own_database):
    with database.transaction() as conn:
        conn.execute(FUTURE)
    add(database, "callback.apply", range(1000))
    owner = Database(own_database, Role.OWNER, size=1)
    with owner.transaction() as conn:
        conn.execute("ANALYZE rizzpay.jobs")
    owner.close()
    values = {
        "now": clock.now(),
        "kinds": arrays.text(["callback.apply", "payment.expire", "webhook.deliver"]),
        "limits": arrays.integer([128, 5, 5]),
        "sinces": arrays.timestamptz([jobs.BEGINNING] * 3),
        "lease_until": clock.now(),
    }
    for mode in ("force_generic_plan", "force_custom_plan"):
        with database.transaction() as conn:
            conn.execute(f"SET LOCAL plan_cache_mode = {mode}")
            plan = conn.execute("EXPLAIN (ANALYZE, BUFFERS) " + jobs.LEASE, values).fetchall()
        text = "\n".join(row[0] for row in plan)
        assert "Index Scan using jobs_due_by_kind" in text, text
        assert "Index Scan using jobs_pkey" in text, text
        assert "Seq Scan" not in text, text


def test_a_plan_that_was_made_while_the_queue_was_empty_does_not_read_all_of_it(
    database, own_database
):
    """A vacuum of a queue that is done leaves a file without pages: reading it all looks free."""
    limits = {"money": 5}

    def seq_scans_of_a_round() -> int:
        with database.pipelined() as conn:
            leased = jobs.leased(jobs.ask(conn, clock.now(), limits, 60.0))
            jobs.drop(conn, leased)
            jobs.cancel(conn, [("money", "gone")])
            return conn.send(SEQ_SCANS).rows()[0][0]

    add(database, "money", range(5))
    finish(database, *lease(database, money=5))
    with psycopg.connect(conninfo(own_database, Role.OWNER), autocommit=True) as owner:
        for _ in range(10):  # autovacuum may be at it, which keeps the file's end
            owner.execute("VACUUM (ANALYZE) rizzpay.jobs")
            size = owner.execute("SELECT pg_relation_size('rizzpay.jobs')").fetchone()
            if size == (0,):
                break
        assert size == (0,)
    assert seq_scans_of_a_round() == 0
    add(database, "money", range(5))
    assert seq_scans_of_a_round() == 0
