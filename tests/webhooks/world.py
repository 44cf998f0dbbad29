"""What the tests of webhooks share: a merchant, its service on both sides, and its jobs."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rizzpay.config import WebhookSettings
from rizzpay.core import ids
from rizzpay.core.secret import Secret
from rizzpay.core.tenant import Tenant
from rizzpay.infra import jobs
from rizzpay.infra.envelope import DataKey, Envelope, Keys
from rizzpay.infra.hsm.inventory import Purpose
from rizzpay.infra.jobs import Job
from rizzpay.webhooks import service, store
from rizzpay.webhooks.model import Author, NewEndpoint, NewEvent
from rizzpay.webhooks.service import Webhooks

NOON = datetime(2026, 11, 21, 12, 0, 0, 123_456, tzinfo=UTC)
LOOPBACK = WebhookSettings(private_targets=("127.0.0.0/8",), timeout_s=2.0)

JOBS = """
SELECT id, kind, key, merchant_id, livemode, payload, attempts, lease_token FROM rizzpay.jobs
WHERE merchant_id = %(merchant_id)s AND kind = %(kind)s ORDER BY id
"""


def new_tenant(*, livemode=False):
    """Return a merchant that no other test knows."""
    return Tenant(ids.new_id("merchant", datetime.now(UTC)), livemode)


def new_event(tenant, kind="payment.captured", **changes):
    """Return an event that has no number yet."""
    values = {
        "id": ids.new_id("event", NOON),
        "tenant": tenant,
        "type": kind,
        "object_id": "pay_1",
        "object_sequence": 1,
        "data": {"id": "pay_1", "object": "payment", "amount": 50_000},
        "created_at": NOON,
        **changes,
    }
    return NewEvent(**values)


def test_envelope():
    """Return an envelope whose keys were made for this run."""
    made = [_key(purpose) for purpose in Purpose]
    keys = Keys({key.id: key for key in made}, {key.purpose: key for key in made})
    return Envelope(lambda _: keys)


test_envelope.__test__ = False


def _key(purpose):
    text = secrets.token_bytes(32)
    return DataKey(f"dek_{purpose}", purpose, active=True, secret=Secret(text), cipher=AESGCM(text))


@dataclass
class World:
    """One merchant; `webhooks` is the API's side, `working` the worker's."""

    app: object
    worker: object
    envelope: Envelope
    tenant: Tenant
    http: object
    settings: WebhookSettings = LOOPBACK
    resolver: object = None

    @cached_property
    def webhooks(self):
        return self._service(self.app)

    @cached_property
    def working(self):
        return self._service(self.worker)

    @property
    def author(self):
        return Author(self.tenant, "key_test", "req_test")

    def _service(self, database):
        more = {"resolver": self.resolver} if self.resolver else {}
        return Webhooks(database, self.envelope, self.settings, self.http, **more)

    def add_endpoint(self, url, *event_types, now=NOON):
        """Make an endpoint; returns (endpoint, secret)."""
        wanted = NewEndpoint(url, event_types or ("*",))
        made = self.webhooks.create_endpoint(self.author, wanted, now)
        return made.endpoint, made.secret.reveal()

    def publish(self, *kinds):
        """Write events as a payment would."""
        events = [new_event(self.tenant, kind) for kind in kinds or ("payment.captured",)]
        with self.app.transaction(self.tenant) as conn:
            return service.publish(conn, events)

    def jobs(self, kind):
        """Return the merchant's jobs of a kind, oldest first."""
        with self.worker.transaction() as conn:
            rows = conn.execute(
                JOBS, {"merchant_id": self.tenant.merchant_id, "kind": kind}
            ).fetchall()
        return [Job(r[0], r[1], r[2], Tenant(r[3], r[4]), r[5], r[6], r[7]) for r in rows]

    def fan_out(self, now=NOON):
        """Do what the worker does with fresh events."""
        for job in self.jobs("webhook.fan_out"):
            self.working.fan_out(job, now)
            self._finish(job)

    def deliver(self, now=NOON):
        """Run every delivery's job once and return the verdicts."""
        verdicts = []
        for job in self.jobs("webhook.deliver"):
            verdict = self.working.deliver(job, now)
            if isinstance(verdict, jobs.Done):
                self._finish(job)
            verdicts.append(verdict)
        return verdicts

    def send(self, *kinds, now=NOON):
        """Publish, fan out and make the first attempts."""
        published = self.publish(*kinds)
        self.fan_out(now)
        self.deliver(now)
        return published

    def deliveries(self, endpoint_id):
        """Return an endpoint's deliveries, newest first."""
        return self.webhooks.list_deliveries(self.tenant, endpoint_id, 100, None)

    def due(self, delivery_id):
        """Return a delivery with its event and endpoint, as the worker sees it."""
        with self.worker.transaction() as conn:
            return store.get_delivery(conn, delivery_id)

    def _finish(self, job):
        with self.worker.transaction() as conn:
            jobs.finish(conn, job)


def later(**span):
    """Return a moment after NOON."""
    return NOON + timedelta(**span)
