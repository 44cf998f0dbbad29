"""A copy of the service that every user may run, for a clone that lies where only root may go."""

import importlib.metadata
import re
import shutil
import subprocess
import sys
from pathlib import Path

from appliance.embedded.layout import ROOT

PARTS = ("appliance", "hsm", "rizzpay", "sql")  # what an appliance consists of
UNUSED = shutil.ignore_patterns("test", "site-packages", "dist-packages", "__pycache__")
PINNED = re.compile(r"^([\w.-]+)==", re.MULTILINE)


def copied_python(place: Path) -> Path:
    """Copy our Python with its standard library; it finds that beside itself."""
    base = Path(sys.base_prefix)
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (place / "bin").mkdir(parents=True)
    shutil.copy2((base / "bin" / name).resolve(), place / "bin" / name)
    shutil.copytree(base / "lib" / name, place / "lib" / name, ignore=UNUSED)
    for library in (base / "lib").glob("libpython*.so*"):  # of a build that shares it
        shutil.copy2(library, place / "lib" / library.name)
    return place / "bin" / name


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
