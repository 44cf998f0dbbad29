"""Deliveries against real receivers: signed, retried, bounded, and recorded."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from rizzpay.config import WebhookSettings
from rizzpay.core import clock
from rizzpay.infra.jobs import Again, Done
from rizzpay.webhooks.model import (
    DeliveryStatus,
    DisabledReason,
    EndpointChanges,
    EndpointStatus,
    payload,
)
from tests.webhooks.receiver import Receiver, Says
from tests.webhooks.world import NOON, later


def the_delivery(world, endpoint):
    """Return an endpoint's only delivery."""
    (delivery,) = world.deliveries(endpoint.id)
    return delivery


def test_an_event_reaches_every_endpoint_that_takes_its_type(world):
    with Receiver() as every, Receiver() as refunds, Receiver() as off:
        all_of_them, _ = world.add_endpoint(every.url)
        world.add_endpoint(refunds.url, "refund.*")
        disabled, _ = world.add_endpoint(off.url)
        changes = EndpointChanges(status=EndpointStatus.DISABLED)
        world.webhooks.update_endpoint(world.author, disabled.id, changes, NOON)
        world.send("payment.captured", "refund.processed")
        assert sorted(json.loads(got.body)["type"] for got in every.got) == [
            "payment.captured",
            "refund.processed",
        ]
        assert [json.loads(got.body)["type"] for got in refunds.got] == ["refund.processed"]
        assert off.got == []
    assert {d.status for d in world.deliveries(all_of_them.id)} == {DeliveryStatus.SUCCEEDED}


def test_the_request_is_what_standard_webhooks_says(world, receiver):
    now = clock.now()
    endpoint, secret = world.add_endpoint(receiver.url, now=now)
    (event,) = world.send(now=now)
    (got,) = receiver.got
    assert got.path == "/hook"
    assert got.headers["content-type"] == "application/json"
    assert got.headers["user-agent"] == "RizzPay-Webhooks/1"
    assert got.headers["webhook-id"] == event.id
    assert got.body == payload(event)
    assert Webhook(secret).verify(got.body, got.headers)["sequence"] == event.sequence
    assert len(got.headers["x-rizzpay-signature"]) == 64
    attempt = the_delivery(world, endpoint).attempts[0]
    assert (attempt.at, attempt.status, attempt.error) == (now, 200, None)
    assert attempt.response == "ok"
    assert 0 <= attempt.duration_ms < 2000


