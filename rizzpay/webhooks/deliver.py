"""Deliveries: an event goes to every endpoint that asked for it, until it is taken or given up.

Both jobs may run twice: rows are unique, and a delivery that is finished is left alone. The
network is used between transactions, never inside one. What a receiver answers is cut, never
followed and never believed.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from rizzpay.audit import service as audit
from rizzpay.audit.model import Entry
from rizzpay.config import WebhookSettings
from rizzpay.core import clock, ids, sensitive
from rizzpay.core.errors import Refused
from rizzpay.core.secret import Secret
from rizzpay.core.tenant import Tenant
from rizzpay.infra import jobs
from rizzpay.infra.database import Connection, Database
from rizzpay.infra.envelope import Envelope
from rizzpay.infra.hsm.inventory import Purpose
from rizzpay.infra.http_client import (
    HttpClient,
    HttpRequest,
    HttpResponse,
    NoAnswer,
    NotSent,
    TooLong,
)
from rizzpay.infra.jobs import Again, Done, Job, NewJob, Verdict
from rizzpay.webhooks import outbox, signing, store
from rizzpay.webhooks.lanes import Lanes, Pace
from rizzpay.webhooks.model import (
    Attempt,
    DeliveryStatus,
    DisabledReason,
    EndpointStatus,
    GivenUp,
    NewEvent,
    Origin,
    Schedule,
    Succeeded,
    SwitchOff,
    Tried,
    TryAgain,
    decide,
    endpoint_data,
    error_of,
    payload,
    secret_context,
)
from rizzpay.webhooks.rows import Due
from rizzpay.webhooks.targets import Guard

CONNECT_S = 5.0  # for each address; what is further away than that does not take webhooks
ADDRESSES_TRIED = 3
ANSWER_BYTES_MAX = 4096
EXCERPT_CHARACTERS = 512
USER_AGENT = "RizzPay-Webhooks/1"
_SECRET = re.compile(re.escape(signing.PREFIX) + r"[A-Za-z0-9+/=_-]+")


class Deliverer:
    """Runs the two kinds of jobs; one for a worker process."""

    def __init__(
        self,
        database: Database,
        envelope: Envelope,
        settings: WebhookSettings,
        http: HttpClient,
        guard: Guard,
    ) -> None:
        """Keep the parts."""
        self._database = database
        self._envelope = envelope
        self._settings = settings
        self._http = http
        self._guard = guard
        self._schedule = Schedule(settings.schedule_s, settings.jitter_percent)
        self._lanes = Lanes()

    def fan_out_all(self, leased: Sequence[Job], now: datetime) -> list[Done | Exception]:
        """Make one delivery for each endpoint that takes an event, each exactly once."""
        with self._database.transaction() as conn:
            offers = store.offers(conn, [job.key for job in leased])
            takers = [offer for offer in offers if offer.is_taken]
            if takers:
                add_all(
                    conn,
                    Origin.EVENT,
                    [(offer.tenant, offer.endpoint_id, offer.event_id) for offer in takers],
                    now,
                )
        known = {offer.event_id for offer in offers}
        return [
            Done() if job.key in known else RuntimeError("a job of an event that is not there")
            for job in leased
        ]

    def deliver(self, job: Job, now: datetime) -> Verdict:
        """Make one attempt, unless the endpoint has as many under way as it may."""
        endpoint_id = str(job.payload["endpoint_id"])
        place = self._lanes.enter(endpoint_id, _tenant(job).merchant_id)
        if place is None:
            return Again(self._lanes.come_back(endpoint_id, now), "the endpoint is busy")
        began_s = clock.monotonic_s()
        pace: Pace | None = None
        try:
            with self._database.transaction(_tenant(job)) as conn:
                due = store.get_delivery(conn, job.key)
            if due is None or not due.delivery.open:
                return Done()
            if due.delivery.next_at is not None and due.delivery.next_at > now:
                return Again(due.delivery.next_at, "not due yet")
            if not due.endpoint.open:
                return self._close(due, now)
            tried = self._try(due, now)
            verdict = self._record(due, tried)
            pace = Pace(tried.attempt.duration_ms / 1000, clock.monotonic_s() - began_s)
            return verdict
        finally:
            self._lanes.leave(place, pace)

    def _try(self, due: Due, now: datetime) -> Tried:
        """Send it once; whatever happens is an attempt."""
        started_s = clock.monotonic_s()
        request = self._request(due, now)
        status, retry_after = None, None
        error: str | None
        try:
            answer = self._send(request)
        except Refused as refused:  # the guard's codes
            error, said = refused.code, refused.message
        except NotSent as failure:
            said = str(failure)
            error = "tls_failed" if said.startswith("TLS") else "not_reached"
        except NoAnswer as failure:
            error, said = "no_answer", str(failure)
        else:
            status, error = answer.status, error_of(answer.status)
            retry_after = answer.headers.get("retry-after")
            said = answer.body.decode(errors="replace")
        took_s = clock.monotonic_s() - started_s
        attempt = Attempt(
            at=now,
            status=status,
            duration_ms=round(took_s * 1000),
            error=error,
            response=excerpt(said),
        )
        return Tried(
            delivery_id=due.delivery.id,
            number=len(due.delivery.attempts) + 1,
            attempt=attempt,
            ended_at=now + timedelta(seconds=took_s),
            retry_after=retry_after,
            failing_since=due.endpoint.failing_since,
        )

    def _request(self, due: Due, now: datetime) -> HttpRequest:
        body = payload(due.event)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            **signing.headers(self._secrets(due, now), due.event.id, now, body),
        }
        return HttpRequest("POST", due.endpoint.url, headers, body)

    def _secrets(self, due: Due, now: datetime) -> list[Secret[str]]:
        """Return the current secret and, while it overlaps, the one before it."""
        sealed = [due.secret]
        expires_at = due.endpoint.previous_secret_expires_at
        if due.previous_secret is not None and expires_at is not None and now < expires_at:
            sealed.append(due.previous_secret)
        context = secret_context(due.endpoint.id, due.endpoint.tenant)
        return [
            Secret(self._envelope.open(Purpose.WEBHOOK_SECRET, one, context).decode())
            for one in sealed
        ]

    def _send(self, request: HttpRequest) -> HttpResponse:
        """Send to the first checked address that can be connected to."""
        addresses = self._guard.check(request.url).addresses[:ADDRESSES_TRIED]
        for address in addresses[:-1]:
            try:
                return self._send_to(address, request)
            except NotSent:  # nothing left, so the next address may have it
                continue
        return self._send_to(addresses[-1], request)

    def _send_to(self, address: str, request: HttpRequest) -> HttpResponse:
        try:
            return self._http.send(
                request,
                connect_timeout_s=min(CONNECT_S, self._settings.timeout_s),
                answer_timeout_s=self._settings.timeout_s,
                address=address,
                max_body_bytes=ANSWER_BYTES_MAX,
            )
        except TooLong as longer:  # the status is what counts
            return longer.beginning

    def _record(self, due: Due, tried: Tried) -> Verdict:
        """Write the attempt down and what follows from it, in one transaction."""
        decision = decide(tried, self._schedule, self._settings.disable_after_s)
        delivery = due.delivery
        verdict: Verdict = Done()
        failing_since: datetime | None = tried.ended_at
        match decision:
            case Succeeded():
                delivery = replace(delivery, status=DeliveryStatus.SUCCEEDED, next_at=None)
                failing_since = None
            case TryAgain(at):
                delivery = replace(delivery, next_at=at)
                verdict = Again(at, tried.attempt.error or "")
            case GivenUp() | SwitchOff():
                delivery = replace(delivery, status=DeliveryStatus.FAILED, next_at=None)
        with self._database.transaction(delivery.tenant) as conn:
            if not store.record_attempts(conn, delivery, [tried.attempt], tried.ended_at):
                return Done()
            store.note_failing(conn, delivery.endpoint_id, failing_since)
            if isinstance(decision, SwitchOff):
                switch_off(conn, due, decision.reason, tried.ended_at)
        return verdict

    def _close(self, due: Due, now: datetime) -> Verdict:
        """Give up what waits for an endpoint that was switched off or deleted meanwhile."""
        closed = replace(due.delivery, status=DeliveryStatus.FAILED, next_at=None)
        attempt = Attempt(
            at=now, status=None, duration_ms=0, error="endpoint_disabled", response=""
        )
        with self._database.transaction(closed.tenant) as conn:
            store.record_attempts(conn, closed, [attempt], now)
        return Done()


def add(
    conn: Connection,
    tenant: Tenant,
    origin: Origin,
    pairs: Sequence[tuple[str, str]],
    now: datetime,
) -> list[str]:
    """Add deliveries of (endpoint, event) of one tenant that are not there yet."""
    return add_all(conn, origin, [(tenant, *pair) for pair in pairs], now)


def add_all(
    conn: Connection, origin: Origin, wanted: Sequence[tuple[Tenant, str, str]], now: datetime
) -> list[str]:
    """Add deliveries of (tenant, endpoint, event) that are not there yet, with their jobs."""
    named = {ids.new_id("delivery", now): one for one in wanted}
    made = store.insert_deliveries(conn, origin, named, now)
    jobs.enqueue(
        conn,
        [
            NewJob("webhook.deliver", made_id, now, {"endpoint_id": endpoint_id}, tenant)
            for made_id in made
            for tenant, endpoint_id, _ in [named[made_id]]
        ],
    )
    return made


def switch_off(conn: Connection, due: Due, reason: DisabledReason, now: datetime) -> None:
    """Disable an endpoint, say so in the trail and to the merchant's other endpoints."""
    endpoint = store.lock_endpoint(conn, due.endpoint.tenant, due.endpoint.id)
    if endpoint is None or not endpoint.open:
        return
    disabled = replace(
        endpoint,
        status=EndpointStatus.DISABLED,
        disabled_reason=reason,
        version=endpoint.version + 1,
        updated_at=now,
    )
    store.update_endpoint(conn, disabled)
    audit.append(
        conn,
        [
            Entry(
                at=now,
                actor="worker",
                action="webhook_endpoint.disabled",
                object_id=disabled.id,
                detail={"reason": reason.value, "delivery_id": due.delivery.id},
                tenant=disabled.tenant,
            )
        ],
    )
    outbox.publish(
        conn,
        [
            NewEvent(
                id=ids.new_id("event", now),
                tenant=disabled.tenant,
                type="endpoint.disabled",
                object_id=disabled.id,
                object_sequence=disabled.version,
                data=endpoint_data(disabled),
                created_at=now,
            )
        ],
    )


def excerpt(text: str) -> str:
    """Return the beginning of what a receiver said: printable, no card numbers, no secrets."""
    hidden = _SECRET.sub("[secret]", sensitive.mask(text))
    printable = "".join(sign if sign.isprintable() else " " for sign in hidden)
    return " ".join(printable.split())[:EXCERPT_CHARACTERS]


def _tenant(job: Job) -> Tenant:
    if job.tenant is None:
        raise RuntimeError(f"a job of kind {job.kind} belongs to a merchant")
    return job.tenant
