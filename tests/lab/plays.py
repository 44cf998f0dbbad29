"""Runs site.yml on a lab, to its end or as far as somebody lets it come."""

import os
import re
import signal
import subprocess
from pathlib import Path

from tests.lab.lab import ROOT, Lab
from tests.lab.waiting import wait_until

LOGS = ROOT / "var" / "lab"
PLAYBOOK = "site.yml"
RECAP = re.compile(
    r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE
)
TASK = re.compile(r"^(?:TASK|RUNNING HANDLER) \[(.*?)\] ", re.MULTILINE)
REACH_S_MAX = 1800.0


def play(lab: Lab, log: str, *arguments: str) -> dict[str, int]:
    """Run site.yml; return how much it changed, by machine, or fail with the end of its log."""
    file = _log(log)
    with file.open("w") as out:
        done = subprocess.run(
            lab.playbook(PLAYBOOK, *arguments), stdout=out, stderr=out, check=False,
            stdin=subprocess.DEVNULL, **lab.controller(),
        )  # fmt: skip
    said = file.read_text()
    assert done.returncode == 0, said[-4000:]
    return {host: int(changed) for host, _, changed, *_ in RECAP.findall(said)}


def play_and_kill(lab: Lab, log: str, tasks: int) -> str | None:
    """Run site.yml until it has begun so many tasks, and kill it there, in the middle of one.

    Returns the task; None when the playbook came to its end before. Fails when it failed.
    """
    file = _log(log)
    with file.open("w") as out:
        playing = subprocess.Popen(
            lab.playbook(PLAYBOOK), stdout=out, stderr=out, stdin=subprocess.DEVNULL,
            start_new_session=True, **lab.controller(),
        )  # fmt: skip

    def begun() -> list[str]:
        return TASK.findall(file.read_text())

    try:
        wait_until(
            lambda: playing.poll() is not None or len(begun()) >= tasks,
            f"task {tasks}", timeout_s=REACH_S_MAX, step_s=0.1,
        )  # fmt: skip
        if playing.poll() is not None:
            assert playing.returncode == 0, file.read_text()[-4000:]
            return None
        return begun()[-1]
    finally:
        if playing.poll() is None:
            os.killpg(playing.pid, signal.SIGKILL)
            playing.wait()


def _log(name: str) -> Path:
    LOGS.mkdir(parents=True, exist_ok=True)
    return LOGS / f"{name}.log"
