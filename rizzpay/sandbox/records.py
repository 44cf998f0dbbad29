"""What the sandbox remembers, in one SQLite file.

Every change is one transaction that is written before anything is answered. `synchronous` is
NORMAL: with a write-ahead log that survives the death of the process at any moment; only a power
cut may take the last moments, which a sandbox can bear and a commit is ten times cheaper for it.

One process, one thread, one connection: a transaction never yields to another greenlet, so what
is read inside it stays true until it commits. Amounts are minor units, `*_ms` Unix milliseconds.
"""

import fcntl
import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import IO, Any

from rizzpay.core.errors import Misconfigured

SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attempts (
    number       INTEGER PRIMARY KEY,
    attempt_id   TEXT NOT NULL UNIQUE,
    kind         TEXT NOT NULL CHECK (kind IN ('charge', 'capture', 'void', 'refund', 'closed')),
    digest       BLOB NOT NULL,
    charge       TEXT NOT NULL,
    reference    TEXT NOT NULL,
    status       TEXT NOT NULL
                 CHECK (status IN ('approved', 'declined', 'action_required', 'processing')),
    amount       INTEGER NOT NULL,
    currency     TEXT NOT NULL,
    captured     INTEGER NOT NULL,
    rrn          TEXT UNIQUE,
    decline_code TEXT
);
CREATE TABLE IF NOT EXISTS charges (
    reference      TEXT PRIMARY KEY,
    attempt_id     TEXT NOT NULL UNIQUE,
    payment_id     TEXT NOT NULL,
    asked          INTEGER NOT NULL CHECK (asked > 0),
    currency       TEXT NOT NULL,
    manual_capture INTEGER NOT NULL,
    method         BLOB NOT NULL,
    description    TEXT NOT NULL,
    callback_url   TEXT NOT NULL,
    return_url     TEXT,
    expires_at     INTEGER NOT NULL,
    authorized     INTEGER NOT NULL DEFAULT 0,
    captured       INTEGER NOT NULL DEFAULT 0,
    voided         INTEGER NOT NULL DEFAULT 0,
    refunded       INTEGER NOT NULL DEFAULT 0,
    CHECK (captured >= 0 AND voided >= 0 AND captured + voided <= authorized),
    CHECK (refunded >= 0 AND refunded <= captured)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms      INTEGER NOT NULL,
    kind       TEXT NOT NULL CHECK (kind IN ('authorized', 'captured', 'voided', 'refunded')),
    attempt_id TEXT NOT NULL,
    reference  TEXT NOT NULL,
    payment_id TEXT NOT NULL,
    amount     INTEGER NOT NULL CHECK (amount > 0),
    currency   TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS due (
    number     INTEGER PRIMARY KEY,
    at_ms      INTEGER NOT NULL,
    what       TEXT NOT NULL CHECK (what IN ('decide', 'late', 'refund')),
    attempt_id TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS due_at ON due (at_ms);
CREATE TABLE IF NOT EXISTS callbacks (
    number   INTEGER PRIMARY KEY,
    event_id TEXT NOT NULL,
    url      TEXT NOT NULL,
    body     BLOB NOT NULL,
    tries    INTEGER NOT NULL DEFAULT 0,
    at_ms    INTEGER
);
CREATE INDEX IF NOT EXISTS callbacks_at ON callbacks (at_ms) WHERE at_ms IS NOT NULL;
CREATE TABLE IF NOT EXISTS inbox (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    name    TEXT NOT NULL,
    at_ms   INTEGER NOT NULL,
    status  INTEGER NOT NULL,
    headers BLOB NOT NULL,
    body    BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS inbox_name ON inbox (name, seq);
"""

ADD_SETTING = "INSERT OR IGNORE INTO settings (name, value) VALUES ('rrn_base', :value)"
FIND_SETTING = "SELECT value FROM settings WHERE name = 'rrn_base'"

FIND_ATTEMPT = """
SELECT attempt_id, kind, digest, charge, reference, status, amount, currency, captured, rrn,
       decline_code
FROM attempts WHERE attempt_id = :attempt_id
"""
ADD_ATTEMPT = """
INSERT INTO attempts (attempt_id, kind, digest, charge, reference, status, amount, currency,
                      captured, rrn, decline_code)
VALUES (:attempt_id, :kind, :digest, :charge, :reference, :status, :amount, :currency,
        :captured, :rrn, :decline_code)
"""
SET_RRN = "UPDATE attempts SET rrn = :rrn WHERE attempt_id = :attempt_id"
FIND_NUMBER = "SELECT number FROM attempts WHERE attempt_id = :attempt_id"
SET_ATTEMPT = """
UPDATE attempts
SET status = :status, amount = :amount, captured = :captured, decline_code = :decline_code
WHERE attempt_id = :attempt_id
"""

FIND_CHARGE = """
SELECT reference, attempt_id, payment_id, asked, currency, manual_capture, method, description,
       callback_url, return_url, expires_at, authorized, captured, voided, refunded
FROM charges WHERE reference = :reference
"""
ADD_CHARGE = """
INSERT INTO charges (reference, attempt_id, payment_id, asked, currency, manual_capture, method,
                     description, callback_url, return_url, expires_at)
VALUES (:reference, :attempt_id, :payment_id, :asked, :currency, :manual_capture, :method,
        :description, :callback_url, :return_url, :expires_at)
"""
MOVE = """
UPDATE charges
SET authorized = authorized + :authorized, captured = captured + :captured,
    voided = voided + :voided, refunded = refunded + :refunded
WHERE reference = :reference
"""

ADD_LEDGER = """
INSERT INTO ledger (at_ms, kind, attempt_id, reference, payment_id, amount, currency)
VALUES (:at_ms, :kind, :attempt_id, :reference, :payment_id, :amount, :currency)
"""
PAGE_LEDGER = """
SELECT seq, at_ms, kind, attempt_id, reference, payment_id, amount, currency
FROM ledger WHERE seq > :after ORDER BY seq LIMIT :limit
"""
SUM_LEDGER = """
SELECT kind, currency, count(*) AS count, sum(amount) AS amount
FROM ledger GROUP BY kind, currency ORDER BY kind, currency
"""
SUM_ATTEMPTS = """
SELECT kind, status, count(*) AS count FROM attempts GROUP BY kind, status ORDER BY kind, status
"""

ADD_DUE = "INSERT INTO due (at_ms, what, attempt_id) VALUES (:at_ms, :what, :attempt_id)"
PAGE_DUE = """
SELECT number, at_ms, what, attempt_id FROM due WHERE at_ms <= :now_ms ORDER BY at_ms LIMIT 200
"""
REMOVE_DUE = "DELETE FROM due WHERE number = :number"
NEXT_DUE = "SELECT min(at_ms) FROM due"

ADD_CALLBACK = """
INSERT INTO callbacks (event_id, url, body, at_ms) VALUES (:event_id, :url, :body, :at_ms)
"""
PAGE_CALLBACKS = """
SELECT number, event_id, url, body, tries FROM callbacks
WHERE at_ms <= :now_ms ORDER BY at_ms LIMIT :limit
"""
SET_CALLBACK = "UPDATE callbacks SET tries = tries + 1, at_ms = :at_ms WHERE number = :number"
RELEASE_CALLBACKS = "UPDATE callbacks SET at_ms = :at_ms WHERE at_ms IS NOT NULL"
DELAY_CALLBACK = "UPDATE callbacks SET at_ms = :at_ms WHERE number = :number"
REMOVE_CALLBACK = "DELETE FROM callbacks WHERE number = :number"
NEXT_CALLBACK = "SELECT min(at_ms) FROM callbacks"
COUNT_CALLBACKS = "SELECT count(at_ms), count(*) - count(at_ms) FROM callbacks"

ADD_INBOX = """
INSERT INTO inbox (name, at_ms, status, headers, body)
VALUES (:name, :at_ms, :status, :headers, :body) RETURNING seq
"""
PAGE_INBOX = """
SELECT seq, at_ms, status, headers, body FROM inbox
WHERE name = :name AND seq > :after ORDER BY seq LIMIT :limit
"""
CLEAR_INBOX = "DELETE FROM inbox WHERE name = :name"
SHRINK_INBOX = "DELETE FROM inbox WHERE seq <= :seq"

RRN_START_MAX = 800_000_000_000  # RRNs have 12 digits; each data directory starts elsewhere


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request that was taken in, or an id that is closed for ever."""

    attempt_id: str
    kind: str
    digest: bytes
    charge: str
    reference: str
    status: str
    amount: int
    currency: str
    captured: int = 0
    rrn: str | None = None
    decline_code: str | None = None


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge with what was held, taken, released and given back of it."""

    reference: str
    attempt_id: str
    payment_id: str
    asked: int
    currency: str
    manual_capture: int
    method: bytes
    description: str
    callback_url: str
    return_url: str | None
    expires_at: int
    authorized: int = 0
    captured: int = 0
    voided: int = 0
    refunded: int = 0

    @property
    def held(self) -> int:
        """Return what is authorized and neither captured nor released."""
        return self.authorized - self.captured - self.voided


_ATTEMPT_NAMES = tuple(field.name for field in fields(Attempt))
_CHARGE_NAMES = tuple(field.name for field in fields(Charge))
_attempt_values = attrgetter(*_ATTEMPT_NAMES)
_charge_values = attrgetter(*_CHARGE_NAMES)


def attempt_row(attempt: Attempt) -> dict[str, Any]:
    """Return an attempt as a statement's values; dataclasses.asdict takes ten times as long."""
    return dict(zip(_ATTEMPT_NAMES, _attempt_values(attempt), strict=True))


def charge_row(charge: Charge) -> dict[str, Any]:
    """Return a charge as a statement's values."""
    return dict(zip(_CHARGE_NAMES, _charge_values(charge), strict=True))


class Records:
    """The open file. `path` is a directory that no other sandbox may use."""

    def __init__(self, directory: Path) -> None:
        """Open or create it; raises Misconfigured."""
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _lock(directory / "lock")
            self._db = sqlite3.connect(directory / "sandbox.db", isolation_level=None)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(SCHEMA)
            start = 100_000_000_000 + secrets.randbelow(RRN_START_MAX)
            self.run(ADD_SETTING, {"value": start})
            self._rrn_base = int(self.rows(FIND_SETTING)[0]["value"])
        except (OSError, sqlite3.Error) as error:
            raise Misconfigured(f"{directory} cannot hold the sandbox's data: {error}") from error

    def close(self) -> None:
        """Close the file and let another sandbox have it."""
        self._db.close()
        self._lock.close()

    @contextmanager
    def change(self) -> Iterator[None]:
        """Make what is done inside one transaction."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def run(self, statement: str, values: Mapping[str, Any] | None = None) -> None:
        """Execute a statement whose rows nobody needs."""
        self._db.execute(statement, values or {})

    def rows(self, statement: str, values: Mapping[str, Any] | None = None) -> list[sqlite3.Row]:
        """Return all rows of a statement."""
        return self._db.execute(statement, values or {}).fetchall()

    def attempt(self, attempt_id: str) -> Attempt | None:
        """Return an attempt, or None when the id was never seen."""
        rows = self.rows(FIND_ATTEMPT, {"attempt_id": attempt_id})
        return Attempt(*rows[0]) if rows else None

    def charge(self, reference: str) -> Charge | None:
        """Return a charge with its sums."""
        rows = self.rows(FIND_CHARGE, {"reference": reference})
        return Charge(*rows[0]) if rows else None

    def give_rrn(self, attempt_id: str) -> str:
        """Give an attempt its retrieval reference; the same one when asked again."""
        number = self.rows(FIND_NUMBER, {"attempt_id": attempt_id})[0]["number"]
        rrn = str(self._rrn_base + number)
        self.run(SET_RRN, {"attempt_id": attempt_id, "rrn": rrn})
        return rrn


def _lock(path: Path) -> IO[str]:
    """Hold the directory for this process; the kernel lets go when it dies."""
    held = path.open("w")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        held.close()
        raise Misconfigured(f"another sandbox is running on {path.parent}") from None
    return held
