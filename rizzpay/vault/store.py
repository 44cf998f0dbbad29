"""SQL of payers: sealed columns and blind indexes, never a value in clear."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from rizzpay.core.tenant import Tenant
from rizzpay.infra.arrays import boolean, bytea, text, timestamptz
from rizzpay.infra.database import Connection
from rizzpay.infra.pipeline import Sender

INSERT = """
INSERT INTO rizzpay.payers (id, merchant_id, livemode, name, email, phone, vpa,
                            email_index, phone_index, vpa_index, created_at)
SELECT id, merchant_id, livemode, name, email, phone, vpa,
       email_index, phone_index, vpa_index, created_at
FROM unnest(%(ids)b::text[], %(merchant_ids)b::text[], %(livemodes)b::boolean[],
            %(names)b::bytea[], %(emails)b::bytea[], %(phones)b::bytea[], %(vpas)b::bytea[],
            %(email_indexes)b::bytea[], %(phone_indexes)b::bytea[], %(vpa_indexes)b::bytea[],
            %(created_ats)b::timestamptz[])
     AS fresh (id, merchant_id, livemode, name, email, phone, vpa,
               email_index, phone_index, vpa_index, created_at)
ORDER BY id
"""

LOAD = """
SELECT id, merchant_id, livemode, name, email, phone, vpa,
       email_index, phone_index, vpa_index, created_at
FROM rizzpay.payers
WHERE id = ANY (%(ids)b::text[])
"""

FIND_BY_EMAIL = """
SELECT id FROM rizzpay.payers
WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s
  AND email_index = ANY (%(indexes)s::bytea[])
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s
"""

FIND_BY_PHONE = """
SELECT id FROM rizzpay.payers
WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s
  AND phone_index = ANY (%(indexes)s::bytea[])
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s
"""

FIND_BY_VPA = """
SELECT id FROM rizzpay.payers
WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s
  AND vpa_index = ANY (%(indexes)s::bytea[])
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s
"""

FIND: dict[str, LiteralString] = {
    "email": FIND_BY_EMAIL,
    "phone": FIND_BY_PHONE,
    "vpa": FIND_BY_VPA,
}


@dataclass(frozen=True, slots=True)
class Row:
    """A payer as it is stored."""

    id: str
    tenant: Tenant
    name: bytes | None
    email: bytes | None
    phone: bytes | None
    vpa: bytes | None
    email_index: bytes | None
    phone_index: bytes | None
    vpa_index: bytes | None
    created_at: datetime


def insert(conn: Sender, rows: Sequence[Row]) -> None:
    """Insert new payers."""
    conn.send(
        INSERT,
        {
            "ids": text([row.id for row in rows]),
            "merchant_ids": text([row.tenant.merchant_id for row in rows]),
            "livemodes": boolean([row.tenant.livemode for row in rows]),
            "names": bytea([row.name for row in rows]),
            "emails": bytea([row.email for row in rows]),
            "phones": bytea([row.phone for row in rows]),
            "vpas": bytea([row.vpa for row in rows]),
            "email_indexes": bytea([row.email_index for row in rows]),
            "phone_indexes": bytea([row.phone_index for row in rows]),
            "vpa_indexes": bytea([row.vpa_index for row in rows]),
            "created_ats": timestamptz([row.created_at for row in rows]),
        },
    )


def load(conn: Connection, ids: Sequence[str]) -> list[Row]:
    """Return the payers of these ids that the transaction may see, in no order."""
    rows = conn.send(LOAD, {"ids": text(ids)}).rows()
    return [Row(row[0], Tenant(row[1], row[2]), *row[3:]) for row in rows]


def find(
    conn: Connection, tenant: Tenant, column: str, indexes: Sequence[bytes], limit: int
) -> list[str]:
    """Return the ids of payers with one of these blind indexes, newest first."""
    rows = conn.execute(
        FIND[column],
        {
            "merchant_id": tenant.merchant_id,
            "livemode": tenant.livemode,
            "indexes": list(indexes),
            "limit": limit,
        },
    ).fetchall()
    return [row[0] for row in rows]
