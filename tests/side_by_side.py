"""Tests side by side: script/test runs two processes of them, one for each of two cores.

Each process has a database, a cache and an appliance of its own, and takes whole files. A test
that measures time, or loads the appliance with all that the machine has, is marked `alone`:
nothing else runs while it does. What it waits for its turn is before its time-out begins.
"""

import fcntl
from pathlib import Path

import pytest

# Files that are always there, locked and never written. Who waits stands at the door, so that
# nobody comes in before him.
DOOR, ROOM = Path(__file__), Path(__file__).with_name("conftest.py")


class SideBySide:
    """The plugin of one of several processes: a lock that many hold together, or one alone."""

    def __init__(self, door: Path = DOOR, room: Path = ROOM) -> None:
        self._door = door.open("rb")
        self._room = room.open("rb")
        self._is_kept = False

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item, nextitem):
        """Run a test when its turn has come; several that are alone keep it for each other."""
        if not self._is_kept:
            self._take(fcntl.LOCK_EX if is_alone(item) else fcntl.LOCK_SH)
        try:
            return (yield)
        finally:
            self._is_kept = is_alone(item) and is_alone(nextitem)
            if not self._is_kept:
                fcntl.flock(self._room, fcntl.LOCK_UN)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        """Put the files with tests that are alone first, then those with slow ones.

        What is long and comes last is what one process works at when the other has nothing left.
        """
        rank: dict[Path, int] = {}
        for item in items:
            own = 0 if is_alone(item) else 1 if item.get_closest_marker("slow") else 2
            rank[item.path] = min(own, rank.get(item.path, own))
        items.sort(key=lambda item: rank[item.path])

    def pytest_unconfigure(self):
        """Let go of everything."""
        self._door.close()
        self._room.close()

    def _take(self, how: int) -> None:
        fcntl.flock(self._door, fcntl.LOCK_EX)
        fcntl.flock(self._room, how)
        fcntl.flock(self._door, fcntl.LOCK_UN)


def is_alone(item: pytest.Item | None) -> bool:
    """Tell whether a test wants the machine for itself."""
    return item is not None and item.get_closest_marker("alone") is not None
