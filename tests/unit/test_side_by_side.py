"""Processes of tests take turns: many together, or one alone."""

import threading

import pytest

from tests.side_by_side import SideBySide

PATIENCE_S = 0.2  # how long nothing has to happen to say that somebody waits
LONG_S = 20.0


class Item:
    """A test with its markers, in a file."""

    def __init__(self, *markers, path="a.py"):
        self.markers = markers
        self.path = path

    def get_closest_marker(self, name):
        return name if name in self.markers else None


ALONE, USUAL, SLOW = Item("alone"), Item(), Item("slow", path="b.py")


class Process:
    """One of the processes: begins and ends tests when it is told to."""

    def __init__(self, door, room):
        self.plugin = SideBySide(door, room)
        self._test = None

    def begin(self, item, following=None) -> None:
        self._test = self.plugin.pytest_runtest_protocol(item, following)
        next(self._test)

    def try_to_begin(self, item) -> threading.Event:
        """Begin in a thread; the event tells that it has."""
        begun = threading.Event()

        def run():
            self.begin(item)
            begun.set()

        threading.Thread(target=run, daemon=True).start()
        return begun

    def end(self) -> None:
        with pytest.raises(StopIteration):
            next(self._test)


@pytest.fixture
def processes(tmp_path):
    for name in ("door", "room"):
        (tmp_path / name).touch()
    made = [Process(tmp_path / "door", tmp_path / "room") for _ in range(3)]
    yield made
    for process in made:
        process.plugin.pytest_unconfigure()


def test_usual_tests_run_together(processes):
    for process in processes:
        process.begin(USUAL)
    for process in processes:
        process.end()


def test_one_that_is_alone_waits_for_the_others_and_they_wait_for_it(processes):
    first, second, third = processes
    first.begin(USUAL)
    alone = second.try_to_begin(ALONE)
    assert not alone.wait(PATIENCE_S)
    later = third.try_to_begin(USUAL)  # came after it, and does not go past it
    assert not later.wait(PATIENCE_S)
    first.end()
    assert alone.wait(LONG_S)
    assert not later.wait(PATIENCE_S)
    second.end()
    assert later.wait(LONG_S)
    third.end()


def test_several_that_are_alone_keep_their_turn_for_each_other(processes):
    first, second, _ = processes
    first.begin(ALONE, ALONE)
    waiting = second.try_to_begin(USUAL)
    first.end()
    first.begin(ALONE, USUAL)
    assert not waiting.wait(PATIENCE_S)
    first.end()
    assert waiting.wait(LONG_S)
    first.begin(USUAL)
    first.end()
    second.end()


def test_long_files_come_first_and_everything_else_stays_as_it_was(processes):
    items = [USUAL, Item(path="c.py"), SLOW, Item(path="b.py"), Item("alone", path="d.py")]
    shuffled = list(items)
    processes[0].plugin.pytest_collection_modifyitems(shuffled)
    assert shuffled == [items[4], items[2], items[3], items[0], items[1]]
