"""A migration whose table somebody reads: it waits a little, lets the others by, tries again."""

import shutil
import threading
import time
from pathlib import Path

import psycopg
import pytest

from rizzpay.core.errors import Unavailable
from rizzpay.infra import migrations
from rizzpay.infra.database import Role, conninfo

LANDED = Path(__file__).parents[2] / "sql" / "migrations"
FRESH = "9001_wants_a_lock"
READ = "SELECT count(*) FROM rizzpay.merchants"
COLUMN = "SELECT count(*) FROM pg_attribute WHERE attname = 'wanted' AND NOT attisdropped"
TIMEOUT_S, PAUSE_S = 0.3, 0.6


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """The landed migrations and one more; what they wait is shorter."""
    copied = tmp_path / "migrations"
    shutil.copytree(LANDED, copied)
    (copied / f"{FRESH}.sql").write_text("ALTER TABLE rizzpay.merchants ADD COLUMN wanted text;\n")
    timeouts = f"SET LOCAL lock_timeout = '{TIMEOUT_S}s'; SET LOCAL statement_timeout = '5s'"
    monkeypatch.setattr(migrations, "SET_TIMEOUTS", timeouts)
    monkeypatch.setattr(migrations, "PAUSE_S", PAUSE_S)
    return copied


@pytest.fixture
def reader(own_database):
    """Somebody who reads the table in a transaction that stays open."""
    with psycopg.connect(conninfo(own_database, Role.OWNER)) as conn:
        conn.execute(READ)
        yield conn


def test_a_migration_that_finds_no_lock_lets_others_by_and_tries_again(
    own_database, directory, reader
):
    waits, stop = [], threading.Event()

    def serve():  # what a payment does meanwhile, on a connection of its own
        with psycopg.connect(conninfo(own_database, Role.OWNER), autocommit=True) as conn:
            while not stop.is_set():
                began_s = time.monotonic()
                conn.execute(READ)
                waits.append(time.monotonic() - began_s)
                time.sleep(0.01)

    serving = threading.Thread(target=serve)
    leaving = threading.Timer(TIMEOUT_S + PAUSE_S / 2, reader.rollback)
    serving.start()
    leaving.start()
    try:
        done = migrations.apply(own_database, directory, lambda _: None)
    finally:
        stop.set()
        serving.join()
        leaving.join()
    assert [one.name for one in done] == [FRESH]
    assert max(waits) > TIMEOUT_S / 2, "nobody stood behind the lock: this proves nothing"
    assert max(waits) < TIMEOUT_S + PAUSE_S
    between = int(PAUSE_S / 0.03)  # far fewer than come through in the pause
    assert len(waits) > between


def test_a_migration_that_never_finds_its_lock_gives_up_and_leaves_nothing(
    own_database, directory, reader, monkeypatch
):
    monkeypatch.setattr(migrations, "PAUSE_S", 0.05)
    with pytest.raises(Unavailable, match=f"{FRESH}: a lock was not free"):
        migrations.apply(own_database, directory, lambda _: None)
    assert reader.execute(COLUMN).fetchone() == (0,)
    assert [one.name for one in migrations.pending(own_database, directory)] == [FRESH]
    reader.rollback()
    assert migrations.apply(own_database, directory, lambda _: None)
