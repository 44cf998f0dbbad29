"""SQL of merchants and their API keys. A secret never comes here, only its digest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rizzpay.core.tenant import Tenant
from rizzpay.infra.database import Connection
from rizzpay.merchants.model import ApiKey, Merchant, NewKey, StoredKey, parse_network

FIND_KEY = """
SELECT key_id, livemode, digest, pepper_id, scopes, allowed_cidrs, expires_at, revoked_at,
       merchant_id, name, mcc, status, tier, requests_per_minute, fee_basis_points,
       gst_basis_points, late_authorization, collect_exemption, upi_vpa
FROM rizzpay.find_api_key(%(key_id)s)
"""

RETIRE_EXPIRED = """
UPDATE rizzpay.api_keys SET revoked_at = expires_at
WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s
  AND revoked_at IS NULL AND expires_at <= %(now)s
"""

# Takes the first free slot of two; no row when both are taken, or lost to somebody just now.
INSERT_KEY = """
INSERT INTO rizzpay.api_keys (id, merchant_id, livemode, slot, label, digest, pepper_id, scopes,
                              allowed_cidrs, created_at, expires_at)
SELECT %(id)s, %(merchant_id)s, %(livemode)s, slot, %(label)s, %(digest)s, %(pepper_id)s,
       %(scopes)s::text[], %(allowed_cidrs)s::cidr[], %(created_at)s, %(expires_at)s
FROM generate_series(1, 2) AS slot
WHERE NOT EXISTS (
    SELECT FROM rizzpay.api_keys AS taken
    WHERE taken.merchant_id = %(merchant_id)s AND taken.livemode = %(livemode)s
      AND taken.slot = slot.slot AND taken.revoked_at IS NULL
)
ORDER BY slot
LIMIT 1
ON CONFLICT DO NOTHING
"""

KEYS = """
SELECT id, merchant_id, livemode, label, scopes, allowed_cidrs::text[], created_at, expires_at,
       revoked_at, last_used_at
FROM rizzpay.api_keys
WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s
ORDER BY created_at DESC, id DESC
"""

GET_KEY = """
SELECT id, merchant_id, livemode, label, scopes, allowed_cidrs::text[], created_at, expires_at,
       revoked_at, last_used_at
FROM rizzpay.api_keys
WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s AND id = %(id)s
"""

REVOKE_KEY = """
UPDATE rizzpay.api_keys SET revoked_at = %(now)s
WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s AND id = %(id)s
  AND revoked_at IS NULL
"""

# Locked in order of id, so that two processes never wait for each other in a ring.
TOUCH_KEYS = """
WITH used AS (
    SELECT api_key.id, used.at
    FROM rizzpay.api_keys AS api_key
    JOIN unnest(%(ids)s::text[], %(ats)s::timestamptz[]) AS used (id, at) ON used.id = api_key.id
    ORDER BY api_key.id
    FOR UPDATE OF api_key
)
UPDATE rizzpay.api_keys AS api_key
SET last_used_at = greatest(api_key.last_used_at, used.at)
FROM used WHERE used.id = api_key.id
"""

INSERT_MERCHANT = """
INSERT INTO rizzpay.merchants (id, name, mcc, status, tier, requests_per_minute, fee_basis_points,
                               gst_basis_points, late_authorization, collect_exemption, upi_vpa,
                               created_at)
VALUES (%(id)s, %(name)s, %(mcc)s, %(status)s, %(tier)s, %(requests_per_minute)s,
        %(fee_basis_points)s, %(gst_basis_points)s, %(late_authorization)s,
        %(collect_exemption)s, %(upi_vpa)s, %(created_at)s)
"""

MERCHANTS = """
SELECT id, name, mcc, status, tier, requests_per_minute, fee_basis_points, gst_basis_points,
       late_authorization, collect_exemption, upi_vpa
FROM rizzpay.merchants
ORDER BY created_at, id
"""

GET_MERCHANT = """
SELECT id, name, mcc, status, tier, requests_per_minute, fee_basis_points, gst_basis_points,
       late_authorization, collect_exemption, upi_vpa
FROM rizzpay.merchants
WHERE id = %(id)s
FOR UPDATE
"""

CHANGE_MERCHANT = """
UPDATE rizzpay.merchants
SET status = %(status)s, tier = %(tier)s, requests_per_minute = %(requests_per_minute)s
WHERE id = %(id)s
"""


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A new key as it is stored."""

    id: str
    tenant: Tenant
    new: NewKey
    digest: bytes
    pepper_id: str
    created_at: datetime


