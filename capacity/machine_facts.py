"""A few facts about this machine that stand beside every measurement; `probe` says it all."""

import os
import platform
from pathlib import Path
from typing import Any

from capacity import processes


def facts() -> dict[str, Any]:
    """Return processor, cores, memory, kernel and load."""
    model = ""
    for line in _lines(Path("/proc/cpuinfo")):
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = next(
        (int(line.split()[1]) for line in _lines(Path("/proc/meminfo")) if "MemTotal" in line), 0
    )
    return {
        "model": model,
        "cores": processes.cores(),
        "memory_gib": round(memory / 1024**2, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average": [round(one, 2) for one in os.getloadavg()],
    }


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
