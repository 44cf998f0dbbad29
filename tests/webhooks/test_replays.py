"""Replays: the same bytes once more, by event and by range."""

import json
from dataclasses import replace

import pytest

from rizzpay.core.errors import Refused
from rizzpay.webhooks import replaying
from rizzpay.webhooks.model import (
    Author,
    DeliveryStatus,
    EndpointChanges,
    EndpointStatus,
    EventFilter,
    Origin,
)
from rizzpay.webhooks.replaying import Range
from tests.webhooks.receiver import Receiver, Says
from tests.webhooks.world import NOON, later, new_tenant


def code_of(call, *arguments):
    """Return the code that a call is refused with."""
    with pytest.raises(Refused) as caught:
        call(*arguments)
    return caught.value.code


def by_range(world, wanted, after=0):
    """Replay a whole range and return (events, deliveries)."""
    events = made = 0
    while after is not None:
        with world.worker.transaction(world.tenant) as conn:
            batch = replaying.replay_range(conn, world.author, wanted, after, NOON)
        events, made, after = events + batch.events, made + batch.deliveries, batch.last_sequence
    return events, made


def test_a_replay_sends_the_same_bytes_with_the_same_id(world, receiver):
    endpoint, _ = world.add_endpoint(receiver.url)
    (event,) = world.send()
    (made,) = world.webhooks.replay(world.author, event.id, None, later(days=90))
    assert (made.origin, made.status) == (Origin.REPLAY, DeliveryStatus.PENDING)
    world.deliver(later(days=90))
    first, again = receiver.got
    assert first.body == again.body
    assert first.headers["webhook-id"] == again.headers["webhook-id"]
    assert first.headers["webhook-timestamp"] != again.headers["webhook-timestamp"]
    newest, oldest = world.deliveries(endpoint.id)
    assert (newest.id, newest.status) == (made.id, DeliveryStatus.SUCCEEDED)
    assert oldest.origin is Origin.EVENT


def test_an_event_may_be_replayed_any_number_of_times(world, receiver):
    world.add_endpoint(receiver.url)
    (event,) = world.send()
    for _ in range(5):
        world.webhooks.replay(world.author, event.id, None, NOON)
    world.deliver()
    assert len(receiver.got) == 6


def test_without_a_name_all_that_take_the_type_get_it(world):
    with Receiver() as first, Receiver() as second, Receiver() as third:
        one, _ = world.add_endpoint(first.url)
        world.add_endpoint(second.url, "refund.*")
        two, _ = world.add_endpoint(third.url, "payment.*")
        (event,) = world.publish()
        made = world.webhooks.replay(world.author, event.id, None, NOON)
        assert [delivery.endpoint_id for delivery in made] == [one.id, two.id]


def test_a_named_endpoint_gets_it_whatever_it_asked_for(world, receiver):
    endpoint, _ = world.add_endpoint(receiver.url, "refund.*")
    (event,) = world.publish()
    (made,) = world.webhooks.replay(world.author, event.id, endpoint.id, NOON)
    assert made.endpoint_id == endpoint.id


def test_what_cannot_be_replayed_is_refused(world, receiver):
    endpoint, _ = world.add_endpoint(receiver.url)
    (event,) = world.publish()
    replay = world.webhooks.replay
    assert code_of(replay, world.author, "evt_none", None, NOON) == "event_not_found"
    assert code_of(replay, world.author, event.id, "whe_none", NOON) == "webhook_endpoint_not_found"
    changes = EndpointChanges(status=EndpointStatus.DISABLED)
    world.webhooks.update_endpoint(world.author, endpoint.id, changes, NOON)
    assert code_of(replay, world.author, event.id, endpoint.id, NOON) == "endpoint_disabled"
    assert replay(world.author, event.id, None, NOON) == []


def test_nobody_replays_the_events_of_another_merchant(world, receiver):
    endpoint, _ = world.add_endpoint(receiver.url)
    (event,) = world.publish()
    other = replace(world, tenant=new_tenant())
    (own,) = other.publish()
    replay = other.webhooks.replay
    assert code_of(replay, other.author, event.id, None, NOON) == "event_not_found"
    assert code_of(replay, other.author, own.id, endpoint.id, NOON) == "webhook_endpoint_not_found"


def test_a_replay_is_in_the_trail(world, receiver):
    world.add_endpoint(receiver.url)
    (event,) = world.publish()
    author = Author(world.tenant, "operator:asha")
    with world.worker.transaction(world.tenant) as conn:
        replaying.replay_event(conn, author, event.id, None, NOON)
        row = conn.execute(
            "SELECT actor, detail ->> 'deliveries' FROM rizzpay.audit_log "
            "WHERE object_id = %s AND action = 'event.replayed'",
            [event.id],
        ).fetchone()
    assert row == ("operator:asha", "1")


def test_a_range_is_replayed_in_batches(world, receiver):
    world.add_endpoint(receiver.url, "payment.*")
    world.publish(*["payment.captured", "refund.created"] * 5)
    assert by_range(world, Range(EventFilter(), batch=3)) == (10, 5)
    assert by_range(world, Range(EventFilter(types=("payment.*",)))) == (5, 5)
    assert by_range(world, Range(EventFilter(last_sequence=4)), after=1) == (3, 1)
    assert by_range(world, Range(EventFilter(created_gte=later(days=1)))) == (0, 0)


def test_a_replay_of_the_undelivered_leaves_out_what_arrived(world):
    with Receiver(Says(200), Says(500)) as flaky, Receiver() as steady:
        endpoint, _ = world.add_endpoint(flaky.url)
        world.add_endpoint(steady.url)
        world.send("payment.created", "payment.captured", "payment.failed")
        assert by_range(world, Range(EventFilter(), undelivered_only=True)) == (3, 2)
        made = [d for d in world.deliveries(endpoint.id) if d.origin is Origin.REPLAY]
        assert len(made) == 2
    assert by_range(world, Range(EventFilter(), endpoint_id=endpoint.id)) == (3, 3)


def test_deliveries_are_paged_newest_first(world, receiver):
    endpoint, _ = world.add_endpoint(receiver.url)
    for n in range(7):
        world.publish()
        world.fan_out(later(minutes=n))
    whole = world.deliveries(endpoint.id)
    assert [d.created_at for d in whole] == [later(minutes=n) for n in range(6, -1, -1)]
    pages, before = [], None
    while page := world.webhooks.list_deliveries(world.tenant, endpoint.id, 3, before):
        pages += page
        before = (page[-1].created_at, page[-1].id)
    assert pages == whole


def test_the_payload_of_a_replayed_event_still_tells_when_it_happened(world, receiver):
    world.add_endpoint(receiver.url)
    (event,) = world.publish()
    world.webhooks.replay(world.author, event.id, None, later(days=30))
    world.deliver(later(days=30))
    assert json.loads(receiver.got[0].body)["timestamp"] == "2026-11-21T12:00:00.123Z"
