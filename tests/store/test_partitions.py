"""Partitions: made ahead, adopted, dropped in time, and no way round the walls of their parent."""

import threading
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from rizzpay.config import RetentionSettings
from rizzpay.core import clock, ids
from rizzpay.infra import partitions
from rizzpay.infra.database import Database, Role, conninfo
from rizzpay.infra.metrics import PARTITION_AHEAD, PARTITION_REST

NOW = clock.now()
YEAR = RetentionSettings()
INSERT_EVENT = """
INSERT INTO rizzpay.events (id, merchant_id, livemode, sequence, type, object_id, object_sequence,
                            data, created_at)
VALUES (%(id)s, 'mer_A', false, %(sequence)s, 'payment.created', 'pay_1', 1, '{}', %(at)s)
"""
WHERE = "SELECT tableoid::regclass::text FROM rizzpay.events WHERE id = %(id)s"


@pytest.fixture
def worker(own_database):
    database = Database(own_database, Role.WORKER, size=1)
    yield database
    database.close()


@pytest.fixture
def roles(own_database):
    opened = {
        role: psycopg.connect(conninfo(own_database, role), autocommit=True, prepare_threshold=None)
        for role in Role
    }
    yield opened
    for conn in opened.values():
        conn.close()


def add_event(conn, at, sequence=1):
    event_id = ids.new_id("event", at)
    conn.execute(INSERT_EVENT, {"id": event_id, "sequence": sequence, "at": at})
    return event_id


def place(conn, event_id):
    (name,) = conn.execute(WHERE, {"id": event_id}).fetchone()
    return name.removeprefix("rizzpay.")


def found(database):
    with database.transaction() as conn:
        return partitions.partitions(conn)


def test_this_month_and_three_more_are_made_for_both_tables(worker):
    kept = partitions.keep(worker, NOW, YEAR)
    months = [f"{month:_%Y_%m}" for month in partitions.months_from(NOW, 3)]
    assert sorted(kept.added) == sorted(
        parent + month for parent in ("events", "webhook_deliveries") for month in months
    )
    assert (kept.adopted, kept.dropped, kept.put_off) == ((), (), ())
    assert partitions.keep(worker, NOW, YEAR) == partitions.Kept()


def test_an_event_goes_to_its_month(worker, roles):
    partitions.keep(worker, NOW, YEAR)
    event_id = add_event(roles[Role.WORKER], NOW)
    assert place(roles[Role.WORKER], event_id) == f"events_{NOW:%Y_%m}"


def test_a_row_without_a_month_is_kept_and_adopted(worker, roles):
    conn = roles[Role.WORKER]
    first = add_event(conn, NOW)
    assert place(conn, first) == "events_rest"
    (name,) = partitions.keep(worker, NOW, YEAR).adopted
    assert place(conn, first) == name
    far = add_event(conn, NOW + timedelta(days=500), 2)
    assert place(conn, far) == "events_rest"
    assert partitions.rest_bytes(found(worker))["events"] > 0
    assert len(partitions.keep(worker, NOW, YEAR).adopted) == 1
    assert partitions.rest_bytes(found(worker)) == {"events": 0, "webhook_deliveries": 0}
    assert conn.execute("SELECT count(*) FROM rizzpay.events").fetchone() == (2,)


def test_what_lies_on_both_sides_of_a_month_is_put_off_and_still_there(worker, roles):
    conn = roles[Role.WORKER]
    partitions.keep(worker, NOW, YEAR)
    add_event(conn, NOW - timedelta(days=40), 1)
    add_event(conn, NOW + timedelta(days=500), 2)
    assert partitions.keep(worker, NOW, YEAR).put_off == ("events",)
    assert conn.execute("SELECT count(*) FROM rizzpay.events").fetchone() == (2,)


def test_months_past_their_time_are_dropped_whole_and_no_others(worker, roles):
    conn = roles[Role.WORKER]
    old = datetime(2025, 3, 1, tzinfo=UTC)
    for month in (old.date(), date(2025, 4, 1), date(2026, 2, 1)):
        for parent in partitions.PARENTS:
            conn.execute("SELECT rizzpay.add_partition(%s, %s)", [parent, month])
    add_event(conn, old + timedelta(days=3), 1)
    kept_id = add_event(conn, datetime(2026, 2, 3, tzinfo=UTC), 2)
    at = datetime(2026, 11, 21, tzinfo=UTC)
    dropped = partitions.keep(worker, at, RetentionSettings(events_days=395)).dropped
    assert dropped == (
        "webhook_deliveries_2025_03", "webhook_deliveries_2025_04",
        "events_2025_03", "events_2025_04",
    )  # fmt: skip
    assert place(conn, kept_id) == "events_2026_02"
    assert conn.execute("SELECT count(*) FROM rizzpay.events").fetchone() == (1,)


def test_the_database_refuses_to_drop_what_may_still_be_replayed(roles):
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="90 days"):
        roles[Role.WORKER].execute(
            "SELECT rizzpay.drop_partition('events', now() - interval '89 days')"
        )


