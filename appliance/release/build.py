"""Builds a release directory on the controller; servers install from it without any index.

    python -m appliance.release.build var/release/0.1.0 --python 3.13

    wheels/            our own wheel and those of the lock, for the servers' Python
    requirements.lock  every one of them with its SHA-256, our own included
    sql/ hsm/          migrations, roles, key inventory
    VERSION SHA256SUMS

The same as one file lies beside it, which is what travels: 0.1.0.tar. Nothing is built here but
our own wheel: a dependency without a wheel for that Python is refused.
The same checkout gives the same bytes.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements-appliance.lock"
PACKAGES = ("rizzpay", "capacity", "appliance")
DATA = ("sql", "hsm")
PYTHONS = ("3.11", "3.13")  # Debian 12 and 13
# What glibc 2.36 of Debian 12 can load; pip wants each tag named.
PLATFORMS = ("manylinux2014_x86_64", *(f"manylinux_2_{n}_x86_64" for n in range(17, 37)))
EPOCH = "1577836800"  # 2020-01-01: the time of every file in our wheel
VERSION_LINE = re.compile(r'^(version|__version__) = "[^"]+"$', re.MULTILINE)


def build(directory: Path, python: str, version: str) -> None:
    """Make the release directory anew; raises CalledProcessError when pip fails."""
    fresh = directory.with_name(f".{directory.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    wheels = fresh / "wheels"
    wheels.mkdir(parents=True)
    own = _own_wheel(wheels, version)
    download(LOCK, wheels, python)
    lock = f"rizzpay=={version} --hash=sha256:{_sha256(own)}\n{LOCK.read_text()}"
    (fresh / "requirements.lock").write_text(lock)
    for name in DATA:
        shutil.copytree(ROOT / name, fresh / name)
    (fresh / "VERSION").write_text(f"{version}\n")
    _sum_up(fresh)
    shutil.rmtree(directory, ignore_errors=True)
    fresh.rename(directory)
    _pack(directory)


def _own_wheel(wheels: Path, version: str) -> Path:
    """Build our wheel from a copy: setuptools leaves its own files in the source."""
    with tempfile.TemporaryDirectory() as place:
        source = Path(place)
        for name in PACKAGES:
            shutil.copytree(
                ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "ansible")
            )
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, source / name)
        for name in ("pyproject.toml", "rizzpay/__init__.py"):
            file = source / name
            file.write_text(VERSION_LINE.sub(rf'\1 = "{version}"', file.read_text(), count=1))
        _pip(
            ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), place],
            {"SOURCE_DATE_EPOCH": EPOCH},
        )
    return next(wheels.glob("rizzpay-*.whl"))


def download(lock: Path, wheels: Path, python: str) -> None:
    """Fetch the wheels of a lock for a Python of the servers, each compared with its hash."""
    platforms = [part for name in PLATFORMS for part in ("--platform", name)]
    _pip(
        [
            *("download", "--require-hashes", "--no-deps", "--only-binary=:all:"),
            *("--implementation", "cp", "--python-version", python, *platforms),
            *("--dest", str(wheels), "--requirement", str(lock)),
        ],
        {},
    )


def _pip(arguments: Sequence[str], environment: dict[str, str]) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments],
        env={**os.environ, **environment},
        check=True,
    )


def _sum_up(directory: Path) -> None:
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    lines = [f"{_sha256(path)}  {path.relative_to(directory)}\n" for path in files]
    (directory / "SHA256SUMS").write_text("".join(lines))


def _pack(directory: Path) -> None:
    """Write the directory as one file, which is what travels to the servers."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = "root"
        entry.mtime = int(EPOCH)
        return entry

    with tarfile.open(directory.with_name(f"{directory.name}.tar"), "w") as archive:
        for path in sorted(path for path in directory.rglob("*") if path.is_file()):
            archive.add(path, str(path.relative_to(directory)), filter=plain)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    """Build what the command line asks for."""
    parser = argparse.ArgumentParser(description="Build a release for servers without a network.")
    parser.add_argument("directory", type=Path, help="made anew")
    parser.add_argument("--python", choices=PYTHONS, default=PYTHONS[-1], help="of the servers")
    parser.add_argument("--version", help="of the release; default: pyproject.toml's")
    chosen = parser.parse_args()
    found = VERSION_LINE.search((ROOT / "pyproject.toml").read_text())
    version = chosen.version or (found[0].split('"')[1] if found else "")
    build(chosen.directory.resolve(), chosen.python, version)


if __name__ == "__main__":
    main()
