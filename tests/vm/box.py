"""A machine with the roles on it, and what a test does to it."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from appliance.embedded.layout import ROOT
from tests.vm.machine import BOX_ADDRESS, Machine
from tests.vm.sender import Seen, record

ANSIBLE_S = 1200
MOUNTED = "/var/lib/postgresql"
RECORDS = f"{MOUNTED}/records"
DISK = "/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_RIZZPAY{}"
BOND = {
    "network_bond_members": ["eth0", "eth1"],
    "network_bond_addresses": [f"{BOX_ADDRESS}/24"],
    "network_bond_rollback_s": 90,
}
PLAY = """\
- name: Apply a role as the playbook does
  hosts: all
  gather_facts: false
  roles:
    - role: "{{ role_under_test }}"
"""


@dataclass(frozen=True)
class Run:
    """What a run of Ansible said."""

    ok: bool
    changed: int
    text: str


@dataclass
class Traffic:
    """What one sender saw, known when it has ended."""

    seen: Seen = field(default_factory=Seen)


class Box:
    """A machine that Ansible and senders reach as they would reach a server."""

    def __init__(self, machine: Machine) -> None:
        """Take over a machine that runs."""
        self.machine = machine
        self.disks = [1, 2, 3, 4]

    def variables(self, role: str) -> dict[str, object]:
        """Return what the inventory says about this machine now."""
        return (
            BOND
            if role == "network_bond"
            else {"raid10_devices": list(map(DISK.format, self.disks))}
        )

    def apply(self, role: str, *options: str, **changes: object) -> Run:
        """Run one role on the machine, with changes to what the inventory says."""
        directory = self.machine.directory
        (directory / "play.yml").write_text(PLAY)
        inventory = {
            "all": {"hosts": {"box": {**self._connection(), **self.variables(role), **changes}}}
        }
        (directory / "inventory.json").write_text(json.dumps(inventory))
        program = Path(sys.executable).with_name("ansible-playbook")
        command = [program, "-i", directory / "inventory.json", directory / "play.yml"]
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "appliance" / "ansible" / "ansible.cfg"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(directory / "control"),
            "ANSIBLE_LOCAL_TEMP": str(directory / "ansible"),
            "ANSIBLE_HOST_KEY_CHECKING": "False",
            "ANSIBLE_TIMEOUT": "60",
            "ANSIBLE_NOCOLOR": "True",
        }
        done = subprocess.run(
            self.machine.network.inside(*command, "-e", f"role_under_test={role}", *options),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=ANSIBLE_S,
            check=False,
        )
        changed = re.search(r"changed=(\d+)", done.stdout)
        return Run(done.returncode == 0, int(changed[1]) if changed else 0, done.stdout)

    def _connection(self) -> dict[str, object]:
        return {
            "ansible_host": BOX_ADDRESS,
            "ansible_user": "root",
            "ansible_ssh_common_args": " ".join(self.machine.ssh()),
            "ansible_python_interpreter": "/usr/bin/python3",
        }

    def start_recorder(self) -> None:
        """Let the machine write what senders send; it comes back by itself after a restart."""
        program = (Path(__file__).parent / "recorder.py").read_text()
        self.machine.shell(
            f"cat >/root/recorder.py <<'END'\n{program}END\n"
            f"cat >/etc/systemd/system/recorder.service <<'END'\n{RECORDER}END\n"
            "systemctl daemon-reload\nsystemctl enable --now recorder\n"
        )

    @contextmanager
    def traffic(self) -> Iterator[Traffic]:
        """Send records all the time; afterwards check that each acknowledged one is on disk."""
        self.machine.shell(f"systemctl stop recorder; rm -f {RECORDS}; systemctl start recorder")
        command = self.machine.network.inside(sys.executable, "-m", "tests.vm.sender", BOX_ADDRESS)
        log = self.machine.directory / "acknowledged"
        traffic = Traffic()
        with log.open("wb") as errors:
            sender = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors)
            try:
                self.wait_for_more()
                yield traffic
                self.wait_for_more()
            finally:
                sender.send_signal(signal.SIGTERM)
                said, _ = sender.communicate(timeout=30)
        traffic.seen = Seen(**json.loads(said))
        written = self.machine.shell(f"cat {RECORDS}").encode().splitlines(keepends=True)
        lost = {record(number) for number in range(traffic.seen.acknowledged)} - set(written)
        assert not lost, f"{len(lost)} acknowledged records are not there"

    def wait_for_more(self) -> None:
        """Wait until thirty more records are acknowledged."""
        log = self.machine.directory / "acknowledged"
        wanted = log.read_bytes().count(b"\n") + 30
        self.machine.wait_until(
            lambda: log.read_bytes().count(b"\n") >= wanted, "records are acknowledged", 180
        )

    def mdstat(self) -> str:
        """Return what the kernel says about the array."""
        return self.machine.shell("cat /proc/mdstat")

    def bonding(self) -> str:
        """Return what the kernel says about the bond."""
        return self.machine.shell("cat /proc/net/bonding/bond0")

    def wait_for_links(self, count: int) -> None:
        """Wait until so many of the bond's cards carry."""
        self.machine.wait_until(
            lambda: self.bonding().count("MII Status: up") == count + 1,  # one more is the bond's
            f"{count} links are up",
            60,
        )

    def wait_for_another_start(self, before: str) -> None:
        """Wait until the machine has started anew and the recorder runs."""
        self.machine.wait_until(lambda: self._boot() not in {"", before}, "a new start", 300)
        self.machine.wait_for_shell()

    def _boot(self) -> str:
        try:
            return self.machine.boot()
        except RuntimeError:
            return ""

    def exists(self, path: str) -> bool:
        """Tell whether a file is there."""
        return self.machine.shell(f"test -e {path} && echo yes || true") == "yes\n"

    def wait_until_whole(self) -> None:
        """Wait until the array has all its disks and nothing to rebuild."""
        self.machine.wait_until(
            lambda: (said := self.mdstat()) and "[UUUU]" in said and "%" not in said,
            "the array is whole",
            300,
        )


RECORDER = f"""\
[Unit]
RequiresMountsFor={MOUNTED}

[Service]
ExecStart=/usr/bin/python3 /root/recorder.py {RECORDS}

[Install]
WantedBy=multi-user.target
"""
