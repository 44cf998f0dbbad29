"""A server of ours that a module's tests share, and one of gunicorn's own to compare with."""

import tempfile
from pathlib import Path

import pytest

from tests.infra.http_server.running import Server


@pytest.fixture(scope="module")
def place():
    """A directory whose name is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="rzhttp", dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def server(place):
    """Our worker."""
    running = Server(place / "ours").start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def stock(place):
    """The gevent worker of gunicorn with its own parser."""
    running = Server(place / "stock", "gevent").start()
    yield running
    running.stop()
