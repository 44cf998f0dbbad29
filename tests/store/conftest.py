"""One pool for each login role of the shared database, and an envelope with keys in memory."""

import pytest

from rizzpay.infra.database import Database, Role
from tests.store.seals import Keyring
from tests.store.trails import SoftwareSigner, Trail


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


@pytest.fixture
def trail(worker, owner):
    """An empty audit trail, signed by a key in memory; empty again afterwards."""
    trail = Trail(worker, owner, SoftwareSigner())
    trail.empty()
    yield trail
    trail.empty()
