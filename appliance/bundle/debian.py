"""Debian's packages for servers that reach no mirror, as an apt repository of plain files.

What is needed is decided by apt itself, in a root of its own in which nothing is installed: what
this machine happens to have plays no part. On top come the packages of every Debian system, so that
a server which is older than the bundle can follow where one of them has to be newer.
"""

import hashlib
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

ARCHITECTURE = "amd64"
PYTHON = {"bookworm": "3.11", "trixie": "3.13"}  # of each suite that we support
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
EVERYWHERE = {"required", "important"}  # priorities of what every system has
INSTALLED = re.compile(r"^Inst (\S+) \((\S+) ", re.MULTILINE)  # what a simulation says
# Our own copies of the lists, no sandbox user, no host's settings but how it reaches a mirror.
CONFIGURATION = """\
Dir "{root}";
Dir::State::status "{root}/status";
Dir::Cache::archives "{cache}";
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::GzipIndexes "false";
"""
SOURCES = """\
Types: deb
URIs: {mirror}
Suites: {suite} {suite}-updates
Components: main
Signed-By: {keyring}

Types: deb
URIs: {security_mirror}
Suites: {suite}-security
Components: main
Signed-By: {keyring}
"""


class Unresolved(Exception):
    """apt cannot fetch what was asked for; the text is apt's."""


@dataclass(frozen=True, slots=True)
class Deb:
    """One package: its file, and what the mirror's signed list says about it."""

    file: Path
    stanza: str


class Root:
    """A root of apt in which nothing is installed."""

    def __init__(self, directory: Path, cache: Path, suite: str) -> None:
        """Make it; `cache` keeps downloads for the next time."""
        self._directory = directory
        self._cache = cache
        for part in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "var/lib/apt/lists/partial"):
            (directory / part).mkdir(parents=True)
        (cache / "partial").mkdir(parents=True, exist_ok=True)
        (directory / "status").touch()
        configuration = CONFIGURATION.format(root=directory, cache=cache, architecture=ARCHITECTURE)
        (directory / "apt.conf").write_text(
            _output("apt-config", "dump", "Acquire") + configuration
        )
        sources = SOURCES.format(
            mirror=mirror("Debian"),
            security_mirror=mirror("Debian-Security"),
            suite=suite,
            keyring=KEYRING,
        )
        (directory / "etc/apt/sources.list.d").mkdir()
        (directory / "etc/apt/sources.list.d/debian.sources").write_text(sources)

    def fetch(self, packages: Sequence[str]) -> list[Deb]:
        """Return the packages with all that they depend on, and what every system has."""
        self._apt("update", "-qq")
        stanzas = dict(self._stanzas())
        everywhere = [
            field(stanza, "Package")
            for stanza in stanzas.values()
            if field(stanza, "Priority") in EVERYWHERE
        ]
        found = set()
        for wanted in (sorted(packages), sorted(set(everywhere))):
            found |= set(INSTALLED.findall(self._apt("install", "--simulate", *wanted)))
            self._apt("install", "-qq", "--yes", "--download-only", *wanted)
        return [self._checked(stanzas[one]) for one in sorted(found)]

    def _stanzas(self) -> Iterator[tuple[tuple[str, str], str]]:
        """Yield name, version and stanza of every package that the mirror has."""
        for lists in sorted((self._directory / "var/lib/apt/lists").glob("*_Packages")):
            for stanza in lists.read_text().split("\n\n"):
                if stanza.strip():
                    yield (field(stanza, "Package"), field(stanza, "Version")), stanza.strip()

    def _checked(self, stanza: str) -> Deb:
        """Return a package whose file is what the signed list says."""
        version = field(stanza, "Version").replace(":", "%3a")
        name = f"{field(stanza, 'Package')}_{version}_{field(stanza, 'Architecture')}.deb"
        file = self._cache / name
        if hashlib.sha256(file.read_bytes()).hexdigest() != field(stanza, "SHA256"):
            raise Unresolved(f"{file.name} is not what the mirror's list says")
        return Deb(file, stanza)

    def _apt(self, *arguments: str) -> str:
        environment = {**os.environ, "APT_CONFIG": str(self._directory / "apt.conf"), "LC_ALL": "C"}
        done = subprocess.run(
            ["apt-get", *arguments], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise Unresolved(f"apt-get {arguments[0]}: {done.stderr.strip()}")
        return done.stdout


def field(stanza: str, name: str) -> str:
    """Return a field of one line; "" when there is none."""
    found = re.search(rf"^{name}: (.*)$", stanza, re.MULTILINE)
    return found[1] if found else ""


def write_repository(debs: Sequence[Deb], directory: Path, suite: str, made: datetime) -> None:
    """Make `directory` a repository of these packages that apt reads by its path."""
    directory.mkdir(parents=True)
    index = []
    for deb in debs:
        name = deb.file.name.replace("%3a", "~")  # apt would decode it and not find the file
        os.link(deb.file, directory / name)
        index.append(
            re.sub(r"^Filename: .*$", f"Filename: ./{name}", deb.stanza, flags=re.MULTILINE)
        )
    packages = ("\n\n".join(index) + "\n").encode()
    (directory / "Packages").write_bytes(packages)
    release = {
        "Origin": "RizzPay",
        "Label": "RizzPay",
        "Suite": suite,
        "Codename": suite,
        "Date": format_datetime(made.astimezone(UTC)),
        "Architectures": ARCHITECTURE,
        "SHA256": f"\n {hashlib.sha256(packages).hexdigest()} {len(packages)} Packages",
    }
    text = "".join(f"{name}: {value}\n" for name, value in release.items())
    (directory / "Release").write_text(text)


def mirror(label: str) -> str:
    """Return the address at which this machine itself finds a part of Debian."""
    said = _output("apt-get", "indextargets", "--format", "$(REPO_URI)", f"Label: {label}")
    if not said.strip():
        raise Unresolved(f"apt knows no mirror of {label} yet: run apt-get update")
    return said.split()[0]


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
