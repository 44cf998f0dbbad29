"""Databases under both roles, keys in memory, and receivers on loopback.

The pools are as large as the threads of any test here: a pool's queue is made for greenlets.
"""

import pytest

from rizzpay.infra.database import Database, Role
from rizzpay.infra.http_client import HttpClient
from tests.webhooks.receiver import Receiver
from tests.webhooks.world import World, new_tenant, test_envelope


@pytest.fixture(scope="session")
def app(postgres):
    """The role of the API: sees only the merchants of its transaction."""
    database = Database(postgres, Role.APP, size=20)
    yield database
    database.close()


@pytest.fixture(scope="session")
def worker(postgres):
    """The role of the worker and the command line: sees every merchant."""
    database = Database(postgres, Role.WORKER, size=12)
    yield database
    database.close()


@pytest.fixture(scope="session")
def envelope():
    """An envelope with keys of this run."""
    return test_envelope()


@pytest.fixture
def tenant():
    """A merchant that no other test knows."""
    return new_tenant()


@pytest.fixture
def receiver():
    """A merchant's server on loopback."""
    with Receiver() as started:
        yield started


@pytest.fixture
def world(app, worker, envelope, tenant):
    """A merchant with the API's and the worker's side of webhooks."""
    http = HttpClient()
    yield World(app=app, worker=worker, envelope=envelope, tenant=tenant, http=http)
    http.close()
