"""Events, endpoints and deliveries as values: what merchants are told, and when it is tried again.

Pure: no clock, no chance, no I/O. The jitter of a retry comes out of the delivery's id, so the
same decision can be made twice and is the same both times.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from rizzpay.core.secret import Secret
from rizzpay.core.tenant import Tenant
from rizzpay.core.values import value

ENDPOINTS_MAX = 20  # for each merchant and mode; every event may go to all of them
PAYLOAD_BYTES_MAX = 20_000  # Standard Webhooks 1.0: keep payloads under 20 kb
RETRY_AFTER_MAX_S = 86_400  # a receiver may put us off for a day, the longest step of the table
GONE = 410


EventData = dict[str, Any] | bytes  # an object, or its JSON text in UTF-8


@value
class NewEvent(Struct, frozen=True, gc=False):
    """An event before it has its number.

    `data` is the object as the API shows it, without personal data; `object_sequence` grows with
    every change of that object.
    """

    id: str
    tenant: Tenant
    type: str  # payment.captured
    object_id: str
    object_sequence: int
    data: EventData
    created_at: datetime

    def json(self) -> bytes:
        """Return the data as JSON text."""
        return self.data if isinstance(self.data, bytes) else msgspec.json.encode(self.data)


@dataclass(frozen=True, slots=True)
class Event:
    """An event with its number: 1, 2, 3 … within a merchant and mode, without gaps."""

    id: str
    tenant: Tenant
    sequence: int
    type: str
    object_id: str
    object_sequence: int
    data: dict[str, Any]
    created_at: datetime


class EndpointStatus(StrEnum):
    """Whether an endpoint gets events; a deleted one is not shown any more."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    DELETED = "deleted"


class DisabledReason(StrEnum):
    """Who or what switched an endpoint off."""

    MERCHANT = "merchant"
    GONE = "gone"  # it answered 410
    FAILING = "failing"  # nothing got through for settings.disable_after_s


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a merchant wants events sent; its secret is not part of it."""

    id: str
    tenant: Tenant
    url: str
    description: str
    event_types: tuple[str, ...]
    status: EndpointStatus
    disabled_reason: DisabledReason | None
    previous_secret_expires_at: datetime | None
    failing_since: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def open(self) -> bool:
        """Tell whether it may be sent anything."""
        return self.status is EndpointStatus.ENABLED

    def takes(self, event_type: str) -> bool:
        """Tell whether it is open and asked for events of this type."""
        return self.open and matches(self.event_types, event_type)


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """What a merchant asks for."""

    url: str
    event_types: tuple[str, ...] = ("*",)
    description: str = ""


@dataclass(frozen=True, slots=True)
class EndpointChanges:
    """What is to be different; None leaves it as it is."""

    url: str | None = None
    event_types: tuple[str, ...] | None = None
    description: str | None = None
    status: EndpointStatus | None = None


@dataclass(frozen=True, slots=True)
class EndpointWithSecret:
    """An endpoint at the two moments when its secret is shown: made, and rotated."""

    endpoint: Endpoint
    secret: Secret[str]


class Origin(StrEnum):
    """Why there is a delivery."""

    EVENT = "event"
    REPLAY = "replay"


class DeliveryStatus(StrEnum):
    """How far a delivery is."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try.

    `status` is the HTTP status, None when there was no answer; `error` is None after a success;
    `response` is the beginning of the answer, printable and without card numbers.
    """

    at: datetime
    status: int | None
    duration_ms: int
    error: str | None
    response: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event on its way to one endpoint. `next_at` is None when nothing is due any more."""

    id: str
    tenant: Tenant
    endpoint_id: str
    event_id: str
    origin: Origin
    status: DeliveryStatus
    attempts: tuple[Attempt, ...]
    next_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @property
    def open(self) -> bool:
        """Tell whether there is something left to try."""
        return self.status is DeliveryStatus.PENDING


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events; `types` are patterns as `matches` reads them, None does not narrow."""

    types: tuple[str, ...] = ("*",)
    last_sequence: int | None = None
    created_gte: datetime | None = None
    created_lt: datetime | None = None


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries; None does not narrow. `before` is the last one of the page before."""

    endpoint_id: str | None = None
    event_id: str | None = None
    status: DeliveryStatus | None = None
    before: tuple[datetime, str] | None = None


@dataclass(frozen=True, slots=True)
class Author:
    """Who changes something: `actor` as the audit trail names it, and in which request."""

    tenant: Tenant
    actor: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to try again: seconds before each attempt after the one before it, and the jitter."""

    delays_s: tuple[int, ...]
    jitter_percent: int

    def after(self, delivery_id: str, attempts: int, retry_after_s: int) -> timedelta | None:
        """Return how long to wait after so many attempts; None when there is no further one."""
        if attempts >= len(self.delays_s):
            return None
        spread = _fraction(f"{delivery_id}:{attempts}") * self.jitter_percent / 100
        wait_s = self.delays_s[attempts] * (1 + spread)
        return timedelta(seconds=max(wait_s, retry_after_s))


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The receiver took it."""


@dataclass(frozen=True, slots=True)
class TryAgain:
    """It did not get through; the next try is at `at`."""

    at: datetime


@dataclass(frozen=True, slots=True)
class GivenUp:
    """It did not get through and the table has no further row."""


@dataclass(frozen=True, slots=True)
class SwitchOff:
    """It did not get through and the endpoint is switched off for it."""

    reason: DisabledReason


