"""The supervisor: starts programs in order, brings back what dies, stops all in reverse.

One thread. Everything it starts is its own child, so it never signals a process that it did not
start, except leftovers of a supervisor that was killed: those it knows by process id and start
time, which together no other process can have.
"""

import contextlib
import json
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from signal import Signals
from types import FrameType

import psutil

from appliance.embedded.layout import write_private
from appliance.embedded.programs import Child, Program, wait_until_ready
from rizzpay.core import clock
from rizzpay.core.errors import Misconfigured

TICK_S = 0.1
BACKOFF_S = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)  # before each start after the one before it
SETTLED_S = 30.0  # a program that lived so long begins with no backoff again
LEFTOVERS_S = 10.0  # how long processes of a killed supervisor may take to end by themselves
TRIM_EVERY_S = 10.0


class Interrupted(BaseException):
    """Ctrl-C or SIGTERM: not an error, and nothing that an `except Exception` may catch."""


@dataclass(slots=True)
class _State:
    """How often a program died of late, and when it may be started again."""

    deaths: int = 0
    next_start_s: float = 0.0
    is_down: bool = False


@dataclass(slots=True)
class Supervisor:
    """`say` prints a line for people; `record` keeps process ids for the next supervisor."""

    record: Path
    say: Callable[[str, str], None]
    on_change: Callable[[], None] = lambda: None
    children: list[Child] = field(default_factory=list)
    _states: dict[str, _State] = field(default_factory=dict)
    _known: dict[str, int] = field(default_factory=dict)
    _trim_at_s: float = 0.0

    def start(self, program: Program) -> Child:
        """Start a program and wait until it is ready; raises Misconfigured when it is not."""
        return self.start_all([program])[0]

    def start_all(self, programs: list[Program]) -> list[Child]:
        """Start programs side by side and wait until all are ready."""
        started = [Child(program) for program in programs]
        for child in started:
            self.children.append(child)
            self._states[child.program.name] = _State()
            child.start()
        self.remember()
        for child in started:
            wait_until_ready(child)
        self.remember()
        return started

    def watch(self) -> None:
        """Bring back what dies, until a signal raises Interrupted."""
        while True:
            for child in self.children:
                self.look_after(child)
            self.remember()
            if clock.monotonic_s() > self._trim_at_s:
                self._trim_at_s = clock.monotonic_s() + TRIM_EVERY_S
                for child in self.children:
                    child.trim_log()
            time.sleep(TICK_S)

    def stop(self) -> None:
        """Stop everything in reverse order; what does not stop in its time is killed."""
        stages = sorted({child.program.stage for child in self.children}, reverse=True)
        for stage in stages:
            group = [child for child in self.children if child.program.stage == stage]
            for child in group:
                child.ask_to_stop()
            for child in group:
                if not child.wait_or_kill():
                    self.say(child.program.name, "did not stop by itself and was killed")
        self.children.clear()
        self.remember()
        self.record.unlink(missing_ok=True)

    def pids(self) -> dict[str, list[int]]:
        """Return the processes of each program by name: itself first, then those it started."""
        return {child.program.name: _family(child) for child in self.children}

    def remember(self) -> None:
        """Write process ids and start times down when they changed, and tell `on_change`."""
        now = {str(pid): pid for family in self.pids().values() for pid in family}
        if now == self._known:
            return
        self._known = now
        started = {text: _started(pid) for text, pid in now.items()}
        write_private(self.record, json.dumps(started))
        self.on_change()

    def look_after(self, child: Child) -> None:
        """Start a program again when it has ended and its time has come."""
        state = self._states[child.program.name]
        how = child.ended()
        if how is not None and not state.is_down:
            lived_s = clock.monotonic_s() - child.started_s
            state.deaths = 1 if lived_s > SETTLED_S else state.deaths + 1
            wait_s = BACKOFF_S[min(state.deaths, len(BACKOFF_S)) - 1]
            state.next_start_s = clock.monotonic_s() + wait_s
            state.is_down = True
            again = f"in {wait_s:g} s" if wait_s else "now"
            self.say(child.program.name, f"ended ({how}); starting it again {again}")
        if state.is_down and clock.monotonic_s() >= state.next_start_s:
            state.is_down = False
            child.start()
            self.say(child.program.name, f"started again as process {child.pid}")


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let the first SIGINT, SIGTERM or SIGHUP raise Interrupted; ignore those that follow."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(_: int, __: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise Interrupted

    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_leftovers(record: Path, patience_s: float = LEFTOVERS_S) -> None:
    """Wait for the processes of a killed supervisor to end, then end them."""
    if not record.exists():
        return
    left = [process for process in _recorded(record) if process.is_running()]
    _, alive = psutil.wait_procs(left, timeout=patience_s)
    for number in (signal.SIGINT, signal.SIGKILL):
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(Signals(number))
        _, alive = psutil.wait_procs(alive, timeout=LEFTOVERS_S)
    if alive:
        raise Misconfigured(f"process {alive[0].pid} of an earlier run does not end; kill it")
    record.unlink(missing_ok=True)


def _recorded(record: Path) -> list[psutil.Process]:
    """Return the recorded processes that still are what was recorded."""
    found = []
    for text, started in json.loads(record.read_text()).items():
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(int(text))
            if process.create_time() == started:
                found.append(process)
    return found


def _started(pid: int) -> float:
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return 0.0


def _family(child: Child) -> list[int]:
    """Return a process and its workers, from /proc: a few microseconds."""
    pid = child.pid
    if pid is None:
        return []
    if not child.program.has_workers:
        return [pid]
    try:
        workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:  # it has just ended
        return [pid]
    return [pid, *(int(worker) for worker in workers)]
