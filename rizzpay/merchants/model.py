"""A merchant, a key's rights and who is calling: values only."""

from dataclasses import dataclass
from datetime import datetime

from rizzpay.core.tenant import Tenant

TIERS = {"standard": 100, "premium": 500}  # requests a minute; enterprise is set for each merchant
SCOPES = frozenset(
    {
        "payments:read",
        "payments:write",
        "refunds:read",
        "refunds:write",
        "events:read",
        "webhooks:read",
        "webhooks:write",
        "balance:read",
        "keys:read",
        "keys:write",
    }
)


@dataclass(frozen=True, slots=True)
class Merchant:
    """Our client. Rates in basis points of the captured amount, and of the fee for GST."""

    id: str
    name: str
    mcc: str
    status: str
    tier: str
    requests_per_minute: int
    fee_basis_points: int
    gst_basis_points: int
    late_authorization: str
    collect_exemption: str | None
    upi_vpa: str | None


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated request: which merchant, in which mode, by which key, with what rights."""

    merchant: Merchant
    tenant: Tenant
    key_id: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it may be shown; the secret is shown once, when it is made."""

    id: str
    tenant: Tenant
    label: str
    scopes: tuple[str, ...]
    allowed_cidrs: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
