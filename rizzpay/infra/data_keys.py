"""Data keys in the database: wrapped rows of rizzpay.data_keys, their making and re-wrapping.

Nobody here sees a data key in clear: they are made and re-wrapped inside the token. The HSM is
asked before a transaction is opened, never in one. `Note` lets a caller that knows the audit
trail write its entry in the same transaction; this layer does not know it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from rizzpay.core.ids import new_id
from rizzpay.infra.database import Connection, Database
from rizzpay.infra.hsm.client import HsmClient
from rizzpay.infra.hsm.inventory import DATA_KEK, Purpose

ALL = """
SELECT id, purpose, kek_label, mechanism, wrapped, status, created_at, rewrapped_at
FROM rizzpay.data_keys
WHERE status <> 'retired'
ORDER BY purpose, created_at, id
"""
ADD = """
INSERT INTO rizzpay.data_keys (id, purpose, kek_label, mechanism, wrapped, status, created_at)
VALUES (%(id)s, %(purpose)s, %(kek_label)s, %(mechanism)s, %(wrapped)s, 'active', %(now)s)
ON CONFLICT (purpose) WHERE status = 'active' DO NOTHING
"""
STEP_DOWN = """
UPDATE rizzpay.data_keys SET status = 'decrypt_only'
WHERE id = %(id)s AND status = 'active'
"""
REWRAP = """
UPDATE rizzpay.data_keys
SET kek_label = %(kek_label)s, mechanism = %(mechanism)s, wrapped = %(wrapped)s,
    rewrapped_at = %(now)s
WHERE id = %(id)s AND kek_label = %(old_label)s AND wrapped = %(old_wrapped)s
"""
RETIRE = """
UPDATE rizzpay.data_keys SET status = 'retired', wrapped = ''::bytea
WHERE id = %(id)s AND status = 'decrypt_only'
"""
COUNT_UNDER = """
SELECT count(*) FROM rizzpay.data_keys WHERE kek_label = %(kek_label)s AND status <> 'retired'
"""


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A row: status is active (seals and opens) or decrypt_only (only opens)."""

    id: str
    purpose: str
    kek_label: str
    mechanism: str
    wrapped: bytes
    status: str
    created_at: datetime
    rewrapped_at: datetime | None


Note = Callable[[Connection, WrappedKey], None]


def load(conn: Connection) -> list[WrappedKey]:
    """Return every key that may still be needed."""
    return [WrappedKey(*row) for row in conn.execute(ALL).fetchall()]


def count_under(conn: Connection, kek_label: str) -> int:
    """Return how many keys are wrapped by a version of the KEK."""
    row = conn.execute(COUNT_UNDER, {"kek_label": kek_label}).fetchone()
    return int(row[0]) if row else 0


def create_data_key(hsm: HsmClient, purpose: Purpose, kek_label: str, now: datetime) -> WrappedKey:
    """Have a key made in the token; it counts when `add` has written it."""
    mechanism, wrapped = hsm.new_data_key(kek_label)
    return WrappedKey(
        new_id("data_key", now), purpose, kek_label, mechanism, wrapped, "active", now, None
    )


def add(conn: Connection, key: WrappedKey) -> bool:
    """Insert an active key; False when its purpose has one already."""
    values = {
        "id": key.id,
        "purpose": key.purpose,
        "kek_label": key.kek_label,
        "mechanism": key.mechanism,
        "wrapped": key.wrapped,
        "now": key.created_at,
    }
    return conn.execute(ADD, values).rowcount == 1


def ensure_data_keys(
    database: Database, hsm: HsmClient, now: datetime, note: Note
) -> list[WrappedKey]:
    """Make an active key for each purpose that has none, and return what was made; worker's role.

    Idempotent; two callers at a time leave one active key a purpose.
    """
    with database.transaction() as conn:
        there = {key.purpose for key in load(conn) if key.status == "active"}
    missing = [purpose for purpose in Purpose if purpose not in there]
    if not missing:
        return []
    kek_label = hsm.active(DATA_KEK)
    made = []
    for purpose in missing:
        key = create_data_key(hsm, purpose, kek_label, now)
        with database.transaction() as conn:
            if add(conn, key):
                note(conn, key)
                made.append(key)
    return made


def rotate(
    database: Database, hsm: HsmClient, purpose: Purpose, now: datetime, note: Note
) -> WrappedKey | None:
    """Make a new active key; the one before it only opens from now on; worker's role.

    None when another operator was faster.
    """
    key = create_data_key(hsm, purpose, hsm.active(DATA_KEK), now)
    with database.transaction() as conn:
        for old in load(conn):
            if old.purpose == purpose and old.status == "active":
                conn.execute(STEP_DOWN, {"id": old.id})
        if not add(conn, key):
            return None
        note(conn, key)
    return key


def retire(conn: Connection, key_id: str) -> bool:
    """Take an old key's wrapping away for good; False when it is active or gone."""
    return conn.execute(RETIRE, {"id": key_id}).rowcount == 1


def rewrap_one(
    database: Database,
    key: WrappedKey,
    wrapping: tuple[str, str, bytes],
    now: datetime,
    note: Note,
) -> bool:
    """Replace a key's wrapping by (KEK label, mechanism, wrapped); worker's role.

    False when the row is no longer what was read: another operator re-wraps too.
    """
    kek_label, mechanism, wrapped = wrapping
    values = {
        "id": key.id,
        "kek_label": kek_label,
        "mechanism": mechanism,
        "wrapped": wrapped,
        "now": now,
        "old_label": key.kek_label,
        "old_wrapped": key.wrapped,
    }
    with database.transaction() as conn:
        changed = conn.execute(REWRAP, values).rowcount == 1
        if changed:
            note(conn, key)
    return changed
