"""Measures how long the event loop stands still, and publishes it with the pool's figures.

A greenlet sleeps ten milliseconds at a time. What it oversleeps is a stall of the loop, but for
the time that the kernel let the whole thread wait for a core, which is not the loop's doing:
/proc/thread-self/schedstat says how long that was.
"""

import os
import threading
import time

from rizzpay.core import clock
from rizzpay.infra import metrics
from rizzpay.infra.database import Database

TICK_S = 0.01  # a stall may be this much longer than measured; 5 ms cost 2 % of a core
PUBLISH_EVERY_S = 1.0
NANOSECONDS = 1_000_000_000
SCHEDSTAT = "/proc/self/task/{thread_id}/schedstat"


def watch(database: Database) -> None:
    """Start measuring in this thread's loop; needs gevent's patches to mean anything."""
    threading.Thread(target=_watch, args=(database,), name="stalls", daemon=True).start()


def _watch(database: Database) -> None:
    run_queue = _RunQueue()
    longest_s = 0.0
    now_s, waited_s = clock.monotonic_s(), run_queue.waited_s()
    publish_at_s = now_s
    while True:
        began_s, waited_before_s = now_s, waited_s
        time.sleep(TICK_S)
        now_s, waited_s = clock.monotonic_s(), run_queue.waited_s()
        stall_s = max(0.0, now_s - began_s - TICK_S - (waited_s - waited_before_s))
        metrics.STALLS.observe(stall_s)
        longest_s = max(longest_s, stall_s)
        if now_s >= publish_at_s:
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
