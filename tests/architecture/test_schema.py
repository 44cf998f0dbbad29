"""Migrations say what they do, are never edited, prove themselves, and schema.sql is fresh."""

import hashlib
import os
import re
from pathlib import Path

import psycopg
import pytest

from rizzpay.infra.database import Role, conninfo
from tests.architecture.schema_dump import dump

SQL = Path(__file__).parents[2] / "sql"
MIGRATIONS = sorted((SQL / "migrations").glob("*.sql"))
SCHEMA = SQL / "schema.sql"
CHECKSUMS = SQL / "migrations.sha256"
SERVER_OF_DUMP = 18  # pg_dump's text differs between servers; the embedded one writes the file

HEADER = re.compile(
    r"-- (?P<number>\d{4}) (?P<name>.+)\n"
    r"-- why:   .+\n(?:--        .+\n)*"
    r"-- locks: .+\n(?:--        .+\n)*"
    r"-- time:  .+\n(?:--        .+\n)*"
    r"-- proof: sql/checks/(?P<proof>\S+)\n"
)


def header_faults(file_name: str, text: str) -> list[str]:
    """Return what the head of a migration does not say."""
    found = HEADER.match(text)
    if not found:
        return ["the header is not: number and name, why, locks, time, proof"]
    stem = f"{found['number']}_{found['name'].replace(' ', '_')}"
    faults = []
    if f"{stem}.sql" != file_name:
        faults.append(f"the header says {stem}")
    if found["proof"] != file_name:
        faults.append(f"the proof is {found['proof']}")
    return faults


def checksums(text: str) -> dict[str, str]:
    """Read the format of sha256sum: name -> hex."""
    return dict(reversed(line.split(maxsplit=1)) for line in text.splitlines())


def edited(recorded: dict[str, str], files: dict[str, bytes]) -> list[str]:
    """Return names whose bytes are not the recorded ones, or that only one side knows."""
    actual = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return sorted(name for name, _ in set(recorded.items()) ^ set(actual.items()))


@pytest.mark.parametrize("path", MIGRATIONS, ids=lambda path: path.stem)
def test_a_migration_says_why_and_what_it_locks(path):
    assert header_faults(path.name, path.read_text()) == []


@pytest.mark.parametrize(
    "head",
    [
        "CREATE TABLE x ()",
        "-- 0001 one\n-- why:   x\n-- locks: x\n-- proof: sql/checks/0001_one.sql\n",
        "-- 0002 one\n-- why:   x\n-- locks: x\n-- time:  x\n-- proof: sql/checks/0001_one.sql\n",
        "-- 0001 one\n-- why:   x\n-- locks: x\n-- time:  x\n-- proof: sql/checks/0002_one.sql\n",
    ],
)
def test_a_poor_header_would_be_found(head):
    assert header_faults("0001_one.sql", head)


def test_migrations_are_numbered_without_a_gap():
    numbers = [int(path.name[:4]) for path in MIGRATIONS]
    assert numbers == list(range(1, len(numbers) + 1))


def test_no_migration_was_edited():
    """After a new migration: (cd sql/migrations && sha256sum *.sql) > sql/migrations.sha256."""
    files = {path.name: path.read_bytes() for path in MIGRATIONS}
    assert edited(checksums(CHECKSUMS.read_text()), files) == []


def test_an_edited_migration_would_be_found():
    digest = hashlib.sha256(b"CREATE").hexdigest()
    recorded = checksums(f"{digest}  0001_one.sql\n")
    assert edited(recorded, {"0001_one.sql": b"CREATE"}) == []
    assert edited(recorded, {"0001_one.sql": b"CREATE "}) == ["0001_one.sql", "0001_one.sql"]
    assert edited(recorded, {}) == ["0001_one.sql"]
    assert edited({}, {"0001_one.sql": b"CREATE"}) == ["0001_one.sql"]


@pytest.mark.parametrize("path", MIGRATIONS, ids=lambda path: path.stem)
def test_a_migration_is_proved_by_its_check(path, postgres):
    """A check raises when the database does not do what the migration is for."""
    check = SQL / "checks" / path.name
    with (
        psycopg.connect(conninfo(postgres, Role.WORKER)) as conn,
        conn.transaction(force_rollback=True),
    ):
        conn.execute(check.read_bytes())


def test_the_written_schema_is_what_the_migrations_make(own_database):
    with psycopg.connect(conninfo(own_database, Role.OWNER)) as conn:
        major = conn.info.server_version // 10_000
    if major != SERVER_OF_DUMP:
        pytest.skip(f"schema.sql is written by PostgreSQL {SERVER_OF_DUMP}, this is {major}")
    fresh = dump(own_database)
    if os.environ.get("RIZZPAY_WRITE_SCHEMA"):
        SCHEMA.write_text(fresh)
    assert SCHEMA.read_text() == fresh, "sql/schema.sql is stale; its first lines say how to renew"


def test_the_dump_of_one_database_is_always_the_same(postgres):
    assert dump(postgres) == dump(postgres)
