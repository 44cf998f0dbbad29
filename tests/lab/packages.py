"""A cache of Debian's packages that the machines of all labs share.

One process, apt-cacher-ng, on a port of the loopback that is its own; it fetches from the archives
that the machines' apt sources name. `tests.lab.relay` listens at a lab's switch and passes on to
it, so that machines without any other way out install packages as if they had a mirror. It runs
while a lab uses it.
"""

import fcntl
import shutil
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.commands import LabError, is_alive, start
from tests.lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

PORT = 3142  # at the switch, as apt-cacher-ng has it everywhere


class PackageCache:
    """The cache in a directory; `users` are the labs that it runs for."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._pid = directory / "pid"
        self._port = directory / "port"
        self._users = directory / "users"

    def start(self, user: str) -> int:
        """Run it for a lab, and return its port; it may run already for others."""
        self._users.mkdir(parents=True, exist_ok=True)
        with self._alone():
            (self._users / user).touch()
            if not self._runs():
                self._launch()
            port = int(self._port.read_text())
            wait_until(lambda: _listens(port), "the package cache to listen", timeout_s=20)
            return port

    def stop(self, user: str) -> None:
        """A lab needs it no more; stops it after the last one."""
        if not self._users.exists():
            return
        with self._alone():
            (self._users / user).unlink(missing_ok=True)
            if not any(self._users.iterdir()) and self._runs():
                pid = int(self._pid.read_text())
                subprocess.run(["kill", str(pid)], check=False)
                wait_until(lambda: not is_alive(pid), "the package cache to end", timeout_s=20)

    def _runs(self) -> bool:
        if not self._pid.exists() or not is_alive(int(self._pid.read_text())):
            return False
        command = Path(f"/proc/{self._pid.read_text().strip()}/cmdline").read_text()
        return command.startswith("apt-cacher-ng\0")

    def _launch(self) -> None:
        if shutil.which("apt-cacher-ng") is None:
            raise LabError("apt-cacher-ng is not installed")
        for name in ("settings", "cache", "log"):
            (self.directory / name).mkdir(exist_ok=True)
        # It knows no port above 32767, so the kernel's own choice would not do.
        port = next(port for port in range(PORT, PORT + 100) if not _listens(port))
        self._port.write_text(f"{port}\n")
        (self.directory / "settings/acng.conf").write_text(
            f"CacheDir: {self.directory}/cache\nLogDir: {self.directory}/log\n"
            f"SupportDir: /usr/lib/apt-cacher-ng\nBindAddress: 127.0.0.1\nPort: {port}\n"
            f"SocketPath: {self.directory}/socket\nForeGround: 1\nExThreshold: 30\n"
        )
        with (self.directory / "out").open("w") as out:
            process = start(
                "apt-cacher-ng", "-c", self.directory / "settings", stdout=out, stderr=out
            )
        self._pid.write_text(f"{process.pid}\n")

    @contextmanager
    def _alone(self) -> "Iterator[None]":
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
