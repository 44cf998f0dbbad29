"""What the flows share: a merchant in front of a whole running appliance."""

import pytest

from rizzpay import config
from rizzpay.infra.database import Database, Role
from tests.flows.merchant import Merchant


@pytest.fixture(scope="session")
def merchant(appliance):
    return Merchant(appliance.credentials)


@pytest.fixture(scope="session")
def settings(appliance):
    return config.load(appliance.data / "rizzpay.toml")


@pytest.fixture(scope="session")
def database(settings):
    """The worker's view of the database: every merchant's rows."""
    database = Database(settings.database, Role.WORKER, size=2)
    yield database
    database.close()
