"""A claim of an Idempotency-Key and the answers that it can get."""

from dataclasses import dataclass
from datetime import datetime

from rizzpay.core.tenant import Tenant


@dataclass(frozen=True, slots=True)
class Claim:
    """The first request with this key wins. `request_hash` is SHA-256 over method, path and
    canonical body; `object_id` is what the winner creates or changes."""

    tenant: Tenant
    key: str
    request_hash: bytes
    request_id: str
    object_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer: HTTP status and the exact bytes."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Won:
    """The key is ours; the work may begin."""


@dataclass(frozen=True, slots=True)
class Replay:
    """The work was done before; this is what was said then."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class InProgress:
    """Another request with this key is at work, or was cut off and will be resolved."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The key was used for a different request."""

    original_request_id: str


ClaimResult = Won | Replay | InProgress | Mismatch