@pytest.mark.parametrize(
    "call",
    [
        "rizzpay.add_partition('payments', '2026-12-01')",
        "rizzpay.add_partition(NULL, '2026-12-01')",
        "rizzpay.add_partition('events', '2026-12-02')",
        "rizzpay.add_partition('events', '2099-12-01')",
        "rizzpay.add_partition('events', NULL)",
        "rizzpay.adopt_rest('payments; DROP TABLE x')",
        "rizzpay.drop_partition('payments', '2020-01-01')",
        "rizzpay.drop_partition('events', NULL)",
    ],
)
def test_nothing_else_can_be_made_or_dropped(call, roles):
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        roles[Role.WORKER].execute(f"SELECT {call}")


@pytest.mark.parametrize("role", [Role.APP, Role.WORKER])
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT id FROM rizzpay.{}",
        "INSERT INTO rizzpay.{} SELECT * FROM rizzpay.events",
        "UPDATE rizzpay.{} SET type = 'x'",
        "DELETE FROM rizzpay.{}",
        "TRUNCATE rizzpay.{}",
        "DROP TABLE rizzpay.{}",
        "ALTER TABLE rizzpay.events DETACH PARTITION rizzpay.{}",
    ],
)
def test_nobody_at_work_gets_round_the_parent(statement, role, worker, roles):
    partitions.keep(worker, NOW, YEAR)
    add_event(roles[Role.WORKER], NOW)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        roles[role].execute(statement.format(f"events_{NOW:%Y_%m}"))


def test_the_api_makes_and_drops_no_partition(roles):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        roles[Role.APP].execute("SELECT rizzpay.add_partition('events', '2026-12-01')")


@pytest.mark.parametrize(
    "statement",
    ["UPDATE rizzpay.{} SET type = 'x'", "DELETE FROM rizzpay.{}", "TRUNCATE rizzpay.{}"],
)
def test_even_the_owner_cannot_change_an_event_in_its_month(statement, worker, roles):
    partitions.keep(worker, NOW, YEAR)
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="append-only"):
        roles[Role.OWNER].execute(statement.format(f"events_{NOW:%Y_%m}"))


def test_a_merchant_sees_its_own_events_of_all_months_and_no_others(worker, roles):
    partitions.keep(worker, NOW, YEAR)
    for sequence, days in enumerate((0, 40), start=1):
        add_event(roles[Role.WORKER], NOW + timedelta(days=days), sequence)
    for merchant, count in (("mer_A", 2), ("mer_B", 0)):
        with roles[Role.APP].transaction():
            roles[Role.APP].execute(
                "SELECT set_config('app.merchant_id', %s, true), "
                "set_config('app.livemode', 'false', true)",
                [merchant],
            )
            seen = roles[Role.APP].execute("SELECT count(*) FROM rizzpay.events").fetchone()
        assert seen == (count,)


def test_one_number_of_a_merchant_comes_once_in_a_month(worker, roles):
    partitions.keep(worker, NOW, YEAR)
    add_event(roles[Role.WORKER], NOW, 1)
    with pytest.raises(psycopg.errors.UniqueViolation):
        add_event(roles[Role.WORKER], NOW, 1)


def test_a_lock_that_is_not_free_puts_off_and_does_not_hold_payments_up(worker, roles):
    reader = roles[Role.OWNER]
    add_event(roles[Role.WORKER], NOW)
    with reader.transaction():
        reader.execute("SELECT count(*) FROM rizzpay.events")  # a long report, or pg_dump
        kept = partitions.keep(worker, NOW, YEAR)
        assert "events" in kept.put_off
        add_event(roles[Role.WORKER], NOW, 2)
    assert partitions.keep(worker, NOW, YEAR).put_off == ()


def test_events_are_written_while_months_are_made_and_the_rest_is_adopted(
    worker, roles, own_database
):
    written = []
    stop = threading.Event()

    def write():
        with psycopg.connect(conninfo(own_database, Role.WORKER), autocommit=True) as conn:
            while not stop.is_set():
                written.append(add_event(conn, clock.now(), len(written) + 1))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            partitions.keep(worker, clock.now(), YEAR)
    finally:
        stop.set()
        writer.join()
    assert len(written) > 5
    count = roles[Role.WORKER].execute("SELECT count(*) FROM rizzpay.events").fetchone()
    assert count == (len(written),)


def test_metrics_tell_what_is_in_a_rest_and_how_far_ahead_the_months_are(worker, roles):
    partitions.keep(worker, NOW, YEAR)
    add_event(roles[Role.WORKER], NOW + timedelta(days=500))
    partitions.publish(found(worker), NOW)
    assert PARTITION_REST.labels("events")._value.get() > 0
    assert PARTITION_REST.labels("webhook_deliveries")._value.get() == 0
    assert PARTITION_AHEAD.labels("events")._value.get() > 85 * 86_400


def test_months_are_counted_over_the_end_of_a_year():
    months = partitions.months_from(datetime(2026, 11, 30, tzinfo=UTC), 3)
    assert months == [date(2026, 11, 1), date(2026, 12, 1), date(2027, 1, 1), date(2027, 2, 1)]
