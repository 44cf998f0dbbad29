"""One program of the appliance: how it is started, how long it lives, how it is stopped.

Every program is started through setpriv(1), which execs it: when we die, however we die, the
kernel sends it a signal (PR_SET_PDEATHSIG). Each is the head of a session of its own, so Ctrl-C
on the terminal reaches us and not it.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from signal import Signals

from appliance.embedded.accounts import Account
from rizzpay.core import clock
from rizzpay.core.errors import Misconfigured

LOG_MAX_BYTES = 64 * 1024 * 1024  # of one program's log; then it begins anew, keeping one old one
LOG_TAIL_BYTES = 4096

Ready = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. `stage` orders stopping: higher stages are stopped first, equal ones together.

    `ready` tells whether it serves; it is asked again and again for `ready_s` seconds.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    stage: int
    ready: Ready
    environment: Mapping[str, str] = field(default_factory=dict)
    account: Account | None = None
    stdin: bytes = b""
    stop_signal: Signals = signal.SIGTERM
    stop_s: float = 15.0
    ready_s: float = 30.0
    has_workers: bool = False  # its children are what does the work, and are shown as well


def wrapped(
    command: Sequence[str], account: Account | None, death_signal: Signals = signal.SIGTERM
) -> list[str]:
    """Return `command` tied to our life and run as `account`."""
    privileges = account.arguments() if account else []
    # setpriv's parser takes only the name without SIG
    return ["setpriv", *privileges, f"--pdeathsig={death_signal.name[3:]}", "--", *command]


class Child:
    """A program and the process that runs it now, if any."""

    def __init__(self, program: Program) -> None:
        """Start nothing yet."""
        self.program = program
        self.started_s = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Return the process id; None when it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start it; raises Misconfigured when the program is not there."""
        program = self.program
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("PG")
        }
        with program.log.open("ab") as log:
            self._process = subprocess.Popen(
                wrapped(program.command, program.account, program.stop_signal),
                stdin=subprocess.PIPE if program.stdin else subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**environment, **program.environment},
                cwd="/",
                start_new_session=True,
            )
        self.started_s = clock.monotonic_s()
        if program.stdin and self._process.stdin:
            self._process.stdin.write(program.stdin)
            self._process.stdin.close()

    def ended(self) -> str | None:
        """Return how it ended, in words; None while it runs or was never started."""
        if self._process is None:
            return None
        status = self._process.poll()
        if status is None:
            return None
        if status < 0:
            return f"killed by {Signals(-status).name}"
        return f"exit status {status}"

    def signal(self, number: Signals) -> None:
        """Send a signal if it runs; it is our own child, so its id cannot be another's."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(number)

    def wait(self, timeout_s: float) -> bool:
        """Wait until it has ended; False when it still runs after `timeout_s`."""
        if self._process is None:
            return True
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self) -> bool:
        """Ask it to stop and wait; False when it had to be killed."""
        self.ask_to_stop()
        return self.wait_or_kill()

    def ask_to_stop(self) -> None:
        """Send its stop signal and do not wait."""
        self.signal(self.program.stop_signal)

    def wait_or_kill(self) -> bool:
        """Wait for it to end as asked; False when it had to be killed."""
        if self.wait(self.program.stop_s):
            return True
        self.signal(signal.SIGKILL)
        self.wait(self.program.stop_s)
        return False

    def last_words(self) -> str:
        """Return the last line of its log that says something."""
        return last_line(self.program.log)

    def trim_log(self) -> None:
        """Begin the log anew when it is long; it is opened for appending, so truncating works."""
        log = self.program.log
        if log.exists() and log.stat().st_size > LOG_MAX_BYTES:
            shutil.copyfile(log, log.with_suffix(".1"))
            os.truncate(log, 0)


def wait_until_ready(child: Child) -> None:
    """Wait until a program serves; raises Misconfigured when it ends or takes too long."""
    program = child.program
    deadline_s = clock.monotonic_s() + program.ready_s
    while not program.ready():
        how = child.ended()
        if how is not None:
            raise Misconfigured(
                f"{program.name} did not start ({how}): {child.last_words()} (see {program.log})"
            )
        if clock.monotonic_s() > deadline_s:
            raise Misconfigured(
                f"{program.name} is not ready after {program.ready_s:g} s (see {program.log})"
            )
        time.sleep(0.02)


def last_line(path: Path) -> str:
    """Return the last line of a file that is not blank."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LOG_TAIL_BYTES))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else ""


def run(command: Sequence[str], what: str, account: Account | None = None, **env: str) -> str:
    """Run a command to its end and return what it printed; raises Misconfigured with its words."""
    done = subprocess.run(
        wrapped(command, account, signal.SIGKILL),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **env},
        cwd="/",
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Misconfigured(f"{what} failed: {said[-1] if said else done.returncode}")
    return done.stdout
