"""The files in which processes share their figures, and what becomes of them at a process's end.

prometheus_client gives each process files of its own, named after its id, and adds all of them up
at every look: an installation whose workers are replaced would keep more and more of them. Here
what the dead have left is carried over to one file of each kind, whose process id is 0. Counters
and histograms add up, gauges keep the largest or the newest value; gauges of the living go.
"""

import fcntl
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict

ALL_THE_DEAD = 0  # in the place of a process id; no process of ours has it

Value = tuple[float, float]  # and the time at which a gauge was set


@contextmanager
def readable(directory: Path) -> Iterator[None]:
    """Carry over what the dead have left; then let nobody do that while figures are added up.

    Several processes may look at the same time. Waits; call it in a thread.
    """
    with (directory / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _bury_the_dead(directory)
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def _bury_the_dead(directory: Path) -> None:
    left: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(directory.glob("*_*.db")):
        kind, _, pid = path.stem.rpartition("_")
        if not _lives(int(pid)):
            left[kind].append(path)
    for kind, paths in left.items():
        if not kind.startswith("gauge_live"):
            _carry_over(kind, paths, directory / f"{kind}_{ALL_THE_DEAD}.db")
        for path in paths:
            path.unlink()


def _lives(pid: int) -> bool:
    """Tell whether a process is there; the one that stands for all the dead always is."""
    if pid == ALL_THE_DEAD:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _carry_over(kind: str, paths: list[Path], grave: Path) -> None:
    """Write what the dead and the grave hold into a new grave, which replaces it whole."""
    files = [path for path in (grave, *paths) if path.exists() and path.stat().st_size]
    partial = grave.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    written = MmapedDict(str(partial))  # type: ignore[no-untyped-call]
    for key, (value, at) in _together(kind, files).items():
        written.write_value(key, value, at)  # type: ignore[no-untyped-call]
    written.close()  # type: ignore[no-untyped-call]
    partial.replace(grave)


def _together(kind: str, files: Iterable[Path]) -> dict[str, Value]:
    """Return each figure of several files once."""
    found: dict[str, Value] = {}
    for file in files:
        values = MmapedDict.read_all_values_from_file(str(file))  # type: ignore[no-untyped-call]
        for key, value, at, _ in values:
            before = found.get(key)
            found[key] = (value, at) if before is None else _both(kind, before, (value, at))
    return found


def _both(kind: str, one: Value, other: Value) -> Value:
    match kind:
        case "gauge_max":
            return max(one, other)
        case "gauge_mostrecent":
            return max(one, other, key=lambda value: value[1])
        case "counter" | "histogram":
            return one[0] + other[0], 0.0
        case _:
            raise AssertionError(kind)