Decision = Succeeded | TryAgain | GivenUp | SwitchOff


@dataclass(frozen=True, slots=True)
class Tried:
    """A try that just ended: of which delivery, the how-manieth, how, and when."""

    delivery_id: str
    number: int
    attempt: Attempt
    ended_at: datetime
    retry_after: str | None  # the header as it came
    failing_since: datetime | None  # of the endpoint, before this try


def decide(tried: Tried, schedule: Schedule, disable_after_s: int) -> Decision:
    """Say what becomes of a delivery after a try."""
    if tried.attempt.error is None:
        return Succeeded()
    if tried.attempt.status == GONE:
        return SwitchOff(DisabledReason.GONE)
    since = tried.failing_since or tried.ended_at
    if tried.ended_at - since >= timedelta(seconds=disable_after_s):
        return SwitchOff(DisabledReason.FAILING)
    asked_s = retry_after_s(tried.retry_after, tried.ended_at)
    wait = schedule.after(tried.delivery_id, tried.number, asked_s)
    return GivenUp() if wait is None else TryAgain(tried.ended_at + wait)


def change(endpoint: Endpoint, wanted: EndpointChanges, now: datetime) -> Endpoint:
    """Return the endpoint as it will be: the same value when nothing changes.

    Switching it on forgets why it was off and since when it failed.
    """
    status = wanted.status or endpoint.status
    changed = replace(
        endpoint,
        url=wanted.url or endpoint.url,
        event_types=wanted.event_types or endpoint.event_types,
        description=endpoint.description if wanted.description is None else wanted.description,
        status=status,
    )
    if status is not endpoint.status:
        switched_on = status is EndpointStatus.ENABLED
        changed = replace(
            changed,
            disabled_reason=None if switched_on else DisabledReason.MERCHANT,
            failing_since=None if switched_on else endpoint.failing_since,
        )
    if changed == endpoint:
        return endpoint
    return replace(changed, version=endpoint.version + 1, updated_at=now)


def error_of(status: int) -> str | None:
    """Name what is wrong with an HTTP status; None for success. A redirect is never followed."""
    if 200 <= status < 300:  # noqa: PLR2004 - the class of success, RFC 9110 section 15.3
        return None
    if 300 <= status < 400:  # noqa: PLR2004 - redirection, RFC 9110 section 15.4
        return "redirect_not_followed"
    return "gone" if status == GONE else "http_error"


def retry_after_s(header: str | None, now: datetime) -> int:
    """Read Retry-After, seconds or a date (RFC 9110 section 10.2.3); 0 when it says nothing."""
    if header is None:
        return 0
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:9]), RETRY_AFTER_MAX_S)  # nine digits are 31 years
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return min(max(int((at - now).total_seconds()), 0), RETRY_AFTER_MAX_S)


def matches(patterns: Sequence[str], event_type: str) -> bool:
    """Tell whether a type is one of `patterns`: `*`, `payment.*` or `payment.captured`."""
    return any(
        pattern in {"*", event_type}
        or (pattern.endswith(".*") and event_type.startswith(pattern[:-1]))
        for pattern in patterns
    )


def payload(event: Event) -> bytes:
    """Return the bytes that are sent: the same for every attempt, endpoint and replay.

    An object too large for a webhook is left out but for its id and kind, with `truncated`:
    GET /v1/events/{id} has the whole of it.
    """
    whole = _body(event, {"object": event.data})
    if len(whole) <= PAYLOAD_BYTES_MAX:
        return whole
    thin = {"id": event.object_id, "object": event.data.get("object")}
    return _body(event, {"object": thin, "truncated": True})


def secret_context(endpoint_id: str, tenant: Tenant) -> str:
    """Return what a sealed secret is bound to: it opens nowhere else."""
    return f"webhook_endpoints|secret|{endpoint_id}|{tenant.merchant_id}"


def endpoint_data(endpoint: Endpoint) -> dict[str, Any]:
    """Return an endpoint as an event carries it: the API's object, without the secret."""
    expires_at = endpoint.previous_secret_expires_at
    return {
        "id": endpoint.id,
        "object": "webhook_endpoint",
        "livemode": endpoint.tenant.livemode,
        "url": endpoint.url,
        "description": endpoint.description,
        "event_types": list(endpoint.event_types),
        "status": endpoint.status.value,
        "disabled_reason": endpoint.disabled_reason,
        "created_at": int(endpoint.created_at.timestamp()),
        "updated_at": int(endpoint.updated_at.timestamp()),
        "previous_secret_expires_at": int(expires_at.timestamp()) if expires_at else None,
    }


def _body(event: Event, data: dict[str, Any]) -> bytes:
    at = event.created_at.astimezone(UTC).isoformat(timespec="milliseconds")
    return msgspec.json.encode(
        {
            "id": event.id,
            "type": event.type,
            "timestamp": at.replace("+00:00", "Z"),
            "livemode": event.tenant.livemode,
            "sequence": event.sequence,
            "object_sequence": event.object_sequence,
            # Sorted, so that the bytes do not hang on how the database keeps an object.
            "data": msgspec.Raw(msgspec.json.encode(data, order="sorted")),
        }
    )


def _fraction(seed: str) -> float:
    """Return a number from -1 to 1 that is always the same for `seed` and spread evenly."""
    drawn = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4])
    return drawn / (2**31 - 0.5) - 1
