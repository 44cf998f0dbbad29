"""Endpoints: made, changed, rotated and deleted by their merchant, and by nobody else."""

import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest

from rizzpay.config import WebhookSettings
from rizzpay.core.errors import Refused
from rizzpay.core.tenant import Tenant
from rizzpay.infra.envelope import Unreadable
from rizzpay.webhooks.model import (
    ENDPOINTS_MAX,
    Author,
    DisabledReason,
    EndpointChanges,
    EndpointStatus,
    NewEndpoint,
    secret_context,
)
from tests.webhooks.world import NOON, later, new_tenant

URL = "http://127.0.0.1:4000/hook"
OTHERS_IN_TRANSACTIONS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND state LIKE 'idle in transaction%'
  AND pid <> pg_backend_pid()
"""


def code_of(call, *arguments):
    """Return the code that a call is refused with."""
    with pytest.raises(Refused) as caught:
        call(*arguments)
    return caught.value.code


def trail(world):
    """Return the actions in the merchant's audit trail."""
    with world.worker.transaction() as conn:
        rows = conn.execute(
            "SELECT action, actor, request_id, detail FROM rizzpay.audit_log "
            "WHERE merchant_id = %s ORDER BY id",
            [world.tenant.merchant_id],
        ).fetchall()
    return [tuple(row) for row in rows]


def test_an_endpoint_is_made_with_a_secret_that_is_stored_sealed(world):
    endpoint, secret = world.add_endpoint(URL, "payment.*", "refund.created")
    assert world.webhooks.get_endpoint(world.tenant, endpoint.id) == endpoint
    assert endpoint.event_types == ("payment.*", "refund.created")
    with world.worker.transaction() as conn:
        row = conn.execute(
            "SELECT secret FROM rizzpay.webhook_endpoints WHERE id = %s", [endpoint.id]
        ).fetchone()
    assert secret.encode() not in row[0]
    context = secret_context(endpoint.id, world.tenant)
    assert world.envelope.open("webhook_secret", row[0], context).decode() == secret
    with pytest.raises(Unreadable):  # it opens for no other row
        world.envelope.open("webhook_secret", row[0], secret_context("whe_2", world.tenant))


def test_the_secret_is_not_shown_again(world):
    endpoint, secret = world.add_endpoint(URL)
    assert secret not in repr(world.webhooks.get_endpoint(world.tenant, endpoint.id))
    assert secret not in repr(trail(world))


def test_every_change_is_in_the_trail_with_its_author(world):
    endpoint, _ = world.add_endpoint("http://127.0.0.1:4000/hook?token=private")
    world.webhooks.update_endpoint(
        world.author, endpoint.id, EndpointChanges(description="new"), NOON
    )
    world.webhooks.rotate_secret(world.author, endpoint.id, NOON)
    world.webhooks.delete_endpoint(world.author, endpoint.id, NOON)
    entries = trail(world)
    assert [entry[0] for entry in entries] == [
        "webhook_endpoint.created",
        "webhook_endpoint.updated",
        "webhook_endpoint.secret_rotated",
        "webhook_endpoint.deleted",
    ]
    assert {entry[1:3] for entry in entries} == {("key_test", "req_test")}
    assert "private" not in repr(entries)


def test_a_change_writes_what_is_given_and_keeps_the_rest(world):
    endpoint, _ = world.add_endpoint(URL)
    changes = EndpointChanges(url="http://127.0.0.1:4001/", event_types=("refund.*",))
    after = world.webhooks.update_endpoint(world.author, endpoint.id, changes, later(hours=1))
    assert after == replace(
        endpoint,
        url="http://127.0.0.1:4001/",
        event_types=("refund.*",),
        version=2,
        updated_at=later(hours=1),
    )
    assert world.webhooks.get_endpoint(world.tenant, endpoint.id) == after


