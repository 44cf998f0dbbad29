"""Events: numbered by merchant without gaps, whoever else publishes at the same time."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from rizzpay.core.errors import Refused
from rizzpay.webhooks import service, store
from rizzpay.webhooks.model import EndpointChanges, EndpointStatus, EventFilter
from tests.webhooks.world import NOON, later, new_event, new_tenant


def numbers(world, tenant=None):
    found = world.webhooks.list_events(tenant or world.tenant, 0, 10_000)
    return [event.sequence for event in found]


def test_events_get_consecutive_numbers_in_the_order_of_the_call(world):
    world.add_endpoint("https://127.0.0.1/")
    first = world.publish("payment.created", "payment.captured")
    second = world.publish("refund.created")
    assert [event.sequence for event in (*first, *second)] == [1, 2, 3]
    found = world.webhooks.list_events(world.tenant, 0, 10)
    assert found == [*first, *second]
    assert found[0].created_at == NOON
    assert {job.key for job in world.jobs("webhook.fan_out")} == {event.id for event in found}


def test_events_of_a_merchant_without_an_open_endpoint_are_nobodys_job(world):
    neighbour = new_tenant()
    world.publish()
    assert world.jobs("webhook.fan_out") == []
    endpoint, _ = world.add_endpoint("https://127.0.0.1/")
    ours, theirs = new_event(world.tenant), new_event(neighbour)
    with world.app.transaction(world.tenant, neighbour) as conn:
        service.publish(conn, [ours, theirs])
    assert [job.key for job in world.jobs("webhook.fan_out")] == [ours.id]
    changes = EndpointChanges(status=EndpointStatus.DISABLED)
    world.webhooks.update_endpoint(world.author, endpoint.id, changes, NOON)
    world.publish()
    assert len(world.jobs("webhook.fan_out")) == 1
    assert numbers(world) == [1, 2, 3]


def test_publishing_nothing_does_nothing(world):
    with world.app.transaction(world.tenant) as conn:
        assert service.publish(conn, []) == []


def test_one_call_may_carry_events_of_several_merchants(world):
    tenants = [new_tenant() for _ in range(3)]
    events = [new_event(tenants[n % 3], f"payment.n{n}") for n in range(9)]
    with world.app.transaction(*tenants) as conn:
        service.publish(conn, events)
    for n, tenant in enumerate(tenants):
        found = world.webhooks.list_events(tenant, 0, 10)
        assert [event.sequence for event in found] == [1, 2, 3]
        assert [event.type for event in found] == [f"payment.n{n + 3 * k}" for k in range(3)]


def test_test_and_live_events_are_numbered_apart(world):
    live = type(world.tenant)(world.tenant.merchant_id, livemode=True)
    world.publish("payment.created", "payment.captured")
    with world.app.transaction(live) as conn:
        service.publish(conn, [new_event(live)])
    assert numbers(world) == [1, 2]
    assert numbers(world, live) == [1]


def test_what_is_rolled_back_leaves_no_gap(world):
    world.publish()

    def publish_and_fail():
        with world.app.transaction(world.tenant) as conn:
            service.publish(conn, [new_event(world.tenant)])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        publish_and_fail()
    world.publish()
    assert numbers(world) == [1, 2]


def test_twenty_publishers_at_once_leave_no_gap_and_no_duplicate(world):
    neighbours = [world.tenant, *(new_tenant() for _ in range(2))]
    start = threading.Barrier(20)

    def publish(seed):
        start.wait()
        for n in range(50):
            # ours always, a neighbour often, in an order that would deadlock if it were kept
            order = [world.tenant, neighbours[1 + (seed + n) % 2]]
            tenants = order if seed % 2 else order[::-1]
            with world.app.transaction(*tenants) as conn:
                service.publish(conn, [new_event(tenant, f"t.s{seed}") for tenant in tenants])

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(publish, range(20)))
    assert numbers(world) == list(range(1, 1001))
    others = sum(len(numbers(world, tenant)) for tenant in neighbours[1:])
    assert others == 1000


def test_a_reader_never_sees_a_number_before_a_smaller_one(world):
    stop = threading.Event()
    gaps = []

    def read():
        while not stop.is_set():
            seen = numbers(world)
            if seen != list(range(1, len(seen) + 1)):
                gaps.append(seen)

    def publish(_):
        for _ in range(20):
            world.publish("payment.created", "payment.captured")

    reader = threading.Thread(target=read)
    reader.start()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(publish, range(4)))
    stop.set()
    reader.join()
    assert not gaps
    assert len(numbers(world)) == 160


def test_events_are_listed_from_a_number_on_and_by_type(world):
    world.publish("payment.created", "payment.captured", "refund.created", "payments.odd")

    def kinds(*types, after=0, limit=10):
        found = world.webhooks.list_events(world.tenant, after, limit, types or ("*",))
        return [event.type for event in found]

    assert kinds(after=2) == ["refund.created", "payments.odd"]
    assert kinds(limit=1) == ["payment.created"]
    assert kinds("payment.*") == ["payment.created", "payment.captured"]
    assert kinds("refund.created", "payment.created") == ["payment.created", "refund.created"]
    assert kinds("nothing.*") == []
    assert kinds("refund.*", "*") == kinds()


def test_events_can_be_narrowed_to_numbers_and_times(world):
    events = [new_event(world.tenant, created_at=later(hours=n)) for n in range(5)]
    with world.app.transaction(world.tenant) as conn:
        service.publish(conn, events)

    def found(**wanted):
        with world.app.transaction(world.tenant) as conn:
            return [
                event.sequence
                for event in store.list_events(conn, world.tenant, 0, 10, EventFilter(**wanted))
            ]

    assert found(last_sequence=2) == [1, 2]
    assert found(created_gte=later(hours=3)) == [4, 5]
    assert found(created_lt=later(hours=1)) == [1]


def test_one_event_is_fetched_by_its_id(world):
    (event,) = world.publish()
    assert world.webhooks.get_event(world.tenant, event.id) == event


def test_another_merchant_sees_no_event_by_service_or_by_sql(world):
    (event,) = world.publish()
    other = new_tenant()
    assert world.webhooks.list_events(other, 0, 10) == []
    with pytest.raises(Refused) as caught:
        world.webhooks.get_event(other, event.id)
    assert caught.value.code == "event_not_found"
    with world.app.transaction(other) as conn:
        assert conn.execute("SELECT count(*) FROM rizzpay.events").fetchone() == (0,)
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        world.app.transaction(other) as conn,
    ):
        service.publish(conn, [new_event(world.tenant)])


def test_an_event_is_never_rewritten(world):
    (event,) = world.publish()
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        world.worker.transaction() as conn,
    ):
        conn.execute("UPDATE rizzpay.events SET type = 'x' WHERE id = %s", [event.id])
