"""A merchant, a key's rights and who is calling: values only."""

import functools
import ipaddress
from dataclasses import dataclass
from datetime import datetime

from rizzpay.core.errors import Refused
from rizzpay.core.secret import Secret
from rizzpay.core.tenant import Tenant

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

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

# Rules of routing are the whole installation's: only an operator gives these, nobody has them by
# default, and no key has both of BOTH, so that every change takes two.
ADMIN_SCOPES = frozenset({"routing:read", "routing:propose", "routing:approve"})
BOTH = frozenset({"routing:propose", "routing:approve"})


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


@dataclass(frozen=True, slots=True)
class NewMerchant:
    """A merchant to be set up; `requests_per_minute` is for the tier enterprise, which needs it."""

    name: str
    mcc: str
    tier: str
    requests_per_minute: int | None = None
    fee_basis_points: int = 200
    gst_basis_points: int = 1800  # 18 %: GST on payment aggregation fees, SAC 997158
    late_authorization: str = "capture"
    collect_exemption: str | None = None
    upi_vpa: str | None = None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be made; `scopes` and `allowed_cidrs` as ApiKey shows them."""

    label: str
    scopes: tuple[str, ...]
    allowed_cidrs: tuple[str, ...] = ()
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A new key with its secret: the only moment that the secret exists outside its digest."""

    key: ApiKey
    secret: Secret[str]


@dataclass(frozen=True)
class StoredKey:
    """A key with what is needed to check it, and whose it is."""

    id: str
    livemode: bool
    digest: bytes
    pepper_id: str
    scopes: frozenset[str]
    networks: tuple[Network, ...]
    expires_at: datetime | None
    revoked_at: datetime | None
    merchant: Merchant

    @functools.cached_property
    def caller(self) -> Caller:
        """Return who calls with this key; made once, not once a request."""
        tenant = Tenant(self.merchant.id, self.livemode)
        return Caller(self.merchant, tenant, self.id, self.scopes)

    def usable(self, now: datetime) -> bool:
        """Tell whether the key may still be used; its secret is another question."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def requests_per_minute(tier: str, wanted: int | None) -> int:
    """Return the limit of a tier: an enterprise has its own. Raises Refused(invalid_request)."""
    if tier not in TIERS:
        if wanted is None:
            raise Refused("invalid_request", f"Tier {tier} needs requests_per_minute.")
        return wanted
    if wanted is not None:
        text = (
            "requests_per_minute is for tier enterprise: choose that tier, or leave it out for the"
        )
        raise Refused("invalid_request", f"{text} {TIERS[tier]} of tier {tier}.")
    return TIERS[tier]


@functools.lru_cache(maxsize=4096)  # clients come again
def parse_address(text: str | None) -> Address | None:
    """Return an IP address, an IPv4 address in IPv6 clothes as IPv4; None for anything else."""
    try:
        address = ipaddress.ip_address(text or "")
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def parse_network(text: str) -> Network | None:
    """Return a CIDR network; None for anything else, also when host bits are set."""
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


def is_within(address: Address | None, networks: tuple[Network, ...]) -> bool:
    """Tell whether an address is in one of the networks; what we cannot read is in none."""
    return address is not None and any(address in network for network in networks)
