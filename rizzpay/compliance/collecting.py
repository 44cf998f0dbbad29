"""Runs the controls in a process of their own and reads what it wrote, a line at a time.

pytest, testinfra and Ansible live in that process alone: the service does not carry them, the
machine from which a site is administered does. `directory` is `tests/compliance` of the release.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from rizzpay.compliance.model import Check, Collected, Host
from rizzpay.core.errors import Misconfigured

LOOK_EVERY_S = 0.2  # for progress; the run takes minutes
BROKEN_OFF = (2, 3, 4)  # pytest's exit statuses: interrupted, internal error, wrong use
SHOWN_MAX = 2000  # characters of what a run that broke off said


class Started(Struct, frozen=True):
    """The first line: `total` checks are to come."""

    at: str
    tools: dict[str, str]
    total: int
    limit: str
    controls: tuple[str, ...]


class Finished(Struct, frozen=True):
    """The last line; without it the run broke off."""

    at: str


class _Line(Struct, frozen=True, forbid_unknown_fields=True):
    started: Started | None = None
    host: Host | None = None
    check: Check | None = None
    finished: Finished | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """What to run: the directory of controls, the inventory, and what is left out."""

    directory: Path
    inventory: Path
    limit: str = ""
    controls: Sequence[str] = ()


Progress = Callable[[int, int], None]


def run(task: Task, evidence: Path, progress: Progress) -> Collected:
    """Try the controls on the hosts, which takes minutes; raises Misconfigured.

    `evidence` is a file to write to; `progress` hears how many checks of how many are done.
    """
    if not (task.directory / "plugin.py").is_file():
        raise Misconfigured(f"{task.directory} holds no controls; name them with --controls")
    if not task.inventory.exists():
        raise Misconfigured(f"there is no inventory {task.inventory}")
    with subprocess.Popen(
        _command(task, evidence),
        env=environment(task),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        said, status = _wait(process, evidence, progress)
    if status in BROKEN_OFF:
        raise Misconfigured(f"the controls could not be run: {said[-SHOWN_MAX:].strip()}")
    return read(evidence)


def _command(task: Task, evidence: Path) -> list[str]:
    controls = task.directory / "controls"
    options = {
        "--site": task.inventory.absolute(),
        "--limit": task.limit,
        "--controls": ",".join(task.controls),
        "--evidence-to": evidence.absolute(),
    }
    return [
        sys.executable,
        *("-m", "pytest", "--quiet", "--no-header", "--tb=short", "--color=no"),
        *("-c", str(controls / "pytest.ini"), "--rootdir", str(controls)),
        *("--confcutdir", str(controls), "-p", "no:cacheprovider"),
        *("-p", "tests.compliance.plugin"),
        *(f"{name}={value}" for name, value in options.items()),
        str(controls),
    ]


def environment(task: Task) -> dict[str, str]:
    """Return the environment in which Ansible finds itself and the settings of the site."""
    root = task.directory.absolute().parents[1]
    settings = root / "appliance" / "ansible" / "ansible.cfg"
    bin_directory = Path(sys.executable).parent  # ansible-inventory stands beside this Python
    environment = {
        **os.environ,
        "PYTHONPATH": str(root),
        "PYTHONSAFEPATH": "1",  # and not where the operator happens to stand
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # ours alone: another one could skip or repeat
        "PATH": f"{bin_directory}:{os.environ.get('PATH', os.defpath)}",
    }
    if settings.is_file():
        environment.setdefault("ANSIBLE_CONFIG", str(settings))
    return environment


def _wait(process: subprocess.Popen[str], evidence: Path, progress: Progress) -> tuple[str, int]:
    while True:
        try:
            said, _ = process.communicate(timeout=LOOK_EVERY_S)
        except subprocess.TimeoutExpired:
            progress(*_done(evidence))
        else:
            return said, process.returncode


def _done(evidence: Path) -> tuple[int, int]:
    """Return how many checks are in the file, and how many there will be."""
    try:
        head, *lines = evidence.read_bytes().splitlines()
        started = msgspec.json.decode(head, type=_Line).started
    except (OSError, ValueError):
        return 0, 0
    return sum(line.startswith(b'{"check"') for line in lines), started.total if started else 0


def read(evidence: Path) -> Collected:
    """Read what a run wrote; raises Misconfigured when it broke off."""
    try:
        lines = [
            msgspec.json.decode(line, type=_Line) for line in evidence.read_bytes().splitlines()
        ]
    except (OSError, msgspec.DecodeError) as error:
        raise Misconfigured(f"the run left no evidence: {error}") from None
    started = next((line.started for line in lines if line.started), None)
    finished = next((line.finished for line in lines if line.finished), None)
    if started is None or finished is None:
        raise Misconfigured("the run broke off before its end")
    return Collected(
        started_at=started.at,
        finished_at=finished.at,
        tools=started.tools,
        hosts=tuple(line.host for line in lines if line.host),
        checks=tuple(line.check for line in lines if line.check),
        limit=started.limit,
    )
