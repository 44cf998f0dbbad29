"""The root file system that every machine starts from, made once and kept.

`bare` is what a bank's server has after Debian's installation: an init, ssh, Python. `filled` also
has the packages that the roles install, with their services switched off, so that a run of the
playbook takes seconds instead of minutes; it proves nothing about installing them.
"""

import fcntl
import hashlib
import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.commands import LabError, run

if TYPE_CHECKING:
    from collections.abc import Iterator

SUITE = "trixie"
RECIPE = 2  # another one makes new roots: for changes of how they are made
SOURCES = Path("/etc/apt")
ARCHIVE = re.compile(r"^(?:URIs:|deb(?: \[.*?\])?)\s+(https?://\S+)", re.MULTILINE)
BARE = (
    "systemd systemd-sysv dbus python3 iproute2 openssh-server sudo ca-certificates procps "
    "iputils-ping kmod"
)
# What the roles install, in their own words; one that is missing here only costs time.
PACKAGES = (
    "acl auditd chrony curl etcd-client etcd-server haproxy keepalived libfaketime "
    "libpam-pwquality logrotate nftables openssl patroni pgbackrest postgresql-17 prometheus "
    "prometheus-alertmanager prometheus-node-exporter prometheus-postgres-exporter python3-apt "
    "python3-cryptography python3-etcd python3-psycopg2 python3-venv rsyslog rsyslog-openssl "
    "softhsm2 sudo valkey-sentinel valkey-server valkey-tools"
)
SERVICES = (
    "audit-rules auditd chrony etcd haproxy keepalived patroni postgresql prometheus "
    "prometheus-alertmanager prometheus-node-exporter prometheus-postgres-exporter rsyslog "
    "valkey-sentinel valkey-server"
)


def root(store: Path, *, filled: bool, suite: str = SUITE) -> Path:
    """Return the directory of a root file system, after making it if nobody has."""
    recipe = f"{RECIPE} {suite} {BARE} {PACKAGES} {SERVICES}"
    stamp = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    bare = store / f"{suite}-bare-{stamp}"
    with _alone(store):
        if not bare.exists():
            _make(bare, suite)
        if not filled:
            return bare
        full = store / f"{suite}-filled-{stamp}"
        if not full.exists():
            _fill(bare, full)
        return full


def sources(suite: str) -> str:
    """Return apt's sources of a suite, at the archives that this machine itself installs from."""
    lists = [SOURCES / "sources.list", *sorted((SOURCES / "sources.list.d").glob("*"))]
    found = {}
    for path in lists:
        text = path.read_text() if path.is_file() else ""
        for address in re.findall(
            r"^(?:URIs:|deb(?: \[.*?\])?)\s+(https?://\S+)", text, re.MULTILINE
        ):
            found.setdefault(address.rstrip("/").rpartition("/")[2], address.rstrip("/"))
    if "debian" not in found:
        raise LabError(f"no archive of Debian among the sources in {SOURCES}")
    lines = [f"deb {found['debian']} {suite} main", f"deb {found['debian']} {suite}-updates main"]
    if "debian-security" in found:
        lines.append(f"deb {found['debian-security']} {suite}-security main")
    return "\n".join(lines) + "\n"


def _make(directory: Path, suite: str) -> None:
    unfinished = _empty(directory)
    archive = sources(suite).split()[1]
    names = BARE.replace(" ", ",")
    run("debootstrap", "--variant=minbase", f"--include={names}", suite, unfinished, archive)
    (unfinished / "etc/apt/sources.list").write_text(sources(suite))
    for service in ("console-getty.service", "systemd-firstboot.service"):
        (unfinished / "etc/systemd/system" / service).symlink_to("/dev/null")
    for key in (unfinished / "etc/ssh").glob("ssh_host_*"):
        key.unlink()  # every machine makes its own
    (unfinished / "etc/machine-id").write_text("")
    (unfinished / "var/lib/dbus/machine-id").unlink(missing_ok=True)
    _in(unfinished, "useradd", "--create-home", "--shell", "/bin/bash", "admin")
    rule = unfinished / "etc/sudoers.d/admin"
    rule.write_text("admin ALL=(ALL:ALL) NOPASSWD: ALL\n")
    rule.chmod(0o440)
    _in(unfinished, "systemctl", "enable", "systemd-networkd", "ssh")
    with _installing(unfinished):
        _in(unfinished, "apt-get", "upgrade", "-qy")  # as every server before it is given a task
    shutil.rmtree(unfinished / "var/lib/apt/lists")
    unfinished.rename(directory)


def _fill(bare: Path, directory: Path) -> None:
    unfinished = _empty(directory)
    run("cp", "-a", "--reflink=auto", f"{bare}/.", unfinished)
    with _installing(unfinished):
        install = ("apt-get", "install", "-qy", "--no-install-recommends")
        _in(unfinished, *install, *PACKAGES.split())
        _in(unfinished, "systemctl", "disable", *SERVICES.split())
        _in(unfinished, "pg_dropcluster", "17", "main")
    unfinished.rename(directory)


@contextmanager
def _installing(directory: Path) -> "Iterator[None]":
    """Let packages be installed in a root, without any of their services being started."""
    no_start = directory / "usr/sbin/policy-rc.d"
    no_start.write_text("#!/bin/sh\nexit 101\n")
    no_start.chmod(0o755)
    shutil.copy("/etc/resolv.conf", directory / "etc/resolv.conf")
    _in(directory, "apt-get", "update", "-q")
    yield
    _in(directory, "apt-get", "clean")
    no_start.unlink()
    (directory / "etc/resolv.conf").unlink()


def _in(directory: Path, *command: str) -> str:
    """Run a program inside a root, with /proc and /dev, in the network of this machine."""
    nspawn = ("systemd-nspawn", "-q", "--register=no", "--keep-unit", "--resolv-conf=off",
              "--timezone=off", "--link-journal=no", "--pipe")  # fmt: skip
    settings = ("--setenv=DEBIAN_FRONTEND=noninteractive", "--setenv=LC_ALL=C.UTF-8")
    return run(*nspawn, *settings, "-D", directory, *command)


def _empty(directory: Path) -> Path:
    unfinished = directory.with_suffix(".unfinished")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    unfinished.mkdir(parents=True)
    return unfinished


@contextmanager
def _alone(store: Path) -> "Iterator[None]":
    store.mkdir(parents=True, exist_ok=True)
    with (store / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
