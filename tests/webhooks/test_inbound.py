"""The inbox: every callback once, sealed, and applied by the worker alone."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from rizzpay.core import ids
from rizzpay.infra.envelope import Unreadable
from rizzpay.webhooks import inbound
from tests.webhooks.world import NOON, later

BODY = b'{"event":"payment.captured","email":"asha@example.com"}'
HEADERS = {"X-Signature": "abc", "Content-Type": "application/json"}


@pytest.fixture
def gateway():
    """A gateway that no other test knows."""
    return f"sandbox_{ids.new_id('request', NOON)[-8:].lower()}"


def take(world, gateway, number, body=BODY):
    """Take a callback in as the API does: under no merchant."""
    sealed = inbound.seal(world.envelope, gateway, number, HEADERS, body)
    with world.app.transaction() as conn:
        return inbound.store_callback(conn, gateway, number, sealed, NOON)


def jobs_of(world, gateway):
    with world.worker.transaction() as conn:
        rows = conn.execute(
            "SELECT c.id, j.run_at FROM rizzpay.gateway_callbacks AS c "
            "JOIN rizzpay.jobs AS j ON j.kind = 'callbacks.apply' "
            "AND j.payload -> 'ids' @> to_jsonb(c.id) "
            "WHERE c.gateway = %s ORDER BY c.id",
            [gateway],
        ).fetchall()
    return [tuple(row) for row in rows]


def test_a_callback_is_kept_with_its_job_and_comes_out_as_it_went_in(world, gateway):
    assert take(world, gateway, "cb_1") is True
    ((callback_id, run_at),) = jobs_of(world, gateway)
    assert run_at == NOON
    with world.worker.transaction() as conn:
        stored = inbound.load(conn, world.envelope, callback_id)
    assert stored == inbound.StoredCallback(
        gateway=gateway,
        provider_event_id="cb_1",
        headers={"x-signature": "abc", "content-type": "application/json"},
        body=BODY,
        received_at=NOON,
        applied_at=None,
    )


def test_a_second_copy_is_known_and_makes_no_second_job(world, gateway):
    assert take(world, gateway, "cb_1")
    assert not take(world, gateway, "cb_1", b"something else")
    assert take(world, gateway, "cb_2")
    assert len(jobs_of(world, gateway)) == 2


def test_of_twenty_copies_at_once_one_is_kept(world, gateway):
    start = threading.Barrier(20)

    def copy(_):
        start.wait()
        return take(world, gateway, "cb_1")

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(copy, range(20)))
    assert answers.count(True) == 1
    assert len(jobs_of(world, gateway)) == 1


def test_a_callback_whose_transaction_fails_leaves_nothing(world, gateway):
    sealed = inbound.seal(world.envelope, gateway, "cb_1", HEADERS, BODY)

    def store_and_fail():
        with world.app.transaction() as conn:
            inbound.store_callback(conn, gateway, "cb_1", sealed, NOON)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        store_and_fail()
    assert jobs_of(world, gateway) == []
    assert take(world, gateway, "cb_1")


def test_the_api_cannot_read_or_change_what_it_stored(world, gateway):
    take(world, gateway, "cb_1")
    for statement in (
        "SELECT body FROM rizzpay.gateway_callbacks",
        "UPDATE rizzpay.gateway_callbacks SET applied_at = now()",
        "DELETE FROM rizzpay.gateway_callbacks",
    ):
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege),
            world.app.transaction() as conn,
        ):
            conn.execute(statement)


def test_personal_data_is_not_in_the_table_in_clear(world, gateway):
    take(world, gateway, "cb_1")
    with world.worker.transaction() as conn:
        row = conn.execute(
            "SELECT body FROM rizzpay.gateway_callbacks WHERE gateway = %s", [gateway]
        ).fetchone()
    assert b"asha" not in row[0]


def test_a_body_moved_to_another_callback_does_not_open(world, gateway):
    sealed = inbound.seal(world.envelope, gateway, "cb_1", HEADERS, BODY)
    with world.app.transaction() as conn:
        inbound.store_callback(conn, gateway, "cb_2", sealed, NOON)
    ((callback_id, _),) = jobs_of(world, gateway)
    with world.worker.transaction() as conn, pytest.raises(Unreadable):
        inbound.load(conn, world.envelope, callback_id)


def test_what_became_of_a_callback_is_noted_once(world, gateway):
    take(world, gateway, "cb_1")
    ((callback_id, _),) = jobs_of(world, gateway)
    with world.worker.transaction() as conn:
        assert inbound.mark_applied(conn, callback_id, "captured", later(seconds=1))
        assert not inbound.mark_applied(conn, callback_id, "again", later(seconds=2))
        stored = inbound.load(conn, world.envelope, callback_id)
        assert inbound.load(conn, world.envelope, 2**60) is None
    assert stored.applied_at == later(seconds=1)
