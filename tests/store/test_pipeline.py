"""Statements that are sent together, on a real PostgreSQL: results, errors, kills, lost servers."""

from datetime import UTC, datetime

import gevent
import psycopg
import pytest

from rizzpay.infra import arrays
from rizzpay.infra.database import Database, Role, Severed

NOON = datetime(2026, 11, 21, 6, 30, 0, 123456, tzinfo=UTC)
ECHO = "SELECT %(number)s::bigint, %(word)s::text, %(moment)s::timestamptz, %(truth)s::boolean"
ARRAYS = """
SELECT %(texts)b::text[], %(bytes)b::bytea[], %(big)b::bigint[], %(small)b::integer[],
       %(truths)b::boolean[], %(moments)b::timestamptz[], %(json)b::json[], %(jsonb)b::jsonb[]
"""
ROWS = "SELECT value, value %% 2 = 0 FROM generate_series(1, %(count)s::integer) AS s (value)"
DIVIDE = "SELECT 1 / %(by)s::integer"
SLEEP = "SELECT pg_sleep(%(seconds)s::integer)"
BACKEND = "SELECT pg_backend_pid()"
PREPARED = "SELECT count(*) FROM pg_prepared_statements"
END = "SELECT pg_terminate_backend(%(pid)s::integer)"


@pytest.fixture
def database(postgres):
    database = Database(postgres, Role.WORKER, size=1)
    yield database
    database.close()


def test_values_come_back_as_they_went(database):
    values = {"number": 7, "word": "₹ %", "moment": NOON, "truth": True}
    with database.pipelined() as conn:
        (row,) = conn.send(ECHO, values).rows()
        (nothing,) = conn.send(ECHO, dict.fromkeys(values)).rows()
    assert row == (7, "₹ %", NOON, True)
    assert nothing == (None, None, None, None)


def test_arrays_come_back_as_they_went_with_their_nulls(database):
    texts, raw = ["a", None, "", "₹"], [b"\0\xff", None]
    with database.pipelined() as conn:
        (row,) = conn.send(
            ARRAYS,
            {
                "texts": arrays.text(texts),
                "bytes": arrays.bytea(raw),
                "big": arrays.bigint([2**62, -1]),
                "small": arrays.integer([7, None]),
                "truths": arrays.boolean([True, None, False]),
                "moments": arrays.timestamptz([NOON, None, NOON]),
                "json": arrays.json([b'{"b":1,"a":[]}', None]),
                "jsonb": arrays.jsonb([b'{"b":1,"a":[]}', None]),
            },
        ).rows()
    assert row == (
        texts,
        raw,
        [2**62, -1],
        [7, None],
        [True, None, False],
        [NOON, None, NOON],
        [{"b": 1, "a": []}, None],
        [{"b": 1, "a": []}, None],
    )


def test_an_empty_array_is_an_array(database):
    names = ("texts", "bytes", "big", "small", "truths", "moments", "json", "jsonb")
    pack = (arrays.text, arrays.bytea, arrays.bigint, arrays.integer, arrays.boolean,
            arrays.timestamptz, arrays.json, arrays.jsonb)  # fmt: skip
    with database.pipelined() as conn:
        (row,) = conn.send(
            ARRAYS, {name: make([]) for name, make in zip(names, pack, strict=True)}
        ).rows()
    assert row == ([],) * 8


def test_results_belong_to_their_statements_whatever_is_looked_at_first(database):
    with database.pipelined() as conn:
        sent = [conn.send(ROWS, {"count": count}) for count in range(50)]
        assert sent[-1].count == 49
        assert [len(one.rows()) for one in sent] == list(range(50))
        later = conn.send(ROWS, {"count": 3})
        assert later.rows() == [(1, False), (2, True), (3, False)]


def test_more_than_a_socket_holds_goes_through(database):
    texts = ["x" * 10_000] * 2_000  # 20 MB there and back
    with database.pipelined() as conn:
        sent = [
            conn.send("SELECT cardinality(%(texts)b::text[])", {"texts": arrays.text(texts)}),
            conn.send("SELECT unnest(%(texts)b::text[])", {"texts": arrays.text(texts)}),
        ]
        assert sent[0].rows() == [(2_000,)]
        assert len(sent[1].rows()) == 2_000


def test_the_first_error_is_raised_and_nothing_is_committed(database, worker):
    key = "pipeline-error"
    insert = "INSERT INTO rizzpay.jobs (kind, key, run_at) VALUES ('test', %(key)s, now())"
    with pytest.raises(psycopg.errors.DivisionByZero), database.pipelined() as conn:
        conn.send(insert, {"key": key})
        conn.send(DIVIDE, {"by": 0})
        conn.send(insert, {"key": key})  # would be a unique violation
    with worker.transaction() as conn:
        assert conn.send("SELECT FROM rizzpay.jobs WHERE key = %(key)s", {"key": key}).count == 0


def test_the_connection_works_on_after_an_error(database):
    for by in (0, 1, 0, 1):
        if by:
            with database.pipelined() as conn:
                assert conn.send(DIVIDE, {"by": by}).rows() == [(1,)]
        else:
            with pytest.raises(psycopg.errors.DivisionByZero), database.pipelined() as conn:
                conn.send(DIVIDE, {"by": by}).rows()
    assert database.stats().size == 1


def test_a_statement_is_prepared_once(database):
    for _ in range(5):
        with database.pipelined() as conn:
            conn.send(ROWS, {"count": 1})
            conn.send(ROWS, {"count": 2})
            ((before,),) = conn.send(PREPARED).rows()
    with database.pipelined() as conn:
        assert conn.send(PREPARED).rows() == [(before,)]


def test_a_check_that_fails_rolls_back(database, worker):
    key = "pipeline-check"
    insert = "INSERT INTO rizzpay.jobs (kind, key, run_at) VALUES ('test', %(key)s, now())"
    wrong = pytest.raises(RuntimeError, match="2 jobs to write, 1 written")
    with wrong, database.pipelined() as conn:
        conn.expect(conn.send(insert, {"key": key}), 2, "jobs")
    with worker.transaction() as conn:
        assert conn.send("SELECT FROM rizzpay.jobs WHERE key = %(key)s", {"key": key}).count == 0


def test_a_parameter_that_is_missing_breaks_nothing_but_its_transaction(database):
    with pytest.raises(KeyError), database.pipelined() as conn:
        conn.send(DIVIDE, {})
    with database.pipelined() as conn:
        assert conn.send(DIVIDE, {"by": 1}).rows() == [(1,)]


def test_a_killed_greenlet_leaves_a_connection_for_the_next(database):
    def wait():
        with database.pipelined() as conn:
            conn.send(SLEEP, {"seconds": 30}).rows()

    greenlet = gevent.spawn(wait)
    gevent.sleep(0.3)
    greenlet.kill()
    with gevent.Timeout(10), database.pipelined() as conn:
        assert conn.send(DIVIDE, {"by": 1}).rows() == [(1,)]


def test_a_connection_that_the_server_ended_is_severed_and_replaced(database, worker):
    with database.pipelined() as conn:
        ((pid,),) = conn.send(BACKEND).rows()
    with worker.transaction() as conn:
        conn.send(END, {"pid": pid})
    with pytest.raises(Severed), database.pipelined() as conn:
        conn.send(DIVIDE, {"by": 1})
    with database.pipelined() as conn:
        assert conn.send(DIVIDE, {"by": 1}).rows() == [(1,)]