def test_an_endpoint_is_switched_off_and_on(world):
    endpoint, _ = world.add_endpoint(URL)
    off = EndpointChanges(status=EndpointStatus.DISABLED)
    disabled = world.webhooks.update_endpoint(world.author, endpoint.id, off, NOON)
    assert disabled.disabled_reason is DisabledReason.MERCHANT
    on = EndpointChanges(status=EndpointStatus.ENABLED)
    enabled = world.webhooks.update_endpoint(world.author, endpoint.id, on, NOON)
    assert (enabled.status, enabled.disabled_reason) == (EndpointStatus.ENABLED, None)


def test_a_change_to_the_same_leaves_no_trace(world):
    endpoint, _ = world.add_endpoint(URL)
    same = EndpointChanges(url=URL, status=EndpointStatus.ENABLED)
    assert world.webhooks.update_endpoint(world.author, endpoint.id, same, NOON) == endpoint
    assert len(trail(world)) == 1


def test_a_deleted_endpoint_is_gone_and_makes_room(world):
    endpoint, _ = world.add_endpoint(URL)
    world.webhooks.delete_endpoint(world.author, endpoint.id, NOON)
    assert world.webhooks.list_endpoints(world.tenant) == []
    for call, arguments in [
        (world.webhooks.get_endpoint, (world.tenant, endpoint.id)),
        (world.webhooks.delete_endpoint, (world.author, endpoint.id, NOON)),
        (world.webhooks.rotate_secret, (world.author, endpoint.id, NOON)),
        (world.webhooks.list_deliveries, (world.tenant, endpoint.id, 10, None)),
    ]:
        assert code_of(call, *arguments) == "webhook_endpoint_not_found"
    changes = EndpointChanges(status=EndpointStatus.ENABLED)
    assert (
        code_of(world.webhooks.update_endpoint, world.author, endpoint.id, changes, NOON)
        == "webhook_endpoint_not_found"
    )


def test_there_are_at_most_twenty_endpoints_however_many_ask_at_once(world):
    def add(n):
        try:
            world.add_endpoint(f"http://127.0.0.1:{4000 + n}/hook")
        except Refused as refused:
            return refused.code
        return ""

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(add, range(ENDPOINTS_MAX + 5)))
    assert answers.count("") == ENDPOINTS_MAX
    assert answers.count("endpoint_limit") == 5
    assert len(world.webhooks.list_endpoints(world.tenant)) == ENDPOINTS_MAX


def test_the_other_mode_has_its_own_twenty(world):
    for n in range(ENDPOINTS_MAX):
        world.add_endpoint(f"http://127.0.0.1:{4000 + n}/hook")
    live = Author(Tenant(world.tenant.merchant_id, livemode=True), "key_live")
    world.webhooks.create_endpoint(live, NewEndpoint(URL), NOON)
    assert len(world.webhooks.list_endpoints(live.tenant)) == 1


def test_a_forbidden_target_is_refused_when_made_and_when_changed(world):
    forbidden = "http://169.254.169.254/latest/meta-data"
    assert code_of(world.add_endpoint, forbidden) == "webhook_target_forbidden"
    assert code_of(world.add_endpoint, "https://2130706433/") == "invalid_webhook_url"
    endpoint, _ = world.add_endpoint(URL)
    changes = EndpointChanges(url=forbidden)
    assert (
        code_of(world.webhooks.update_endpoint, world.author, endpoint.id, changes, NOON)
        == "webhook_target_forbidden"
    )
    assert world.webhooks.get_endpoint(world.tenant, endpoint.id).url == URL


def test_a_name_without_an_address_is_refused(world):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    lost = replace(world, resolver=unknown, settings=WebhookSettings())
    assert code_of(lost.add_endpoint, "https://shop.example/") == "webhook_url_unresolvable"