def find_key(conn: Connection, key_id: str) -> StoredKey | None:
    """Return a key with its merchant; works before the tenant is known."""
    row = conn.execute(FIND_KEY, {"key_id": key_id}).fetchone()
    if row is None:
        return None
    networks = tuple(parse_network(text) for text in row[5])
    return StoredKey(
        id=row[0],
        livemode=row[1],
        digest=row[2],
        pepper_id=row[3],
        scopes=frozenset(row[4]),
        networks=tuple(network for network in networks if network is not None),
        expires_at=row[6],
        revoked_at=row[7],
        merchant=_merchant(row[8:]),
    )


def insert_key(conn: Connection, row: KeyRow) -> bool:
    """Add a key in a free slot; False when there is none."""
    conn.execute(RETIRE_EXPIRED, {**_whose(row.tenant), "now": row.created_at})
    cursor = conn.execute(
        INSERT_KEY,
        {
            **_whose(row.tenant),
            "id": row.id,
            "label": row.new.label,
            "digest": row.digest,
            "pepper_id": row.pepper_id,
            "scopes": list(row.new.scopes),
            "allowed_cidrs": list(row.new.allowed_cidrs),
            "created_at": row.created_at,
            "expires_at": row.new.expires_at,
        },
    )
    return cursor.rowcount == 1


def keys(conn: Connection, tenant: Tenant) -> list[ApiKey]:
    """Return all keys of a merchant and mode, newest first."""
    return [_api_key(row) for row in conn.execute(KEYS, _whose(tenant)).fetchall()]


def get_key(conn: Connection, tenant: Tenant, key_id: str) -> ApiKey | None:
    """Return one key."""
    row = conn.execute(GET_KEY, {**_whose(tenant), "id": key_id}).fetchone()
    return _api_key(row) if row is not None else None


def revoke_key(conn: Connection, tenant: Tenant, key_id: str, now: datetime) -> bool:
    """Revoke a key; False when it was revoked before, or is not there."""
    cursor = conn.execute(REVOKE_KEY, {**_whose(tenant), "id": key_id, "now": now})
    return cursor.rowcount == 1


def touch_keys(conn: Connection, used: Mapping[str, datetime]) -> None:
    """Write when keys were last used."""
    conn.execute(TOUCH_KEYS, {"ids": list(used), "ats": list(used.values())})


def insert_merchant(conn: Connection, merchant: Merchant, now: datetime) -> None:
    """Add a merchant."""
    conn.execute(
        INSERT_MERCHANT,
        {
            "id": merchant.id,
            "name": merchant.name,
            "mcc": merchant.mcc,
            "status": merchant.status,
            "tier": merchant.tier,
            "requests_per_minute": merchant.requests_per_minute,
            "fee_basis_points": merchant.fee_basis_points,
            "gst_basis_points": merchant.gst_basis_points,
            "late_authorization": merchant.late_authorization,
            "collect_exemption": merchant.collect_exemption,
            "upi_vpa": merchant.upi_vpa,
            "created_at": now,
        },
    )


def merchants(conn: Connection) -> list[Merchant]:
    """Return all merchants that the role may see, oldest first."""
    return [_merchant(row) for row in conn.execute(MERCHANTS).fetchall()]


def lock_merchant(conn: Connection, merchant_id: str) -> Merchant | None:
    """Return a merchant under its row lock."""
    row = conn.execute(GET_MERCHANT, {"id": merchant_id}).fetchone()
    return _merchant(row) if row is not None else None


def change_merchant(conn: Connection, merchant: Merchant) -> None:
    """Write status, tier and limit of a locked merchant."""
    conn.execute(
        CHANGE_MERCHANT,
        {
            "id": merchant.id,
            "status": merchant.status,
            "tier": merchant.tier,
            "requests_per_minute": merchant.requests_per_minute,
        },
    )


def _whose(tenant: Tenant) -> dict[str, Any]:
    return {"merchant_id": tenant.merchant_id, "livemode": tenant.livemode}


def _merchant(row: Sequence[Any]) -> Merchant:
    return Merchant(*row)  # in the order of the columns


def _api_key(row: Sequence[Any]) -> ApiKey:
    id_, merchant_id, livemode, label, scopes, cidrs, *times = row
    return ApiKey(
        id_,
        Tenant(merchant_id, livemode),
        label,
        tuple(scopes),
        tuple(cidrs),
        *times,
    )
