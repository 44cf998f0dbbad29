"""A machine of the lab: a Debian system with its own init, addresses and disk.

A system container: its processes are children of an init of its own, its files a layer over a root
that all machines share, its data on a disk in a file. It can lose its power, its cable and the
space on its disk. It shares the kernel with this machine, so it cannot lose what the kernel has not
written, set the clock, or load a module.
"""

import shlex
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from os import kill
from pathlib import Path

from tests.lab.commands import LabError, attempt, is_alive, run, start
from tests.lab.network import CONTROLLER, INTERFACE, PREFIX, Network
from tests.lab.packages import PORT
from tests.lab.waiting import wait_until

USER = "admin"
DATA = "var/lib/postgresql"  # the mount point of the data disk
DISK_BYTES = 3 * 1024**3  # a cluster, its log and room for the drills; sparse
BOOT_S_MAX = 60
CGROUPS = Path("/sys/fs/cgroup")
# Without a control group of its own, all machines' init would share one, and end each other's
# services by name.
INTO_GROUPS = 'for group in $GROUPS_OF_ITS_OWN; do echo $$ >"$group/cgroup.procs"; done; exec "$@"'
# A machine comes before this computer's other work: a server shares its cores with nobody.
WEIGHTS = {"cpu.shares": 1024 * 16, "cpu.weight": 100 * 16}  # sixteen times the usual
POWER_OFF = signal.SIGRTMIN + 4  # what systemd takes for "power off"


