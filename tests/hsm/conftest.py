"""Tokens and daemons of a test's own: these tests break them."""

import shutil
import tempfile
from pathlib import Path

import psycopg
import pytest

from rizzpay.infra.database import Database, Role, conninfo
from tests.hsm.running import Hsmd


@pytest.fixture
def postgres(own_database):
    """A database of this test alone: the others have rows that name their data keys."""
    return own_database


@pytest.fixture
def directory():
    """A directory with a path short enough for sockets, which every user may enter."""
    path = Path(tempfile.mkdtemp(prefix="rzhsm", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def hsmd(directory):
    """A running daemon on an empty token."""
    daemon = Hsmd(directory)
    daemon.start()
    yield daemon
    daemon.stop()


@pytest.fixture
def keyed(hsmd):
    """A running daemon whose token has the first version of every key."""
    return hsmd.with_keys()


@pytest.fixture
def table(postgres):
    """The owner's connection, and a table of data keys that is this test's own."""
    with psycopg.connect(conninfo(postgres, Role.OWNER), autocommit=True) as conn:
        kept = conn.execute("SELECT * FROM rizzpay.data_keys").fetchall()
        conn.execute("DELETE FROM rizzpay.data_keys")
        yield conn
        conn.execute("DELETE FROM rizzpay.data_keys")
        for row in kept:
            places = ", ".join(["%s"] * len(row))
            conn.execute(f"INSERT INTO rizzpay.data_keys VALUES ({places})", row)


@pytest.fixture
def bank(directory, postgres, table):
    """A daemon whose commands reach the database."""
    hsmd = Hsmd(directory, postgres)
    hsmd.start()
    hsmd.wait_for(lambda status: status.ready)
    yield hsmd
    hsmd.stop()


@pytest.fixture
def ready(bank):
    """The same after `rizzpay keys init`."""
    assert bank.rizzpay("keys", "init").returncode == 0
    return bank


@pytest.fixture
def worker(postgres):
    database = Database(postgres, Role.WORKER, size=2)
    yield database
    database.close()


@pytest.fixture
def trail(postgres, table):
    """A function from object id to what operators did to it in this test."""
    with psycopg.connect(conninfo(postgres, Role.WORKER), autocommit=True) as conn:
        (last,) = conn.execute("SELECT coalesce(max(id), 0) FROM rizzpay.audit_log").fetchone()

        def actions(object_id):
            rows = conn.execute(
                "SELECT action FROM rizzpay.audit_log WHERE object_id = %s AND id > %s"
                " AND actor LIKE 'operator:%%' ORDER BY id",
                (object_id, last),
            )
            return [action for (action,) in rows]

        yield actions
