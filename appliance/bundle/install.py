"""Makes a controller of this machine, from a bundle and without any network.

Afterwards DIRECTORY holds the playbooks, an environment with Ansible, and what the servers get; the
inventory says so. It needs Debian's python3 and python3-cryptography, and no right but to write
there. A second run finds everything done; one that was interrupted is continued.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from appliance.bundle import archive
from appliance.bundle.archive import Manifest, Refused

VARIABLES = "group_vars/all/offline.yml"  # read after main.yml, so it wins
REPOSITORY = "debs.tar"


@dataclass(frozen=True, slots=True)
class Installed:
    """Where everything is."""

    directory: Path
    ansible: Path
    variables: Path | None


def install(
    file: Path, key: Ed25519PublicKey, into: Path, inventory: Path | None, like: str
) -> Installed:
    """Install the bundle below `into` and tell `inventory` of it; raises Refused.

    An inventory that is not there yet begins as a copy of the one that is named `like`.
    """
    manifest = archive.verify(file, key)
    about = manifest.about
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    if about["python"] != ours:
        raise Refused(
            f"it is for Debian {about['suite']} with Python {about['python']}, also on the"
            f" controller; this machine has Python {ours}"
        )
    directory = into / f"rizzpay-{about['version']}-{about['suite']}"
    if _is_unpacked(directory, manifest):
        print(f"{directory} holds this bundle already")
    else:
        archive.unpack(file, key, directory)
    _pack_repository(directory)
    _make_environment(directory, about["version"])
    variables = None
    if inventory:
        _begin(inventory, directory, like)
        variables = _tell(inventory, directory, manifest)
    return Installed(directory, directory / "environment" / "bin", variables)


def _is_unpacked(directory: Path, manifest: Manifest) -> bool:
    """Tell whether a directory holds these files, each of them unchanged."""
    if not directory.exists():
        return False
    for entry in manifest.files:
        path = directory / entry.path
        if not path.is_file() or archive.entry_of(path, directory) != entry:
            raise Refused(
                f"{directory} is there, but its {entry.path} is not this bundle's; move it away"
            )
    return True


def _pack_repository(directory: Path) -> None:
    """Pack the packages for the servers: one file is copied faster than hundreds."""
    file = directory / REPOSITORY
    if file.exists():
        return
    new = file.with_suffix(".new")
    with tarfile.open(new, "w") as tar:
        for path in sorted((directory / "debs").iterdir()):
            tar.add(path, path.name, filter=_plain)
    new.replace(file)


def _make_environment(directory: Path, version: str) -> None:
    """Make Ansible's environment; pip comes out of the bundle, because Debian ships it apart."""
    environment, done = directory / "environment", directory / "environment" / "complete"
    if done.exists():
        return
    wheels = directory / "controller" / "wheels"
    with tarfile.open(directory / "release" / f"{version}.tar") as tar:
        for member in tar:
            if member.name.startswith("wheels/") and member.isreg():
                member.name = Path(member.name).name
                tar.extract(member, wheels, filter="data")
    subprocess.run(
        [sys.executable, "-m", "venv", "--clear", "--without-pip", environment], check=True
    )
    (pip,) = wheels.glob("pip-*.whl")
    options = ["--no-index", "--require-hashes", "--only-binary=:all:", "--no-cache-dir"]
    lock = directory / "controller" / "requirements.lock"
    command = [str(environment / "bin" / "python"), "-m", "pip", "--quiet", "install", *options]
    subprocess.run(
        [*command, "--find-links", str(wheels), "--requirement", str(lock)],
        env={**os.environ, "PYTHONPATH": str(pip), "PIP_CONFIG_FILE": os.devnull},
        check=True,
    )
    done.touch()


def _begin(inventory: Path, directory: Path, like: str) -> None:
    if (inventory / "hosts.yml").exists():
        return
    shutil.copytree(
        directory / "appliance" / "ansible" / "inventories" / like, inventory, dirs_exist_ok=True
    )
    print(f"{inventory} is a copy of the inventory {like}: write your servers into it")


def _tell(inventory: Path, directory: Path, manifest: Manifest) -> Path:
    """Write what the playbook has to know to the inventory, and return where."""
    (packages,) = (entry for entry in manifest.files if entry.path == "debs/Packages")
    version = manifest.about["version"]
    values = {
        "rizzpay_release": version,
        "rizzpay_release_dir": str(directory / "release" / version),
        "rizzpay_bundle_repository": str(directory / REPOSITORY),
        "rizzpay_bundle_id": packages.sha256[:16],
    }
    file = inventory / VARIABLES
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{name}: {json.dumps(value)}\n" for name, value in values.items()]
    file.write_text("---\n# Written by the bundle's installation; a change here is lost.\n")
    with file.open("a") as out:
        out.writelines(lines)
    return file


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mode = 0o644
    return member