@dataclass(frozen=True)
class Machine:
    """A machine, by its name in the inventory; its files are below `directory`."""

    name: str
    address: str
    directory: Path
    network: Network

    @property
    def root(self) -> Path:
        """Where its root file system is mounted."""
        return self.directory / "root"

    @property
    def console(self) -> Path:
        """What its init printed."""
        return self.directory / "console.log"

    def make(self, base: Path, hosts: dict[str, str], public_key: str) -> None:
        """Lay out its files and its disk; `hosts` are the names that it can resolve."""
        for name in ("upper", "work", "root"):
            (self.directory / name).mkdir(parents=True)
        layers = f"lowerdir={base},upperdir={self.directory}/upper,workdir={self.directory}/work"
        run("mount", "-t", "overlay", self.network.namespace_of(self.name),
            "-o", f"{layers},volatile", self.root)  # fmt: skip
        self._write("etc/hostname", f"{self.name}\n")
        lines = [f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n"]
        lines += [f"{address} {name}\n" for name, address in hosts.items() if name != self.name]
        self._write("etc/hosts", "".join(lines))
        self._write("etc/systemd/network/10-lab.network",
                    f"[Match]\nName={INTERFACE}\n\n[Network]\nAddress={self.address}/{PREFIX}\n"
                    f"Gateway={CONTROLLER}\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n")  # fmt: skip
        proxy = f'Acquire::http::Proxy "http://{CONTROLLER}:{PORT}";\n'
        self._write("etc/apt/apt.conf.d/00lab-proxy", proxy)
        run("ssh-keygen", "-q", "-A", "-f", self.root)
        self._write(f"home/{USER}/.ssh/authorized_keys", public_key)
        owner = (self.root / "home" / USER).stat()
        ssh = self.root / "home" / USER / ".ssh"
        run("chown", "-R", f"{owner.st_uid}:{owner.st_gid}", ssh)
        run("chmod", "-R", "go=", ssh)
        self._make_disk()

    def boot(self) -> None:
        """Switch it on, and return when it answers to ssh."""
        if self.is_on:
            raise LabError(f"{self.name} is on")
        self.network.unplug(self.name)
        self.network.plug(self.name)
        for group in self._groups():
            group.mkdir(exist_ok=True)
            for name, weight in WEIGHTS.items():
                if (group / name).exists():
                    (group / name).write_text(f"{weight}\n")
        with self.console.open("a") as console:
            process = start(
                *("sh", "-c", INTO_GROUPS, "sh", *self._command()),
                stdout=console,
                stderr=console,
                env={
                    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                    "GROUPS_OF_ITS_OWN": " ".join(map(str, self._groups())),
                    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
                    "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
                },
            )
        (self.directory / "pid").write_text(f"{process.pid}\n")
        # For a moment after its start a program has no command line, by which it is recognised.
        wait_until(lambda: self.is_on or process.poll() is not None, "the container", timeout_s=10)
        wait_until(self._listens, f"{self.name} to listen for ssh", timeout_s=BOOT_S_MAX)

    @property
    def is_on(self) -> bool:
        """Whether its power is on."""
        return self._supervisor() is not None

    @property
    def leader(self) -> int:
        """The process id of its init."""
        supervisor = self._supervisor()
        leader = _child(supervisor) if supervisor else None
        if leader is None:
            raise LabError(f"{self.name} is off")
        return leader

    def cut_power(self) -> None:
        """Take its power away: nothing is told to anybody, its network is silent first."""
        self.network.isolate(self.name)
        self._end(signal.SIGKILL)

    def power_off(self) -> None:
        """Press its power button: init stops the services in order."""
        self._end(POWER_OFF)

    def run(self, *command: str, timeout_s: float = 60) -> str:
        """Run a program on it as root, past ssh; raises LabError if it fails."""
        return run(*self._enter(), *command, timeout=timeout_s)

    def attempt(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program on it as root, however it ends."""
        return attempt(*self._enter(), *command)

    def shell(self, line: str, timeout_s: float = 60) -> str:
        """Run a line of shell on it as root."""
        return self.run("sh", "-c", line, timeout_s=timeout_s)

    def pids(self, pattern: str) -> list[int]:
        """Return the processes on it, in its own numbers, whose command line matches."""
        found = self.attempt("pgrep", "-f", pattern).stdout
        return [int(pid) for pid in found.split()]

    def remove(self) -> None:
        """Switch it off, unmount and delete it; not an error if it is gone."""
        supervisor = self._supervisor()
        if supervisor is not None:
            leader = _child(supervisor)
            for pid in filter(None, (leader, supervisor)):
                attempt("kill", "-9", str(pid))
            wait_until(lambda: not is_alive(supervisor), f"{self.name} to end", timeout_s=30)
        self.network.unplug(self.name)
        for group in self._groups():
            wait_until(lambda group=group: _is_gone(group), f"{group} to be empty", timeout_s=30)
        for mounted in (self.root / DATA, self.root):
            while attempt("mountpoint", "-q", mounted).returncode == 0:
                run("umount", mounted)
        if self.directory.exists():
            shutil.rmtree(self.directory)

    def _groups(self) -> list[Path]:
        """Return its control groups: one in a single hierarchy, three in systemd's hybrid."""
        hybrid = [CGROUPS / "unified", CGROUPS / "systemd", CGROUPS / "cpu"]
        tops = [top for top in hybrid if (top / "cgroup.procs").exists()] or [CGROUPS]
        return [top / self.network.namespace_of(self.name) for top in tops]

    def _command(self) -> list[str]:
        return [
            "systemd-nspawn", "-q", "-b", "-D", str(self.root), "-M", self.name,
            f"--network-namespace-path={self.network.path_of(self.name)}",
            "--capability=CAP_NET_ADMIN,CAP_SYS_NICE,CAP_NET_RAW", "--register=no", "--keep-unit",
            "--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=pipe",
        ]  # fmt: skip

    def _enter(self) -> Sequence[str]:
        environment = ("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8")
        return "nsenter", "-t", str(self.leader), "-a", "--", *environment

    def _supervisor(self) -> int | None:
        """Return the process that holds the container, if it runs and is still ours."""
        noted = self.directory / "pid"
        if not noted.exists():
            return None
        pid = int(noted.read_text())
        if not is_alive(pid):
            return None
        return pid if str(self.root) in Path(f"/proc/{pid}/cmdline").read_text() else None

    def _end(self, how: int) -> None:
        supervisor = self._supervisor()
        kill(self.leader, how)
        wait_until(lambda: not _runs(supervisor), f"{self.name} to switch off", timeout_s=90)
        self.network.unplug(self.name)

    def _listens(self) -> bool:
        look = ("bash", "-c", f"exec 3<>/dev/tcp/{shlex.quote(self.address)}/22")
        if not self.is_on:
            raise LabError(f"{self.name} did not boot: {self.console.read_text()[-2000:]}")
        return attempt("timeout", "1", *self.network.inside(), *look).returncode == 0

    def _make_disk(self) -> None:
        disk = self.directory / "disk"
        with disk.open("wb") as file:
            file.truncate(DISK_BYTES)
        run("mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=1,nodiscard", disk)
        where = self.root / DATA
        where.mkdir(parents=True, exist_ok=True)
        owner = where.stat()
        run("mount", "-o", "loop", disk, where)
        (where / "lost+found").rmdir()
        run("chown", f"{owner.st_uid}:{owner.st_gid}", where)
        run("chmod", f"{owner.st_mode & 0o7777:o}", where)

    def _write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def _is_gone(group: Path) -> bool:
    """Remove a control group; its last processes take a moment to end."""
    attempt("find", group, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";")
    return not group.exists()


def _runs(pid: int | None) -> bool:
    return pid is not None and is_alive(pid)


def _child(pid: int) -> int | None:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else None
