"""CPU and memory of the service's processes, from /proc, by component.

Components are found by the process ids that credentials.json names or, without those, by their
command lines. CPU is user and system time of a process, its threads and its ended children; it has
10 ms resolution, which is nothing over seconds.
"""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
COMPONENTS = ("haproxy", "api", "postgres", "worker", "valkey", "sandbox", "hsmd")
GENERATOR = "generator"
OTHERS = "others"  # what else ran on the machine
PROC = Path("/proc")
KIB = 1024
# Which command line is which component, where no file names process ids: all of these words.
WORDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "haproxy": (("haproxy",),),
    "api": (("rizzpay", "serve"), ("gunicorn",)),
    "postgres": (("postgres", "-D"),),
    "worker": (("rizzpay", "work"),),
    "valkey": (("valkey-server",), ("redis-server",)),
    "sandbox": (("rizzpay", "sandbox"),),
    "hsmd": (("rizzpay", "hsmd"),),
}


@dataclass(frozen=True, slots=True)
class Used:
    """CPU seconds so far: of each component, of the whole machine, stolen; and when."""

    parts: Mapping[str, float]
    busy_s: float
    stolen_s: float
    waited_s: float  # how long this process wanted to run and could not
    at_s: float


@dataclass(frozen=True, slots=True)
class Spent:
    """The difference of two moments; `cores` is how many cores were busy with what."""

    seconds: float
    parts_s: Mapping[str, float]
    others_s: float
    stolen_s: float
    generator_waited_s: float


def used(pids: Mapping[str, Sequence[int]]) -> Used:
    """Read now."""
    children = _children()
    roots = dict(pids) or _by_command()
    found = {name: _cpu_of(name, roots, children) for name in COMPONENTS}
    mine = os.times()
    found[GENERATOR] = mine.user + mine.system
    busy, stolen = _machine()
    waited = int((PROC / "self" / "schedstat").read_text().split()[1]) / 1e9
    return Used(found, busy, stolen, waited, time.perf_counter())


def spent(before: Used, after: Used) -> Spent:
    """Return what was used between two moments."""
    parts = {name: after.parts[name] - before.parts[name] for name in after.parts}
    busy = after.busy_s - before.busy_s
    return Spent(
        seconds=after.at_s - before.at_s,
        parts_s=parts,
        others_s=max(0.0, busy - sum(parts.values())),
        stolen_s=after.stolen_s - before.stolen_s,
        generator_waited_s=after.waited_s - before.waited_s,
    )


def memory_mb(pids: Sequence[int]) -> list[float]:
    """Return the resident memory of each process, in 10^6 bytes."""
    lines = [line for pid in pids for line in _text(PROC / str(pid) / "status").splitlines()]
    return [int(line.split()[1]) * KIB / 1e6 for line in lines if line.startswith("VmRSS:")]


def cores() -> int:
    """Return how many cores we may use."""
    return len(os.sched_getaffinity(0))


def _cpu_of(
    name: str, roots: Mapping[str, Sequence[int]], children: Mapping[int, list[int]]
) -> float:
    todo = [*roots.get(name, []), *(roots.get("api_arbiters", []) if name == "api" else [])]
    family: set[int] = set()
    while todo:
        pid = todo.pop()
        if pid not in family:
            family.add(pid)
            todo += children.get(pid, [])
    return sum(_ticks(pid) for pid in family) / TICKS_A_SECOND


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for path in PROC.glob("[0-9]*/stat"):
        after_name = _text(path).rpartition(")")[2].split()
        if after_name:
            found.setdefault(int(after_name[1]), []).append(int(path.parent.name))
    return found


def _by_command() -> dict[str, list[int]]:
    found: dict[str, list[int]] = {name: [] for name in COMPONENTS}
    for path in PROC.glob("[0-9]*/cmdline"):
        words = _text(path).split("\0")
        line = " ".join(words[:8])
        for name, choices in WORDS.items():
            if any(all(word in line for word in choice) for choice in choices):
                found[name].append(int(path.parent.name))
                break
    return found


def _ticks(pid: int) -> int:
    """Return the ticks of a process and of its children that have ended; 0 when it is gone."""
    fields = _text(PROC / str(pid) / "stat").rpartition(")")[2].split()
    return sum(int(fields[number]) for number in (11, 12, 13, 14)) if fields else 0


def _machine() -> tuple[float, float]:
    """Return busy and stolen seconds of all cores together."""
    numbers = [int(text) for text in _text(PROC / "stat").splitlines()[0].split()[1:9]]
    user, nice, system, _, _, irq, softirq, steal = numbers
    busy = user + nice + system + irq + softirq
    return busy / TICKS_A_SECOND, steal / TICKS_A_SECOND


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # it has just ended
        return ""
