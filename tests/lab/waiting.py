"""Waits for a condition of another machine, with a limit and a name."""

import time
from collections.abc import Callable

from tests.lab.commands import LabError

STEP_S = 0.05


def wait_until(
    condition: Callable[[], bool], what: str, *, timeout_s: float, step_s: float = STEP_S
) -> float:
    """Return after how many seconds the condition held; raises LabError at the limit."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > timeout_s:
            raise LabError(f"waited {timeout_s:g} s for {what}")
        time.sleep(step_s)
    return time.monotonic() - started
