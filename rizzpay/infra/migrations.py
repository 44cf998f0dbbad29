"""Migrations: numbered SQL files, forward only, each applied once and never edited.

The table rizzpay.migrations keeps name and SHA-256 of what was applied. One installer at a time
(advisory lock); a lock that cannot be had in four seconds is given up and tried again, so that a
migration never queues in front of payments.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.errors import LockNotAvailable

from rizzpay.config import DatabaseSettings
from rizzpay.core.errors import Misconfigured, Unavailable
from rizzpay.infra.database import Connection, Role, conninfo

ADVISORY_LOCK = 7_249_001  # any constant; only our installers use it
TRIES = 8
# Between two tries; whoever stood behind the lock that was asked for is through by then.
PAUSE_S = 4.0
NO_TRANSACTION = "-- no-transaction"

PREPARE_SCHEMA = "CREATE SCHEMA IF NOT EXISTS rizzpay"
PREPARE_TABLE = """
CREATE TABLE IF NOT EXISTS rizzpay.migrations (
    name       text PRIMARY KEY,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""
APPLIED = "SELECT name, sha256 FROM rizzpay.migrations ORDER BY name"
TABLE_EXISTS = "SELECT to_regclass('rizzpay.migrations') IS NOT NULL"
RECORD = "INSERT INTO rizzpay.migrations (name, sha256) VALUES (%(name)s, %(sha256)s)"
TAKE_LOCK = "SELECT pg_advisory_lock(%(lock)s)"
SET_TIMEOUTS = "SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '5s'"


@dataclass(frozen=True, slots=True)
class Migration:
    """One file; `sha256` in hex."""

    name: str
    sql: str
    sha256: str


def read(directory: Path) -> list[Migration]:
    """Read all migrations in order; raises Misconfigured when there is none."""
    found = [
        Migration(
            name=path.stem,
            sql=path.read_text(),
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in sorted(directory.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    ]
    if not found:
        raise Misconfigured(f"no migrations in {directory}")
    return found


def pending(settings: DatabaseSettings, directory: Path) -> list[Migration]:
    """Return what `apply` would do; changes nothing."""
    with _connect(settings) as conn:
        return _pending(conn, read(directory))


def apply(
    settings: DatabaseSettings, directory: Path, on_applied: Callable[[Migration], None]
) -> list[Migration]:
    """Apply what is pending, one transaction each, and return it."""
    migrations = read(directory)
    with _connect(settings) as conn:
        conn.autocommit = True
        conn.execute(TAKE_LOCK, {"lock": ADVISORY_LOCK})
        conn.execute(PREPARE_SCHEMA)
        conn.execute(PREPARE_TABLE)
        todo = _pending(conn, migrations)
        for migration in todo:
            _apply_one(conn, migration)
            on_applied(migration)
    return todo


def _connect(settings: DatabaseSettings) -> Connection:
    try:
        return Connection.connect(
            conninfo(settings, Role.OWNER), connect_timeout=settings.connect_timeout_s
        )
    except psycopg.OperationalError as error:
        raise Unavailable("postgresql", str(error).strip().splitlines()[0]) from None


def _pending(conn: Connection, migrations: list[Migration]) -> list[Migration]:
    row = conn.execute(TABLE_EXISTS).fetchone()
    done: dict[str, str] = dict(conn.execute(APPLIED).fetchall()) if row and row[0] else {}
    for migration in migrations:
        if done.get(migration.name, migration.sha256) != migration.sha256:
            raise Misconfigured(
                f"migration {migration.name} was changed after it was applied; restore the file"
            )
    unknown = sorted(set(done) - {migration.name for migration in migrations})
    if unknown:
        raise Misconfigured(f"the database is newer than this release: it has {unknown[-1]}")
    return [migration for migration in migrations if migration.name not in done]


def _apply_one(conn: Connection, migration: Migration) -> None:
    recorded = {"name": migration.name, "sha256": migration.sha256}
    if NO_TRANSACTION in migration.sql:
        conn.execute(migration.sql.encode())
        conn.execute(RECORD, recorded)
        return
    for tried in range(1, TRIES + 1):
        try:
            with conn.transaction():
                conn.execute(SET_TIMEOUTS)
                conn.execute(migration.sql.encode())
                conn.execute(RECORD, recorded)
        except LockNotAvailable:
            if tried == TRIES:
                raise Unavailable("postgresql", f"{migration.name}: a lock was not free") from None
            time.sleep(PAUSE_S)
        else:
            return
