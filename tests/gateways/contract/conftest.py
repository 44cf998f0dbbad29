"""Every row of the catalog, with its conformance server running and somebody to be called back."""

import time
from datetime import UTC, datetime

import pytest

from rizzpay.gateways.port import BadCallback
from rizzpay.infra.http_client import HttpClient
from tests.gateways.conftest import Receiver
from tests.gateways.contract.faults import Proxy
from tests.gateways.contract.row import KINDS, Bench, Letter, row_of

PATIENCE_S = 10


class Letterbox(Receiver):
    """Keeps the callbacks of all tests; each test looks for those about its own ids."""

    def about(self, connector, attempt_id, count):
        """Return `count` callbacks about one of our ids, or more."""
        end = time.monotonic() + PATIENCE_S
        while True:
            found = [letter for letter in self.genuine(connector) if letter[0] == attempt_id]
            if len(found) >= count:
                return [Letter(*letter) for _, letter in found]
            assert time.monotonic() < end, f"{len(found)} of {count} callbacks came"
            time.sleep(0.02)

    def genuine(self, connector):
        """Read everything that came; what is not genuine is a bug of the server."""
        for headers, body in list(self.letters):
            try:
                told = connector.read_callback(headers, body, datetime.now(UTC))
            except BadCallback as error:
                assert "too old" in str(error)
                continue
            yield told.attempt_id, (headers, body)


@pytest.fixture(scope="session", params=KINDS)
def bench(request, tmp_path_factory):
    """One row of the catalog."""
    directory = tmp_path_factory.mktemp(request.param)
    with Letterbox() as letterbox:
        row = row_of(request.param, directory, letterbox.url)
        http = HttpClient()
        yield Bench(row, letterbox, http, directory)
        http.close()
        assert row.stop() == 0


@pytest.fixture
def connector(bench):
    """A connector of the row, straight to its server."""
    return bench.connector()


@pytest.fixture
def proxy(bench):
    """A network between the row's server and whoever asks it."""
    with Proxy(bench.row.url) as made:
        yield made
