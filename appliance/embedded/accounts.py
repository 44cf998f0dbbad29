"""The accounts that PostgreSQL and HAProxy run under when we are root: neither should be.

PostgreSQL refuses root. The clone, and with it the programs of the wheel and the data, may lie
below a directory that only root may enter (/root). Then the process gets one capability: to
search and read directories. Nothing is done when we are an ordinary user.
"""

import os
import pwd
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rizzpay.core.errors import Misconfigured

# In order of preference; the second can more, and is all that a common container leaves to root.
SEARCH_CAPABILITIES = {"dac_read_search": 2, "dac_override": 1}  # numbers: linux/capability.h


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a program runs as. `capability` lets it pass directories that are closed to it."""

    name: str
    uid: int
    gid: int
    capability: str = ""

    def arguments(self) -> list[str]:
        """Return what setpriv(1) has to be told."""
        found = [f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups"]
        if self.capability:
            # access(2) counts capabilities of an ordinary user only with no_setuid_fixup, and
            # PostgreSQL looks for its own programs with it.
            found += [
                "--securebits=+no_setuid_fixup",
                f"--inh-caps=-all,+{self.capability}",
                f"--ambient-caps=-all,+{self.capability}",
            ]
        return found


def unprivileged(names: Sequence[str], paths: Iterable[Path], owner_of: Path) -> Account | None:
    """Return the account to run a program under, or None when we are not root.

    It is the owner of `owner_of` if that exists, else the first of `names` on this system. The
    account is able to reach every one of `paths`.
    """
    if os.geteuid() != 0:
        return None
    entry = _existing(names, owner_of)
    plain = Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    if all(reaches(plain, path) for path in paths):
        return plain
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, _capability())


def reaches(account: Account, path: Path) -> bool:
    """Tell whether the account may enter every directory above `path`, as far as they exist."""
    return all(_may_enter(account, parent) for parent in path.resolve().parents)


def _may_enter(account: Account, directory: Path) -> bool:
    try:
        found = directory.stat()
    except FileNotFoundError:
        return True
    if found.st_uid == account.uid:
        return bool(found.st_mode & 0o100)
    if found.st_gid == account.gid:
        return bool(found.st_mode & 0o010)
    return bool(found.st_mode & 0o001)


def _existing(names: Sequence[str], owner_of: Path) -> pwd.struct_passwd:
    if owner_of.exists() and owner_of.stat().st_uid != 0:
        return pwd.getpwuid(owner_of.stat().st_uid)
    for name in names:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Misconfigured(f"this system has none of the users {', '.join(names)}; make one of them")


def _capability() -> str:
    """Return a capability that we may hand on."""
    bounding = next(
        int(line.split()[1], 16)
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("CapBnd:")
    )
    for name, number in SEARCH_CAPABILITIES.items():
        if bounding >> number & 1:
            return name
    raise Misconfigured(
        "PostgreSQL cannot reach its files below a directory that only root may enter; "
        "put the clone elsewhere, or name a place with --data"
    )
