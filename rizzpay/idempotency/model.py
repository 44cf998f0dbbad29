"""A claim of an Idempotency-Key and the answers that it can get; pure.

A key belongs to (merchant, mode). Keys are the merchant's own data and never printed.
"""

from dataclasses import dataclass, field
from datetime import datetime

from msgspec import Struct

from rizzpay.core.tenant import Tenant
from rizzpay.core.values import value

KEY_LENGTH_MAX = 255  # the API's rule, and the CHECK of the column


@value
class Claim(Struct, frozen=True, gc=False):
    """A request that wants to be the only one with its key.

    `request_hash` is SHA-256 over method, path and canonical body; `object_id` is what the winner
    creates or changes.
    """

    tenant: Tenant
    key: str
    request_hash: bytes
    request_id: str
    object_id: str
    created_at: datetime

    def __post_init__(self) -> None:
        """Refuse what the table would refuse, without repeating the key."""
        if not 1 <= len(self.key) <= KEY_LENGTH_MAX or "\0" in self.key:
            raise ValueError("a key has 1 to 255 characters and no NUL")

    def __repr__(self) -> str:
        """Show whose it is and of what, without key and hash."""
        return f"Claim({self.tenant}, {self.request_id}, {self.object_id}, {self.created_at})"


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer: HTTP status and the exact bytes."""

    status: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class OpenClaim:
    """A claim whose answer is still to come, and the request that waits for it."""

    tenant: Tenant
    key: str
    request_id: str


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


@dataclass(frozen=True, slots=True, order=True)
class KeyOf:
    """The primary key of a claim, in the order in which rows are locked."""

    tenant: Tenant
    key: str = field(repr=False)


def key_of(claim: Claim) -> KeyOf:
    """Return where a claim is stored."""
    return KeyOf(claim.tenant, claim.key)


def context(place: KeyOf) -> str:
    """Return what binds a sealed answer to its claim, so that it opens nowhere else."""
    return f"idempotency_claims|response|{place.key}|{place.tenant.merchant_id}"
