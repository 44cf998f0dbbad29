"""Tokens and daemons of a test's own: these tests break them."""

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.hsm.running import Hsmd


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
