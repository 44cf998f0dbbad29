"""One running sandbox for the tests of this folder, and somebody to receive its callbacks."""

import json
import threading
import time

import pytest

from tests.gateways.acquirer import Acquirer
from tests.gateways.raw_server import RawServer, answer, read_request


@pytest.fixture(scope="session")
def acquirer(tmp_path_factory):
    """The shared sandbox; tests tell their payments apart by id."""
    running = Acquirer(tmp_path_factory.mktemp("acquirer"))
    yield running
    assert running.stop() == 0


@pytest.fixture
def own_acquirer(tmp_path):
    """A sandbox that a test may kill."""
    running = Acquirer(tmp_path / "own")
    yield running
    if running.process.poll() is None:
        running.stop()


@pytest.fixture
def gateway(acquirer):
    return acquirer.gateway()


class Receiver:
    """Takes callbacks; `statuses` are answered first, then 200."""

    def __init__(self) -> None:
        self.letters: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[str] = []
        self._came = threading.Condition()
        self._server = RawServer(self._behave)
        self.url = f"{self._server.url}/webhooks/sandbox"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.__exit__()

    def _behave(self, connection, number):
        del number
        while request := read_request(connection):
            head, _, body = request.partition(b"\r\n\r\n")
            lines = [line.partition(": ") for line in head.decode().split("\r\n")[1:]]
            with self._came:
                self.letters.append(({name.lower(): text for name, _, text in lines}, body))
                status = self.statuses.pop(0) if self.statuses else "200 OK"
                self._came.notify_all()
            connection.sendall(answer(b"", status))

    def wait(self, count: int, seconds: float = 5) -> list[tuple[dict[str, str], bytes]]:
        """Return the letters as soon as there are so many."""
        with self._came:
            arrived = self._came.wait_for(lambda: len(self.letters) >= count, seconds)
        assert arrived, f"{len(self.letters)} of {count} callbacks came"
        return self.letters

    def none_more(self, count: int, seconds: float = 0.3) -> None:
        """Check that there are so many after a while."""
        time.sleep(seconds)
        assert len(self.letters) == count, [json.loads(body)["type"] for _, body in self.letters]


@pytest.fixture
def receiver():
    with Receiver() as made:
        yield made
