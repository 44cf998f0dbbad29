"""Collects a bundle from a checkout, the lock files and the mirror of Debian of this machine.

The same commit, the same locks and the same state of the mirror give the same bytes.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from appliance.bundle import archive, debian, keys, packages, sbom
from appliance.release import build as release

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "var" / "bundle"
# What the controller runs; its tree is that of the checkout, because the roles refer to each other.
TREES = ("appliance/ansible", "appliance/haproxy", "appliance/systemd", "tests/compliance", "sql")
PAGES = ("docs", "LICENSE", "README.md")
CONTROLLER_LOCK = ROOT / "requirements-controller.lock"
INSTALLER = ("__init__", "__main__", "archive", "install", "keys")  # needs no build, so no packages
SUITE_RELEASE = {"bookworm": "12", "trixie": "13"}
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip file knows


@dataclass(frozen=True, slots=True)
class Built:
    """What a build has made."""

    file: Path
    installer: Path
    sha256: str
    manifest: archive.Manifest


def build(file: Path, key: Path, suite: str) -> Built:
    """Write the bundle and, beside it, the program that verifies and installs it."""
    signing = keys.read_private(key)
    made = datetime.fromtimestamp(int(_epoch()), UTC)
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        staged = Path(scratch, "staged")
        version = _version()
        _copy_checkout(staged)
        wheels = _add_wheels(Path(scratch), staged, suite, version)
        debs = _add_debs(Path(scratch), staged, suite, made)
        (staged / "sbom").mkdir()
        bill = sbom.document(version, suite, made, wheels, debs)
        (staged / "sbom" / "rizzpay.cdx.json").write_text(bill)
        about = {
            "architecture": debian.ARCHITECTURE,
            "commit": _git("rev-parse", "HEAD"),
            "debian_packages": str(len(debs)),
            "made": made.isoformat(),
            "python": debian.PYTHON[suite],
            "python_packages": str(len(wheels)),
            "suite": suite,
            "version": version,
        }
        manifest = archive.write(file, staged, about, signing)
    installer = file.with_suffix(".pyz")
    _write_installer(installer)
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return Built(file, installer, digest, manifest)


def _copy_checkout(staged: Path) -> None:
    """Copy what git knows: an inventory with secrets that lies about is not part of it."""
    for name in _git("ls-files", "-z", *TREES, *PAGES).split("\0"):
        if name and not (ROOT / name).is_symlink():
            (staged / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, staged / name)


def _add_wheels(scratch: Path, staged: Path, suite: str, version: str) -> list[Path]:
    """Add the release for the servers and, for the controller, what the release does not hold."""
    python = debian.PYTHON[suite]
    release.build(scratch / version, python, version)
    (staged / "release").mkdir()
    shutil.copyfile(scratch / f"{version}.tar", staged / "release" / f"{version}.tar")
    of_servers = sorted((scratch / version / "wheels").glob("*.whl"))
    wheels = staged / "controller" / "wheels"
    wheels.mkdir(parents=True)
    release.download(CONTROLLER_LOCK, wheels, python)
    for wheel in of_servers:
        (wheels / wheel.name).unlink(missing_ok=True)
    own = next(wheel for wheel in of_servers if wheel.name.startswith("rizzpay-"))
    digest = hashlib.sha256(own.read_bytes()).hexdigest()
    lock = f"rizzpay=={version} --hash=sha256:{digest}\n{CONTROLLER_LOCK.read_text()}"
    (staged / "controller" / "requirements.lock").write_text(lock)
    return of_servers + sorted(wheels.glob("*.whl"))


def _add_debs(scratch: Path, staged: Path, suite: str, made: datetime) -> list[debian.Deb]:
    facts = {
        "distribution": "Debian",
        "distribution_release": suite,
        "distribution_major_version": SUITE_RELEASE[suite],
        "architecture": "x86_64",
    }
    wanted = packages.wanted(ROOT / "appliance" / "ansible" / "roles", facts)
    root = debian.Root(scratch / "root", CACHE / suite, suite)
    debs = root.fetch(wanted)
    debian.write_repository(debs, staged / "debs", suite, made)
    return debs


def _write_installer(file: Path) -> None:
    """Write the part of us that needs no build as one file, which Python starts."""
    new = file.with_name(f"{file.name}.new")
    with zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in _installer():
            out.writestr(zipfile.ZipInfo(name, LONG_AGO), content)
    new.replace(file)


def _installer() -> Iterator[tuple[str, str]]:
    yield "__main__.py", "from appliance.bundle.__main__ import main\n\nmain()\n"
    yield "appliance/__init__.py", (ROOT / "appliance" / "__init__.py").read_text()
    for name in INSTALLER:
        source = ROOT / "appliance" / "bundle" / f"{name}.py"
        yield f"appliance/bundle/{name}.py", source.read_text()


def _version() -> str:
    found = release.VERSION_LINE.search((ROOT / "pyproject.toml").read_text())
    if found is None:
        raise ValueError("pyproject.toml has no version")
    return found[0].split('"')[1]


def _epoch() -> str:
    """Return the time that everything in the bundle has: the commit's, if nobody says another."""
    return os.environ.get("SOURCE_DATE_EPOCH") or _git("log", "-1", "--format=%ct")


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
