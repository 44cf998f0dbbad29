"""What the flows share: a merchant in front of a whole running appliance, and a customer."""

import pytest
import urllib3

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


class Customer:
    """Pays by the sandbox's mock UPI app."""

    def __init__(self, sandbox_url: str) -> None:
        self.sandbox_url = sandbox_url
        self.pool = urllib3.PoolManager(retries=False)

    def approve(self, payment: dict) -> None:
        scanned = {"upi": payment["next_action"]["url"]}
        answer = self.pool.request("POST", f"{self.sandbox_url}/customer/scan", json=scanned)
        assert answer.status < 400, answer.data


@pytest.fixture(scope="session")
def customer(appliance):
    return Customer(appliance.credentials["sandbox_url"])
