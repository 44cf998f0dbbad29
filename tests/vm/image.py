"""The system that the virtual machine starts: Debian with its cloud kernel, made once and kept.

It is what an operator finds on a new server: ifupdown has the first network card, nothing of ours
is there. Only the roles' packages are put in already, because the machine has no way to a mirror.
"""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml

from appliance.embedded.layout import ROOT

SUITE = "trixie"
ROLES = ("network_bond", "raid10")
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "udev",
    "kmod",
    "python3",
    "python3-apt",
    "openssh-server",
    "ifupdown",
    "iproute2",
    "iputils-ping",
    "initramfs-tools",
    "linux-image-cloud-amd64",
)
DISK_SIZE = "3G"  # sparse; what is written to it while the machine runs is thrown away
INTERFACES = """\
auto lo
iface lo inet loopback

auto eth0
iface eth0 inet static
    address 198.51.100.10/24
"""
KEPT = ROOT / "var" / "vm"


@dataclass(frozen=True)
class Image:
    """What QEMU starts."""

    kernel: Path
    initrd: Path
    disk: Path


def image() -> Image:
    """Return the system, made when it is not there yet: a minute and a half, as root."""
    if not (KEPT / "disk").exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=KEPT) as scratch:
            _make(Path(scratch))
    return Image(KEPT / "kernel", KEPT / "initrd", KEPT / "disk")


def _make(scratch: Path) -> None:
    root = scratch / "root"
    include = ",".join((*PACKAGES, *_packages_of_the_roles()))
    _run("debootstrap", "--variant=minbase", f"--include={include}", SUITE, root, _mirror())
    (root / "etc/hostname").write_text("box\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost box\n")
    (root / "etc/network/interfaces").write_text(INTERFACES)
    (root / "etc/machine-id").write_text("")
    (root / "etc/fstab").write_text("")
    shutil.rmtree(root / "var/cache/apt/archives")
    (boot,) = {path.name.removeprefix("vmlinuz-") for path in (root / "boot").glob("vmlinuz-*")}
    shutil.copy(root / f"boot/vmlinuz-{boot}", scratch / "kernel")
    shutil.copy(root / f"boot/initrd.img-{boot}", scratch / "initrd")
    _run("mke2fs", "-q", "-t", "ext4", "-d", root, scratch / "disk", DISK_SIZE)
    for name in ("kernel", "initrd", "disk"):  # the disk last: it says that all are there
        (scratch / name).rename(KEPT / name)


def _packages_of_the_roles() -> list[str]:
    found = []
    for role in ROLES:
        defaults = ROOT / "appliance" / "ansible" / "roles" / role / "defaults" / "main.yml"
        found += yaml.safe_load(defaults.read_text()).get(f"{role}_packages", [])
    return found


def _mirror() -> str:
    """Return the mirror of Debian that this machine itself uses."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Label: Debian"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    if not said:
        raise RuntimeError("apt knows no mirror of Debian yet: run apt-get update")
    return said[0]


def _run(*command: object) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run([str(part) for part in command], env=environment, check=True)