def test_dns_is_asked_outside_of_transactions_and_only_for_ones_own_endpoints(world):
    asked = []

    def resolve(host, port, **_):
        with world.app.transaction() as conn:
            asked.append((host, *conn.execute(OTHERS_IN_TRANSACTIONS).fetchone()))
        return [(socket.AF_INET, 1, 6, "", ("127.0.0.1", port))]

    watched = replace(world, resolver=resolve)
    endpoint, _ = watched.add_endpoint("http://shop.example/")
    changes = EndpointChanges(url="http://other.example/")
    watched.webhooks.update_endpoint(world.author, endpoint.id, changes, NOON)
    stranger = Author(new_tenant(), "key_other")
    code_of(watched.webhooks.update_endpoint, stranger, endpoint.id, changes, NOON)
    assert asked == [("shop.example", 0), ("other.example", 0)]


def test_rotation_keeps_the_old_secret_for_its_overlap(world):
    endpoint, first = world.add_endpoint(URL)
    rotated = world.webhooks.rotate_secret(world.author, endpoint.id, NOON)
    assert rotated.secret.reveal() != first
    assert rotated.endpoint.previous_secret_expires_at == later(days=1)
    with world.worker.transaction() as conn:
        row = conn.execute(
            "SELECT previous_secret FROM rizzpay.webhook_endpoints WHERE id = %s", [endpoint.id]
        ).fetchone()
    context = secret_context(endpoint.id, world.tenant)
    assert world.envelope.open("webhook_secret", row[0], context).decode() == first


def test_concurrent_rotations_leave_the_last_two_secrets(world):
    endpoint, _ = world.add_endpoint(URL)
    with ThreadPoolExecutor(8) as pool:
        made = list(
            pool.map(
                lambda _: world.webhooks.rotate_secret(world.author, endpoint.id, NOON), range(8)
            )
        )
    secrets = {one.endpoint.version: one.secret.reveal() for one in made}
    assert sorted(secrets) == list(range(2, 10))
    with world.worker.transaction() as conn:
        row = conn.execute(
            "SELECT secret, previous_secret FROM rizzpay.webhook_endpoints WHERE id = %s",
            [endpoint.id],
        ).fetchone()
    context = secret_context(endpoint.id, world.tenant)
    opened = [world.envelope.open("webhook_secret", one, context).decode() for one in row]
    assert opened == [secrets[9], secrets[8]]


def test_another_merchant_can_neither_see_nor_change_an_endpoint(world):
    endpoint, _ = world.add_endpoint(URL)
    for stranger in (new_tenant(), Tenant(world.tenant.merchant_id, livemode=True)):
        author = Author(stranger, "key_other")
        changes = EndpointChanges(description="mine")
        assert world.webhooks.list_endpoints(stranger) == []
        for call, arguments in [
            (world.webhooks.get_endpoint, (stranger, endpoint.id)),
            (world.webhooks.update_endpoint, (author, endpoint.id, changes, NOON)),
            (world.webhooks.delete_endpoint, (author, endpoint.id, NOON)),
            (world.webhooks.rotate_secret, (author, endpoint.id, NOON)),
            (world.webhooks.list_deliveries, (stranger, endpoint.id, 10, None)),
        ]:
            assert code_of(call, *arguments) == "webhook_endpoint_not_found"
        with world.app.transaction(stranger) as conn:
            for table in ("webhook_endpoints", "webhook_deliveries", "event_counters"):
                row = conn.execute(f"SELECT count(*) FROM rizzpay.{table}".encode()).fetchone()
                assert row == (0,)
            changed = conn.execute("UPDATE rizzpay.webhook_endpoints SET description = 'mine'")
            assert changed.rowcount == 0
    assert world.webhooks.get_endpoint(world.tenant, endpoint.id) == endpoint


def test_an_endpoint_cannot_be_written_for_another_merchant(world):
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        world.app.transaction(new_tenant()) as conn,
    ):
        conn.execute(
            "INSERT INTO rizzpay.webhook_endpoints (id, merchant_id, livemode, url, event_types,"
            " secret, created_at, updated_at)"
            " VALUES ('whe_x', %s, false, 'https://x.example', '{*}', '\\x00', now(), now())",
            [world.tenant.merchant_id],
        )
