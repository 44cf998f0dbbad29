"""SQL of rule sets; private to `rizzpay.gateways.rule_sets`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from rizzpay.gateways.routing.rules import RuleSet
from rizzpay.infra.database import Connection

PROPOSE = """
INSERT INTO rizzpay.routing_rule_sets (livemode, document, restores, proposed_by, proposed_at)
VALUES (%(livemode)s, %(document)s, %(restores)s, %(proposed_by)s, %(proposed_at)s)
RETURNING version
"""

GET = """
SELECT version, livemode, document::text, restores, proposed_by, proposed_at, approved_by,
       approved_at
FROM rizzpay.routing_rule_sets
WHERE version = %(version)s AND livemode = %(livemode)s
"""

OF_ANY_MODE = """
SELECT version, livemode, document::text, restores, proposed_by, proposed_at, approved_by,
       approved_at
FROM rizzpay.routing_rule_sets
WHERE version = %(version)s
"""

# What nobody has approved yet and somebody else proposed.
APPROVE = """
UPDATE rizzpay.routing_rule_sets
SET approved_by = %(approved_by)s, approved_at = %(approved_at)s
WHERE version = %(version)s AND livemode = %(livemode)s AND approved_at IS NULL
  AND proposed_by <> %(approved_by)s
"""

NEWEST = """
SELECT version, livemode, document::text, restores, proposed_by, proposed_at, approved_by,
       approved_at
FROM rizzpay.routing_rule_sets
WHERE livemode = %(livemode)s
ORDER BY version DESC
LIMIT %(most)s
"""

IN_FORCE = """
SELECT DISTINCT ON (livemode) version, livemode, document::text, restores, proposed_by,
       proposed_at, approved_by, approved_at
FROM rizzpay.routing_rule_sets
WHERE approved_at IS NOT NULL
ORDER BY livemode, approved_at DESC, version DESC
"""


@dataclass(frozen=True, slots=True)
class Version:
    """A rule set as it was proposed; in force is what of a mode was approved last."""

    version: int
    livemode: bool
    rule_set: RuleSet
    restores: int | None  # the version whose rules it repeats
    proposed_by: str
    proposed_at: datetime
    approved_by: str | None
    approved_at: datetime | None


def propose(conn: Connection, it: Version) -> int:
    """Keep a version and return its number; that of `it` is not looked at."""
    row = conn.execute(
        PROPOSE,
        {
            "livemode": it.livemode,
            "document": msgspec.json.encode(it.rule_set).decode(),
            "restores": it.restores,
            "proposed_by": it.proposed_by,
            "proposed_at": it.proposed_at,
        },
    ).fetchone()
    if row is None:
        raise RuntimeError("an insert that returns nothing")
    return int(row[0])


def approve(
    conn: Connection, version: int, actor: str, now: datetime, mode: dict[str, Any]
) -> bool:
    """Approve a version; False when it cannot be."""
    values = {**mode, "version": version, "approved_by": actor, "approved_at": now}
    return conn.execute(APPROVE, values).rowcount == 1


def get(conn: Connection, version: int, mode: dict[str, Any]) -> Version | None:
    """Return one version."""
    row = conn.execute(GET, {**mode, "version": version}).fetchone()
    return _version(row) if row is not None else None


def of_any_mode(conn: Connection, version: int) -> Version | None:
    """Return one version, whatever its mode."""
    row = conn.execute(OF_ANY_MODE, {"version": version}).fetchone()
    return _version(row) if row is not None else None


def newest(conn: Connection, most: int, mode: dict[str, Any]) -> list[Version]:
    """Return versions of a mode, the newest first."""
    rows = conn.execute(NEWEST, {**mode, "most": most}).fetchall()
    return [_version(row) for row in rows]


def in_force(conn: Connection) -> dict[bool, Version]:
    """Return what is in force, by livemode."""
    return {row[1]: _version(row) for row in conn.execute(IN_FORCE).fetchall()}


def _version(row: Sequence[Any]) -> Version:
    return Version(row[0], row[1], msgspec.json.decode(row[2], type=RuleSet), *row[3:])
