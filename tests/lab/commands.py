"""Starts programs for the lab and says what they said when one fails."""

import subprocess
from pathlib import Path
from typing import Any

LEFT_RUNNING: list[subprocess.Popen[Any]] = []


class LabError(Exception):
    """Something of the lab did not do what it should; says which command and what it printed."""


def run(*command: str | Path, **options: Any) -> str:
    """Run a program to its end and return what it printed; raises LabError if it fails."""
    result = attempt(*command, **options)
    if result.returncode != 0:
        said = (result.stderr + result.stdout).strip()[-3000:]
        raise LabError(f"{' '.join(map(str, command))}: exit {result.returncode}\n{said}")
    return result.stdout


def attempt(*command: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, however it ends."""
    options.setdefault("stdin", subprocess.DEVNULL if "input" not in options else None)
    if options["stdin"] is None:
        del options["stdin"]
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, **options
    )


def start(*command: str | Path, **options: Any) -> subprocess.Popen[Any]:
    """Start a program that goes on when we end: a machine, a relay, a cache."""
    process = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL, start_new_session=True, **options,
    )  # fmt: skip
    LEFT_RUNNING.append(process)  # Python warns of one that nobody holds and that still runs
    return process


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that ended and waits to be collected does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
