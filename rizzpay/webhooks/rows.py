"""Rows of the webhook tables as values, and values as parameters; no SQL and no decisions.

The order of the columns is the order in which the queries of store.py list them.
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from rizzpay.core.tenant import Tenant
from rizzpay.webhooks.model import (
    Attempt,
    Delivery,
    DeliveryStatus,
    DisabledReason,
    Endpoint,
    EndpointStatus,
    Event,
    Origin,
)

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery with all that is needed to make it; the secrets are sealed."""

    delivery: Delivery
    event: Event
    endpoint: Endpoint
    secret: bytes
    previous_secret: bytes | None


@dataclass(frozen=True, slots=True)
class Offer:
    """An event before one endpoint of its merchant, which takes this type or not."""

    event_id: str
    tenant: Tenant
    endpoint_id: str  # empty when the merchant has no endpoint that is open
    is_taken: bool


def tenant_values(tenant: Tenant) -> dict[str, Any]:
    """Return the parameters that narrow a query to one tenant."""
    return {"merchant_id": tenant.merchant_id, "livemode": tenant.livemode}


def endpoint_values(endpoint: Endpoint) -> dict[str, Any]:
    """Return the columns of an endpoint, without its secrets."""
    return {
        **tenant_values(endpoint.tenant),
        "id": endpoint.id,
        "url": endpoint.url,
        "description": endpoint.description,
        "event_types": list(endpoint.event_types),
        "status": endpoint.status,
        "disabled_reason": endpoint.disabled_reason,
        "previous_secret_expires_at": endpoint.previous_secret_expires_at,
        "failing_since": endpoint.failing_since,
        "version": endpoint.version,
        "created_at": endpoint.created_at,
        "updated_at": endpoint.updated_at,
    }


def event(row: Row) -> Event:
    """Read an event."""
    return Event(
        id=row[0],
        tenant=Tenant(row[1], row[2]),
        sequence=row[3],
        type=row[4],
        object_id=row[5],
        object_sequence=row[6],
        data=row[7],
        created_at=row[8],
    )


def endpoint(row: Row) -> Endpoint:
    """Read an endpoint."""
    return Endpoint(
        id=row[0],
        tenant=Tenant(row[1], row[2]),
        url=row[3],
        description=row[4],
        event_types=tuple(row[5]),
        status=EndpointStatus(row[6]),
        disabled_reason=DisabledReason(row[7]) if row[7] else None,
        previous_secret_expires_at=row[8],
        failing_since=row[9],
        version=row[10],
        created_at=row[11],
        updated_at=row[12],
    )


def delivery(row: Row) -> Delivery:
    """Read a delivery."""
    return Delivery(
        id=row[0],
        tenant=Tenant(row[1], row[2]),
        endpoint_id=row[3],
        event_id=row[4],
        origin=Origin(row[5]),
        status=DeliveryStatus(row[6]),
        attempts=msgspec.convert(row[7], tuple[Attempt, ...]),
        next_at=row[8],
        created_at=row[9],
        updated_at=row[10],
    )
