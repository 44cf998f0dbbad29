"""A copy of the service that every user may run, for a clone that lies where only root may go."""

import importlib.metadata
import re
import shutil
import subprocess
import sys
from pathlib import Path

from appliance.embedded.layout import ROOT

SYSTEM_PYTHON = Path("/usr/bin/python3")
PARTS = ("appliance", "hsm", "rizzpay", "sql")  # what an appliance consists of
PINNED = re.compile(r"^([\w.-]+)==", re.MULTILINE)


def system_python() -> Path | None:
    """Return the system's Python if it has our version: others may need other packages."""
    if not SYSTEM_PYTHON.exists():
        return None
    code = "import sys, venv; print(*sys.version_info[:3])"
    said = subprocess.run([SYSTEM_PYTHON, "-c", code], capture_output=True, text=True, check=False)
    same = said.stdout.split() == [str(part) for part in sys.version_info[:3]]
    return SYSTEM_PYTHON.resolve() if same else None


def copy(python: Path, place: Path) -> Path:
    """Copy the clone and what it is locked to into `place`; return the Python to run it with."""
    subprocess.run([python, "-m", "venv", "--without-pip", place / "venv"], check=True)
    (packages,) = (place / "venv" / "lib").glob("python*/site-packages")
    for name in PINNED.findall((ROOT / "requirements.lock").read_text()):
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # of another system
        for file in distribution.files or []:
            source = Path(str(distribution.locate_file(file)))
            if ".." not in file.parts and source.is_file():
                (packages / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, packages / file)
    for part in PARTS:
        shutil.copytree(ROOT / part, place / "clone" / part)
    (packages / "clone.pth").write_text(f"{place / 'clone'}\n")
    return place / "venv" / "bin" / "python"
