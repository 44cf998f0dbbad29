"""The loop of a worker on a real database: sets, failures, neighbours, and more than one worker."""

from collections import Counter
from datetime import timedelta

import gevent
import pytest

from rizzpay.core import clock
from rizzpay.core.errors import Unavailable
from rizzpay.infra import job_loop, jobs
from rizzpay.infra.database import Database, Role
from rizzpay.infra.job_loop import JobLoop
from rizzpay.infra.jobs import Again, Done, NewJob

LEFT = "SELECT key, attempts, last_error, run_at > now() FROM rizzpay.jobs ORDER BY key"

CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE usename = current_user AND datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture
def database(own_database):
    """The worker's pool of a database that has no jobs but this test's."""
    database = Database(own_database, Role.WORKER, size=6)
    yield database
    database.close()


def add(database, kind, keys):
    with database.transaction() as conn:
        jobs.enqueue(conn, [NewJob(kind, str(key), clock.now()) for key in keys])


def left(database):
    with database.transaction() as conn:
        return [tuple(row) for row in conn.execute(LEFT).fetchall()]


def run(*loops, until, deadline_s=20.0):
    """Run loops side by side until a condition holds."""
    greenlets = [gevent.spawn(loop.run) for loop in loops]
    end = clock.monotonic_s() + deadline_s
    while not until():
        assert clock.monotonic_s() < end
        gevent.sleep(0.02)
    for loop in loops:
        loop.stop()
    gevent.joinall(greenlets, timeout=20, raise_error=True)
    assert all(greenlet.ready() for greenlet in greenlets)


def test_sets_and_single_jobs_are_done_and_gone(database):
    done, sizes = Counter(), []

    def one(job):
        done[job.key] += 1
        return Done()

    def many(leased):
        sizes.append(len(leased))
        done.update(job.key for job in leased)
        return [Done() for _ in leased]

    add(database, "one", [f"s{n}" for n in range(100)])
    add(database, "many", [f"m{n}" for n in range(500)])
    run(JobLoop(database, {"one": one}, {"many": many}), until=lambda: not left(database))
    assert set(done.values()) == {1}
    assert len(done) == 600
    assert max(sizes) == job_loop.BATCH_MAX


def test_a_bad_job_of_a_set_comes_back_later_and_its_neighbours_are_done(database):
    def many(leased):
        if any(job.key == "bad" for job in leased):
            raise ZeroDivisionError
        return [LookupError("mine") if job.key == "odd" else Done() for job in leased]

    add(database, "many", [*range(40), "bad", "odd", *range(40, 80)])
    run(JobLoop(database, {}, {"many": many}), until=lambda: len(left(database)) == 2)
    bad, odd = left(database)
    assert (bad[0], bad[2]) == ("bad", "ZeroDivisionError")
    assert (odd[0], odd[2]) == ("odd", "LookupError")


def test_a_handler_that_raises_is_tried_again_ever_more_seldom(database):
    def one(_):
        raise ZeroDivisionError

    add(database, "one", ["a"])
    with database.transaction() as conn:
        conn.execute("UPDATE rizzpay.jobs SET attempts = 40")
    run(JobLoop(database, {"one": one}, {}), until=lambda: left(database)[0][2])
    with database.transaction() as conn:
        (run_at,) = conn.execute("SELECT run_at FROM rizzpay.jobs").fetchone()
    wait_s = (run_at - clock.now()).total_seconds()
    assert job_loop.BACKOFF_MAX_S - 60 < wait_s <= job_loop.BACKOFF_MAX_S


def test_again_keeps_the_job_with_its_note(database):
    later = clock.now() + timedelta(hours=1)
    loop = JobLoop(database, {"one": lambda _: Again(later, "not yet")}, {})
    add(database, "one", ["a"])
    run(loop, until=lambda: left(database)[0][3])
    assert left(database) == [("a", 1, "not yet", True)]


def test_two_workers_side_by_side_do_everything_once(database, own_database):
    other = Database(own_database, Role.WORKER, size=4)
    done = {"a": Counter(), "b": Counter()}

    def handler(name):
        def many(leased):
            done[name].update(job.key for job in leased)
            gevent.sleep(0.005)
            return [Done() for _ in leased]

        return many

    add(database, "many", range(2000))
    loops = [
        JobLoop(database, {}, {"many": handler("a")}),
        JobLoop(other, {}, {"many": handler("b")}),
    ]
    run(*loops, until=lambda: not left(database))
    other.close()
    assert set((done["a"] + done["b"]).values()) == {1}
    assert sum(len(keys) for keys in done.values()) == 2000
    assert min(len(keys) for keys in done.values()) > 0


def test_what_a_dead_worker_had_leased_is_found_again(database):
    add(database, "many", range(10))
    with database.transaction() as conn:  # it died an hour ago; newer jobs have come since
        jobs.lease(conn, clock.now() - timedelta(seconds=0), {"many": 5}, 0.5)
    run(
        JobLoop(database, {}, {"many": lambda leased: [Done() for _ in leased]}),
        until=lambda: not left(database),
    )


def test_connections_that_are_cut_stop_nothing_for_good(database):
    def many(leased):
        with database.transaction() as conn:
            conn.execute(CUT)
        return [Done() for _ in leased]

    def done():
        try:
            return not left(database)
        except Unavailable:  # ours was cut, too
            return False

    add(database, "many", range(3))
    run(JobLoop(database, {}, {"many": many}), until=done)
