"""The real parts that tests share: a database, a cache, a token, a whole appliance.

Each is started once a session, in a directory of its own, and stopped by its process id.
RIZZPAY_TEST_POSTGRES names a directory of PostgreSQL's programs other than the wheel's.
"""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import msgspec
import pytest

from appliance.embedded import postgres as embedded_postgres
from appliance.embedded import valkey as embedded_valkey
from appliance.embedded.layout import ROOT, write_private
from appliance.embedded.programs import Child, wait_until_ready
from appliance.embedded.valkey import settings as valkey_settings
from rizzpay.config import DatabaseSettings
from rizzpay.core import clock
from rizzpay.infra import data_keys, migrations
from rizzpay.infra.database import Database, Role
from tests.appliance.running import IMPATIENT, Appliance
from tests.hsm.running import Hsmd
from tests.side_by_side import SideBySide

PROGRAMS = os.environ.get("RIZZPAY_TEST_POSTGRES")
SIZING = embedded_postgres.Sizing(
    memory_bytes=2 * 1024**3,
    connections=200,
    durable=False,  # it is thrown away
)


# How long an example takes says what else the machine does; a test that hangs has its time-out.
hypothesis.settings.register_profile(
    "suite", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("suite")


def pytest_configure(config):
    """Let the processes of script/test take turns."""
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(SideBySide())


@dataclass(frozen=True)
class Server:
    """A PostgreSQL that runs, and how the service reaches its first database."""

    server: embedded_postgres.Cluster
    settings: DatabaseSettings


@pytest.fixture(scope="session")
def directory_of_the_session():
    """A directory with a path short enough for sockets, which PostgreSQL's user may enter."""
    path = Path(tempfile.mkdtemp(prefix="rz", dir="/tmp"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def cluster(directory_of_the_session):
    """A server of this session with the roles and one migrated database, which has a twin."""
    base = directory_of_the_session
    passwords = {role: base / f"{role.value}.password" for role in Role}
    superuser = base / "superuser.password"
    for path in (superuser, *passwords.values()):
        write_private(path, f"made-for-this-session-{os.urandom(8).hex()}\n")
    cluster = embedded_postgres.cluster(
        base / "postgres", base / "socket", superuser, Path(PROGRAMS) if PROGRAMS else None
    )
    cluster.create()
    cluster.configure(SIZING)
    child = Child(cluster.program(base, 0))
    child.start()
    wait_until_ready(child)
    cluster.prepare(ROOT / "sql" / "roles.sql", passwords)
    settings = embedded_postgres.settings(cluster.socket_dir, passwords)
    migrations.apply(settings, ROOT / "sql" / "migrations", lambda _: None)
    with cluster.connect() as conn:
        conn.execute("CREATE DATABASE twin TEMPLATE rizzpay")
    yield Server(cluster, settings)
    child.stop()


@pytest.fixture(scope="session")
def postgres(cluster):
    """A migrated database that the tests of a session share."""
    return cluster.settings


@pytest.fixture
def own_database(cluster):
    """A migrated, empty database for one test alone, which may break it."""
    name = f"own_{os.urandom(6).hex()}"
    with cluster.server.connect() as conn:
        conn.execute(f"CREATE DATABASE {name} TEMPLATE twin STRATEGY file_copy OWNER rizzpay_owner")
        yield msgspec.structs.replace(cluster.settings, name=name)
        conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def valkey(directory_of_the_session):
    """A cache of this session."""
    base = directory_of_the_session
    password = base / "valkey.password"
    write_private(password, f"made-for-this-session-{os.urandom(8).hex()}\n")
    settings = valkey_settings(base / "valkey.sock", password)
    child = Child(embedded_valkey.program(settings, base, 0))
    child.start()
    wait_until_ready(child)
    yield settings
    child.stop()


@pytest.fixture(scope="session")
def hsm(postgres, directory_of_the_session):
    """A daemon with a token that has every key; the data keys of `postgres` are wrapped by it."""
    directory = directory_of_the_session / "hsm"
    directory.mkdir(mode=0o755)
    daemon = Hsmd(directory, postgres).start().with_keys()
    database = Database(postgres, Role.WORKER, size=1)
    data_keys.ensure_data_keys(database, daemon.client, clock.now(), lambda *_: None)
    database.close()
    yield daemon.settings
    daemon.stop()


@pytest.fixture(scope="session")
def appliance():
    """The whole thing running, as script/server starts it, without the demonstration.

    Its acquirer is given up sooner: many tests let it be silent, and wait for just that.
    """
    running = Appliance.start(None, *IMPATIENT)
    yield running
    running.stop()
    running.remove()
