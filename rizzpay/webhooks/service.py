"""Webhooks: endpoints, events and deliveries, for the API and the worker.

DNS is asked before a transaction is opened, never inside one. Codes of refusals:

    invalid_webhook_url, webhook_target_forbidden, webhook_url_unresolvable   see targets.py
    webhook_endpoint_not_found, event_not_found, endpoint_limit, endpoint_disabled
"""

import socket
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from rizzpay.audit import service as audit
from rizzpay.audit.model import Entry
from rizzpay.config import WebhookSettings
from rizzpay.core import ids
from rizzpay.core.errors import Refused
from rizzpay.core.secret import Secret
from rizzpay.core.tenant import Tenant
from rizzpay.infra.database import Connection, Database
from rizzpay.infra.envelope import Envelope
from rizzpay.infra.hsm.inventory import Purpose
from rizzpay.infra.http_client import HttpClient
from rizzpay.infra.jobs import Done, Job, Verdict
from rizzpay.webhooks import replaying, signing, store
from rizzpay.webhooks.deliver import Deliverer
from rizzpay.webhooks.model import (
    ENDPOINTS_MAX,
    Author,
    Delivery,
    DeliveryFilter,
    Endpoint,
    EndpointChanges,
    EndpointStatus,
    EndpointWithSecret,
    Event,
    EventFilter,
    NewEndpoint,
    change,
    secret_context,
)
from rizzpay.webhooks.outbox import publish
from rizzpay.webhooks.targets import Guard, Resolver

__all__ = ["Webhooks", "deliveries", "publish"]


