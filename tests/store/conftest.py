"""A private PostgreSQL for the tests of the stores."""

import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg
import pytest

from rizzpay.config import DatabaseSettings
from rizzpay.infra import migrations
from rizzpay.infra.database import Database, Role
from tests.store.seals import Keyring

ROOT = Path(__file__).parents[2]
BIN = Path(os.environ.get("BOOKS_PG_BIN", "/usr/lib/postgresql/15/bin"))


@pytest.fixture(scope="session")
def postgres():
    base = Path(tempfile.mkdtemp(prefix="bpg", dir="/tmp"))
    base.chmod(0o755)
    data = base / "d"
    data.mkdir()
    shutil.chown(data, "postgres", "postgres")
    sock = base / "s"
    sock.mkdir()
    shutil.chown(sock, "postgres", "postgres")
    run = ["runuser", "-u", "postgres", "--"]
    subprocess.run(
        [*run, BIN / "initdb", "-D", data, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd="/tmp",
    )
    subprocess.run(
        [
            *run,
            BIN / "pg_ctl",
            "-D",
            data,
            "-w",
            "-l",
            data / "log",
            "-o",
            f"-k {sock} -c listen_addresses='' -c max_connections=120 -c fsync=off",
            "start",
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd="/tmp",
    )
    secret = base / "pw"
    secret.write_text(secrets.token_hex(8))
    secret.chmod(0o600)
    settings = DatabaseSettings(str(sock), 5432, "rizzpay", str(secret), str(secret), str(secret))
    try:
        admin = f"host={sock} user=postgres dbname=postgres"
        with psycopg.connect(admin, autocommit=True) as conn:
            conn.execute((ROOT / "sql/roles.sql").read_bytes())
            conn.execute("CREATE DATABASE rizzpay OWNER rizzpay_owner")
        migrations.apply(settings, ROOT / "sql/migrations", lambda _: None)
        yield settings
    finally:
        subprocess.run(
            [*run, BIN / "pg_ctl", "-D", data, "-m", "immediate", "stop"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/tmp",
        )
        shutil.rmtree(base)


@pytest.fixture(scope="session")
def worker(postgres):
    """The role of the worker and the command line: sees every merchant."""
    database = Database(postgres, Role.WORKER, size=4)
    yield database
    database.close()


@pytest.fixture(scope="session")
def app(postgres):
    """The role of the API: sees only the merchants of its transaction."""
    database = Database(postgres, Role.APP, size=50)
    yield database
    database.close()


@pytest.fixture(scope="session")
def owner(postgres):
    """The role that migrates: what an intruder with the installer's password could use."""
    database = Database(postgres, Role.OWNER, size=1)
    yield database
    database.close()


@pytest.fixture(scope="session")
def envelope():
    """Seals and opens under keys of this session."""
    return Keyring().envelope()
