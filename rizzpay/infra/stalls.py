"""Measures how long the event loop stands still, and publishes it with the pool's figures.

A greenlet sleeps ten milliseconds at a time. What it oversleeps is a stall of the loop, but for
two things that are not the loop's doing: the time that the kernel let the whole thread wait for a
core, which its schedstat in /proc says, and the time that a hypervisor took the core away from the
kernel, which is the steal time of /proc/stat (proc(5)).
"""

import os
import threading
import time
from pathlib import Path

from rizzpay.core import clock
from rizzpay.infra import metrics
from rizzpay.infra.database import Database

TICK_S = 0.01  # a stall may be this much longer than measured; 5 ms cost 2 % of a core
PUBLISH_EVERY_S = 1.0
ASK_FOR_STEAL_S = 0.005  # /proc/stat has a line for every core: it is read when something was late
NANOSECONDS = 1_000_000_000
SCHEDSTAT = "/proc/self/task/{thread_id}/schedstat"
STAT = Path("/proc/stat")
STEAL_COLUMN = 8  # of a core's line, behind its name
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def watch(database: Database) -> None:
    """Start measuring in this thread's loop; needs gevent's patches to mean anything."""
    threading.Thread(target=_watch, args=(database,), name="stalls", daemon=True).start()


def _watch(database: Database) -> None:
    run_queue = _RunQueue()
    theft = Theft()
    longest_s = 0.0
    now_s, waited_s = clock.monotonic_s(), run_queue.waited_s()
    publish_at_s = now_s
    while True:
        began_s, waited_before_s = now_s, waited_s
        time.sleep(TICK_S)
        now_s, waited_s = clock.monotonic_s(), run_queue.waited_s()
        stall_s = max(0.0, now_s - began_s - TICK_S - (waited_s - waited_before_s))
        if stall_s > ASK_FOR_STEAL_S:
            stall_s = max(0.0, stall_s - theft.since_last_s())
        metrics.STALLS.observe(stall_s)
        longest_s = max(longest_s, stall_s)
        if now_s >= publish_at_s:
            theft.since_last_s()
            metrics.STALL_MAX.set(longest_s)
            metrics.pool(database.role.value, database.stats())
            publish_at_s = now_s + PUBLISH_EVERY_S


class _RunQueue:
    """How long this thread was ready to run and had no core."""

    def __init__(self) -> None:
        """Open the figures of the thread that all greenlets share; the file stays open."""
        path = SCHEDSTAT.format(thread_id=os.getpid())
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # a kernel without CONFIG_SCHED_INFO: all that we see is a stall then
            self._file = -1

    def waited_s(self) -> float:
        """Return the seconds since the thread began."""
        if self._file < 0:
            return 0.0
        return int(os.pread(self._file, 96, 0).split()[1]) / NANOSECONDS


class Theft:
    """How long a hypervisor took cores away from this machine; a machine of its own never says so.

    Nobody says which core a thread was on, so the core that lost most counts: a stall within the
    second after such a theft may be taken for it, never one on a machine that loses nothing.
    """

    def __init__(self, stat: Path = STAT) -> None:
        """Remember what was taken until now."""
        self._stat = stat
        self._ticks = self._taken()

    def since_last_s(self) -> float:
        """Return the seconds that the core that lost most has lost since this was last asked."""
        before, self._ticks = self._ticks, self._taken()
        lost = [now - then for then, now in zip(before, self._ticks, strict=False)]
        return max([0, *lost]) / TICKS_PER_S

    def _taken(self) -> list[int]:
        try:
            lines = self._stat.read_text().splitlines()
        except OSError:  # a sandbox that shows a unit its own processes only: ProcSubset=pid
            return []
        cores = [line.split() for line in lines if line.startswith("cpu") and line[3] != " "]
        return [int(core[STEAL_COLUMN]) for core in cores if len(core) > STEAL_COLUMN]