def test_during_the_overlap_both_secrets_verify_and_afterwards_only_the_new_one(world, receiver):
    now = clock.now()
    long_ago = now - timedelta(hours=23, minutes=59)
    endpoint, old = world.add_endpoint(receiver.url, now=long_ago)
    new = world.webhooks.rotate_secret(world.author, endpoint.id, long_ago).secret.reveal()
    world.send(now=now)
    overlapping = receiver.got[0]
    for secret in (old, new):
        assert Webhook(secret).verify(overlapping.body, overlapping.headers)
    world.send(now=now + timedelta(minutes=2))
    after = receiver.got[1]
    assert Webhook(new).verify(after.body, after.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(after.body, after.headers)
    assert " " not in after.headers["webhook-signature"]


def test_fanning_out_twice_or_at_once_makes_one_delivery(world, receiver):
    endpoint, _ = world.add_endpoint(receiver.url)
    world.publish()
    (job,) = world.jobs("webhook.fan_out")
    with ThreadPoolExecutor(4) as pool:
        verdicts = list(pool.map(lambda _: world.working.fan_out(job, NOON), range(8)))
    assert verdicts == [Done()] * 8
    assert len(world.deliveries(endpoint.id)) == 1
    assert len(world.jobs("webhook.deliver")) == 1


def test_a_finished_delivery_is_not_sent_again(world, receiver):
    world.add_endpoint(receiver.url)
    world.publish()
    world.fan_out()
    (job,) = world.jobs("webhook.deliver")
    assert world.working.deliver(job, NOON) == Done()
    assert world.working.deliver(job, NOON) == Done()
    assert len(receiver.got) == 1


def test_failures_are_tried_again_by_the_table_until_it_is_taken(world):
    with Receiver(Says(500, body=b"down"), Says(503), Says(200)) as receiver:
        endpoint, _ = world.add_endpoint(receiver.url)
        world.publish()
        world.fan_out()
        (first,) = world.deliver()
        assert isinstance(first, Again)
        assert timedelta(seconds=4) <= first.run_at - NOON <= timedelta(seconds=8)
        waiting = the_delivery(world, endpoint)
        assert (waiting.status, waiting.next_at) == (DeliveryStatus.PENDING, first.run_at)
        failing = world.webhooks.get_endpoint(world.tenant, endpoint.id)
        assert NOON <= failing.failing_since <= later(seconds=2)
        # too early: nothing is sent
        assert world.deliver(later(seconds=1)) == [Again(first.run_at, "not due yet")]
        assert len(receiver.got) == 1
        (second,) = world.deliver(first.run_at)
        assert timedelta(seconds=239) <= second.run_at - first.run_at <= timedelta(seconds=363)
        assert world.deliver(second.run_at) == [Done()]
        assert len({got.body for got in receiver.got}) == 1
        assert len({got.headers["webhook-id"] for got in receiver.got}) == 1
        assert len({got.headers["webhook-timestamp"] for got in receiver.got}) == 3
    done = the_delivery(world, endpoint)
    assert (done.status, done.next_at) == (DeliveryStatus.SUCCEEDED, None)
    assert [(a.status, a.error) for a in done.attempts] == [
        (500, "http_error"),
        (503, "http_error"),
        (200, None),
    ]
    assert done.attempts[0].response == "down"
    assert world.webhooks.get_endpoint(world.tenant, endpoint.id).failing_since is None


def test_retry_after_puts_the_next_attempt_off(world):
    with Receiver(Says(429, headers=(("Retry-After", "7200"),))) as receiver:
        world.add_endpoint(receiver.url)
        world.publish()
        world.fan_out()
        (verdict,) = world.deliver()
    assert later(hours=2) <= verdict.run_at <= later(hours=2, seconds=3)


def test_after_the_last_attempt_it_is_given_up(world):
    impatient = replace(world, settings=replace_schedule(world, (0, 1)))
    with Receiver(Says(500)) as receiver:
        endpoint, _ = impatient.add_endpoint(receiver.url)
        impatient.publish()
        impatient.fan_out()
        (again,) = impatient.deliver()
        assert impatient.deliver(again.run_at) == [Done()]
    given_up = the_delivery(world, endpoint)
    assert (given_up.status, given_up.next_at) == (DeliveryStatus.FAILED, None)
    assert len(given_up.attempts) == 2
    assert world.webhooks.get_endpoint(world.tenant, endpoint.id).open


def replace_schedule(world, schedule_s):
    """Return settings with another table."""
    opened = world.settings.private_targets
    return WebhookSettings(private_targets=opened, timeout_s=2.0, schedule_s=schedule_s)


def switched_off(world, endpoint, reason):
    """Assert that an endpoint was disabled, and that trail and events say so."""
    now_off = world.webhooks.get_endpoint(world.tenant, endpoint.id)
    assert (now_off.status, now_off.disabled_reason) == (EndpointStatus.DISABLED, reason)
    (event,) = world.webhooks.list_events(world.tenant, 0, 10, ("endpoint.disabled",))
    assert (event.object_id, event.object_sequence) == (endpoint.id, now_off.version)
    assert event.data["disabled_reason"] == reason.value
    assert "secret" not in event.data
    with world.worker.transaction() as conn:
        row = conn.execute(
            "SELECT actor, detail ->> 'reason' FROM rizzpay.audit_log "
            "WHERE object_id = %s AND action = 'webhook_endpoint.disabled'",
            [endpoint.id],
        ).fetchone()
    assert row == ("worker", reason.value)


def test_gone_disables_the_endpoint_and_tells_the_others(world):
    with Receiver(Says(410)) as gone, Receiver() as other:
        endpoint, _ = world.add_endpoint(gone.url)
        world.add_endpoint(other.url, "endpoint.*")
        world.publish("payment.created", "payment.captured")
        world.fan_out()
        world.deliver()
        world.fan_out()
        world.deliver()
        assert len(gone.got) == 1
        (told,) = other.got
        assert json.loads(told.body)["data"]["object"]["id"] == endpoint.id
    switched_off(world, endpoint, DisabledReason.GONE)
    last, first = world.deliveries(endpoint.id)
    assert {last.status, first.status} == {DeliveryStatus.FAILED}
    assert {a.error for d in (last, first) for a in d.attempts} == {"gone", "endpoint_disabled"}


def test_five_days_of_failures_disable_the_endpoint(world):
    with Receiver(Says(500)) as receiver:
        endpoint, _ = world.add_endpoint(receiver.url)
        world.send()
        world.publish()
        world.fan_out()
        world.deliver(later(days=4, hours=23))
        assert world.webhooks.get_endpoint(world.tenant, endpoint.id).open
        world.publish()
        world.fan_out()
        world.deliver(later(days=5, minutes=1))
    switched_off(world, endpoint, DisabledReason.FAILING)


def test_one_success_starts_the_five_days_anew(world):
    with Receiver(Says(500), Says(200), Says(500)) as receiver:
        endpoint, _ = world.add_endpoint(receiver.url)
        world.send()
        world.deliver(later(minutes=1))
        world.publish()
        world.fan_out()
        world.deliver(later(days=6))
    after = world.webhooks.get_endpoint(world.tenant, endpoint.id)
    assert after.open
    assert after.failing_since >= later(days=6)


def test_an_endpoint_deleted_meanwhile_gets_nothing_more(world, receiver):
    endpoint, _ = world.add_endpoint(receiver.url)
    world.publish()
    world.fan_out()
    world.webhooks.delete_endpoint(world.author, endpoint.id, NOON)
    assert world.deliver() == [Done()]
    assert receiver.got == []
    world.send()
    assert receiver.got == []


def test_what_a_receiver_says_is_kept_short_printable_and_without_secrets(world):
    said = b"\x00\x1b[31mcard 4111 1111 1111 1111 whsec_" + b"QUJD" * 11 + b"\n\xff" + b"y" * 4000
    with Receiver(Says(500, body=said)) as receiver:
        endpoint, _ = world.add_endpoint(receiver.url)
        world.send()
    response = the_delivery(world, endpoint).attempts[0].response
    assert response.startswith("[31mcard [card] [secret]")
    assert len(response) == 512
    assert response.isprintable()


def test_an_event_of_another_merchant_is_not_delivered(world, receiver):
    endpoint, _ = world.add_endpoint(receiver.url)
    stranger = replace(world, tenant=type(world.tenant)("mer_stranger_of_deliveries", False))
    stranger.publish()
    stranger.fan_out()
    assert world.deliveries(endpoint.id) == []


def test_a_job_that_two_workers_run_is_sent_twice_and_counted_once(world):
    with Receiver(Says(200, after_s=0.4)) as receiver:
        endpoint, _ = world.add_endpoint(receiver.url)
        world.publish()
        world.fan_out()
        (job,) = world.jobs("webhook.deliver")
        with ThreadPoolExecutor(2) as pool:
            verdicts = list(pool.map(lambda _: world.working.deliver(job, NOON), range(2)))
        assert verdicts == [Done(), Done()]
        assert len({got.headers["webhook-id"] for got in receiver.got}) == 1
    assert len(the_delivery(world, endpoint).attempts) == 1


def test_an_endpoint_that_says_gone_twice_is_disabled_once(world):
    with Receiver(Says(410, after_s=0.4)) as receiver:
        endpoint, _ = world.add_endpoint(receiver.url)
        world.publish("payment.created", "payment.captured")
        world.fan_out()
        waiting = world.jobs("webhook.deliver")
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda job: world.working.deliver(job, NOON), waiting))
        assert len(receiver.got) == 2
    switched_off(world, endpoint, DisabledReason.GONE)