class Webhooks:
    """The door to webhooks. Everything but the two jobs belongs to one tenant."""

    def __init__(
        self,
        database: Database,
        envelope: Envelope,
        settings: WebhookSettings,
        http: HttpClient,
        resolver: Resolver = socket.getaddrinfo,
    ) -> None:
        """Keep the parts; raises Misconfigured for a bad CIDR in the settings."""
        self._database = database
        self._envelope = envelope
        self._settings = settings
        self._guard = Guard(settings.private_targets, resolver)
        self._deliverer = Deliverer(database, envelope, settings, http, self._guard)

    def create_endpoint(
        self, author: Author, wanted: NewEndpoint, now: datetime
    ) -> EndpointWithSecret:
        """Add an endpoint. Raises Refused: the guard's codes, endpoint_limit."""
        self._guard.check(wanted.url)
        endpoint = Endpoint(
            id=ids.new_id("endpoint", now),
            tenant=author.tenant,
            url=wanted.url,
            description=wanted.description,
            event_types=wanted.event_types,
            status=EndpointStatus.ENABLED,
            disabled_reason=None,
            previous_secret_expires_at=None,
            failing_since=None,
            version=1,
            created_at=now,
            updated_at=now,
        )
        secret = signing.new_secret()
        sealed = self._seal(endpoint, secret)
        with self._database.transaction(author.tenant) as conn:
            store.lock_tenant(conn, author.tenant)
            if len(store.list_endpoints(conn, author.tenant)) >= ENDPOINTS_MAX:
                raise Refused("endpoint_limit")
            store.insert_endpoint(conn, endpoint, sealed)
            _note(conn, author, "webhook_endpoint.created", endpoint, now)
        return EndpointWithSecret(endpoint, secret)

    def list_endpoints(self, tenant: Tenant) -> list[Endpoint]:
        """Return all endpoints that are not deleted, oldest first; there are at most 20."""
        with self._database.transaction(tenant) as conn:
            return store.list_endpoints(conn, tenant)

    def get_endpoint(self, tenant: Tenant, endpoint_id: str) -> Endpoint:
        """Return one endpoint; raises Refused(webhook_endpoint_not_found)."""
        for endpoint in self.list_endpoints(tenant):
            if endpoint.id == endpoint_id:
                return endpoint
        raise Refused("webhook_endpoint_not_found", param="id")

    def update_endpoint(
        self, author: Author, endpoint_id: str, wanted: EndpointChanges, now: datetime
    ) -> Endpoint:
        """Change an endpoint; enabling it forgets that it failed. Raises Refused."""
        if wanted.url is not None:
            self.get_endpoint(author.tenant, endpoint_id)  # nobody probes DNS without one
            self._guard.check(wanted.url)
        with self._database.transaction(author.tenant) as conn:
            before = _lock(conn, author.tenant, endpoint_id)
            after = change(before, wanted, now)
            if after != before:
                store.update_endpoint(conn, after)
                _note(conn, author, "webhook_endpoint.updated", after, now)
        return after

    def delete_endpoint(self, author: Author, endpoint_id: str, now: datetime) -> None:
        """Delete an endpoint; what waits for it is given up. Raises Refused."""
        with self._database.transaction(author.tenant) as conn:
            before = _lock(conn, author.tenant, endpoint_id)
            after = change(before, EndpointChanges(status=EndpointStatus.DELETED), now)
            store.update_endpoint(conn, after)
            _note(conn, author, "webhook_endpoint.deleted", after, now)

    def rotate_secret(self, author: Author, endpoint_id: str, now: datetime) -> EndpointWithSecret:
        """Give an endpoint a new secret; the old one signs too for `secret_overlap_s`.

        A second rotation within that time drops the oldest secret at once. Raises Refused.
        """
        secret = signing.new_secret()
        with self._database.transaction(author.tenant) as conn:
            before = _lock(conn, author.tenant, endpoint_id)
            after = replace(
                before,
                previous_secret_expires_at=now + timedelta(seconds=self._settings.secret_overlap_s),
                version=before.version + 1,
                updated_at=now,
            )
            store.rotate_secret(conn, endpoint_id, self._seal(after, secret))
            store.update_endpoint(conn, after)
            _note(conn, author, "webhook_endpoint.secret_rotated", after, now)
        return EndpointWithSecret(after, secret)

    def list_events(
        self, tenant: Tenant, after_sequence: int, limit: int, types: tuple[str, ...] = ("*",)
    ) -> list[Event]:
        """Return events in the order of their numbers, from `after_sequence` on."""
        with self._database.transaction(tenant) as conn:
            return store.list_events(conn, tenant, after_sequence, limit, EventFilter(types))

    def get_event(self, tenant: Tenant, event_id: str) -> Event:
        """Return one event; raises Refused(event_not_found)."""
        with self._database.transaction(tenant) as conn:
            event = store.get_event(conn, tenant, event_id)
        if event is None:
            raise Refused("event_not_found", param="id")
        return event

    def list_deliveries(
        self, tenant: Tenant, endpoint_id: str, limit: int, before: tuple[datetime, str] | None
    ) -> list[Delivery]:
        """Return an endpoint's deliveries, newest first, those older than `before`.

        Raises Refused(webhook_endpoint_not_found).
        """
        self.get_endpoint(tenant, endpoint_id)
        wanted = DeliveryFilter(endpoint_id=endpoint_id, before=before)
        with self._database.transaction(tenant) as conn:
            return store.list_deliveries(conn, tenant, limit, wanted)

    def replay(
        self, author: Author, event_id: str, endpoint_id: str | None, now: datetime
    ) -> list[Delivery]:
        """Send an event again, to one endpoint or to all that take it. Raises Refused."""
        with self._database.transaction(author.tenant) as conn:
            return replaying.replay_event(conn, author, event_id, endpoint_id, now)

    def fan_out_all(self, leased: Sequence[Job], now: datetime) -> list[Done | Exception]:
        """Do jobs of kind webhook.fan_out, of any merchants; the keys are events' ids."""
        return self._deliverer.fan_out_all(leased, now)

    def fan_out(self, job: Job, now: datetime) -> Verdict:
        """Do one job of kind webhook.fan_out."""
        (result,) = self.fan_out_all([job], now)
        if isinstance(result, Exception):
            raise result
        return result

    def deliver(self, job: Job, now: datetime) -> Verdict:
        """Do a job of kind webhook.deliver; the key is a delivery's id."""
        return self._deliverer.deliver(job, now)

    def _seal(self, endpoint: Endpoint, secret: Secret[str]) -> bytes:
        context = secret_context(endpoint.id, endpoint.tenant)
        return self._envelope.seal(Purpose.WEBHOOK_SECRET, secret.reveal().encode(), context)


def deliveries(
    conn: Connection, tenant: Tenant, limit: int, wanted: DeliveryFilter
) -> list[Delivery]:
    """Return deliveries of all endpoints of a tenant, newest first: for operators."""
    return store.list_deliveries(conn, tenant, limit, wanted)


def _lock(conn: Connection, tenant: Tenant, endpoint_id: str) -> Endpoint:
    endpoint = store.lock_endpoint(conn, tenant, endpoint_id)
    if endpoint is None:
        raise Refused("webhook_endpoint_not_found", param="id")
    return endpoint


def _note(conn: Connection, author: Author, action: str, endpoint: Endpoint, now: datetime) -> None:
    entry = Entry(
        at=now,
        actor=author.actor,
        action=action,
        object_id=endpoint.id,
        detail={
            "host": urlsplit(endpoint.url).netloc,  # the rest may hold a token of theirs
            "status": endpoint.status.value,
            "event_types": list(endpoint.event_types),
        },
        tenant=author.tenant,
        request_id=author.request_id,
    )
    audit.append(conn, [entry])
