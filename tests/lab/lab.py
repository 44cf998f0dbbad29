"""A lab: machines of an inventory, a switch, a client's place, and the controller's secrets.

Everything is made for the run and lies in one directory, so that any later process can look at the
lab or take it down: nothing but that directory, the namespaces with the lab's name and the noted
process ids say that it exists.
"""

import json
import os
import secrets
import shutil
import signal
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from tests.lab import debian
from tests.lab.commands import LabError, attempt, is_alive, run, start
from tests.lab.machine import USER, Machine
from tests.lab.network import CONTROLLER, INTERFACE, PREFIX, Network
from tests.lab.packages import PORT, PackageCache
from tests.lab.waiting import wait_until

ROOT = Path(__file__).parents[2]
ANSIBLE = ROOT / "appliance" / "ansible"
STORE = Path("/var/tmp/rizzpay-lab")  # not /tmp, which may be memory
CLIENT, CLIENT_ADDRESS = "client", "198.51.100.200"
ACQUIRER_PORT = 8090
VIP, DOMAIN = "198.51.100.100", "pay.bank.example"  # as the inventories have them
CALLS_OUT = (("acquirer", CLIENT_ADDRESS, ACQUIRER_PORT), ("packages", CONTROLLER, PORT))
PYTHON = "3.13"  # of the machines' Debian
MEMORY_BYTES = 4 * 1024**3  # that each machine plans with; they share this one's
# What a lab is not: the requirements of a production site that it waives, and its small load.
SITE = {
    "rizzpay_target_tps": 100,
    "rizzpay_preflight_waivers": [
        {"check": check, "reason": "a lab on a developer's machine", "until": "2099-12-31"}
        for check in ("cores", "memory", "disk", "raid", "nic", "bond", "clock", "fsync", "hsm")
    ],
    "firewall_egress": [
        {"name": name, "to": f"{address}/32", "protocol": "tcp", "port": port}
        for name, address, port in CALLS_OUT
    ],
}


@dataclass(frozen=True)
class Lab:
    """The lab with this name, whether it stands or not."""

    name: str
    inventory: str = "ha"

    @property
    def directory(self) -> Path:
        """Everything that belongs to this lab."""
        return STORE / "labs" / self.name

    @cached_property
    def network(self) -> Network:
        """Its switch and cables."""
        return Network(self.name)

    @cached_property
    def cache(self) -> PackageCache:
        """The package cache that all labs share."""
        return PackageCache(STORE / "packages")

    def hosts(self, group: str) -> list[str]:
        """Return the machines of a group of the inventory."""
        groups = yaml.safe_load((self.sources / "hosts.yml").read_text())["all"]["children"]
        return list(groups[group]["hosts"])

    @cached_property
    def machines(self) -> dict[str, Machine]:
        """Its machines by name, as the inventory has them."""
        hosts = yaml.safe_load((self.sources / "hosts.yml").read_text())["all"]["hosts"]
        return {
            name: Machine(name, host["ansible_host"], self.directory / "machines" / name,
                          self.network)
            for name, host in hosts.items()
        }  # fmt: skip

    @property
    def sources(self) -> Path:
        """The inventory, which the lab uses as it is."""
        return ANSIBLE / "inventories" / self.inventory

    @classmethod
    def find(cls, name: str) -> "Lab":
        """Return the lab that somebody made."""
        noted = STORE / "labs" / name / "inventory"
        if not noted.exists():
            raise LabError(f"there is no lab {name!r}; script/lab up --name {name}")
        return cls(name, noted.read_text().strip())

    def up(self, *, filled: bool = True, packages: bool = True) -> None:
        """Make and boot all machines; what an earlier run of this name left is removed first."""
        self.down()
        base = debian.root(STORE / "roots", filled=filled)
        self.directory.mkdir(parents=True, mode=0o700)
        (self.directory / "inventory").write_text(self.inventory)
        self._make_secrets()
        self.network.create()
        if packages:
            self.offer_packages()
        self.network.plug(CLIENT)
        run("ip", "-n", self.network.namespace_of(CLIENT), "addr", "add",
            f"{CLIENT_ADDRESS}/{PREFIX}", "dev", INTERFACE)  # fmt: skip
        run("ip", "-n", self.network.namespace_of(CLIENT), "link", "set", INTERFACE, "up")
        self.network.tell(CLIENT, {DOMAIN: VIP})
        names = {machine.name: machine.address for machine in self.machines.values()}
        public_key = (self.directory / "key.pub").read_text()
        for machine in self.machines.values():
            machine.make(base, names, public_key)
            machine.boot()
        self._note_host_keys()

    def down(self) -> None:
        """Take everything away, whatever state it is in."""
        for directory in sorted((self.directory / "machines").glob("*")):
            Machine(directory.name, "", directory, self.network).remove()
        self.withdraw_packages()
        self.network.remove()
        if self.directory.exists():
            shutil.rmtree(self.directory)

    def offer_packages(self) -> None:
        """Let the machines install packages, through the cache and nothing else."""
        port = self.cache.start(self.name)
        switch = Path("/run/netns") / self.network.namespace
        relay = ("-m", "tests.lab.relay", switch, CONTROLLER, str(PORT), str(port))
        with (self.directory / "relay.log").open("w") as log:
            process = start(sys.executable, *relay, cwd=ROOT, stdout=log, stderr=log)
        (self.directory / "relay.pid").write_text(f"{process.pid}\n")

    def withdraw_packages(self) -> None:
        """Leave the machines without any source of packages; not an error if they had none."""
        noted = self.directory / "relay.pid"
        if noted.exists():
            pid = int(noted.read_text())
            if is_alive(pid) and "tests.lab.relay" in Path(f"/proc/{pid}/cmdline").read_text():
                os.kill(pid, signal.SIGTERM)
                wait_until(lambda: not is_alive(pid), "the relay to end", timeout_s=10)
            noted.unlink()
        self.cache.stop(self.name)

    def ssh(self, machine: str, *command: str) -> list[str]:
        """Return the command that logs in to a machine as the controller does."""
        address = self.machines[machine].address
        return [*self.network.inside(), "ssh", *self._ssh_options(), f"{USER}@{address}", *command]

    def playbook(self, name: str, *arguments: str) -> list[str]:
        """Return the command that runs a playbook; to be started with `controller` as its home."""
        return [
            *self.network.inside(), str(Path(sys.executable).parent / "ansible-playbook"),
            "-i", str(self.sources),
            "--vault-password-file", str(self.directory / "vault-password"),
            "-e", f"@{self.directory}/site.yml", "-e", f"@{self.directory}/vault.yml",
            "--private-key", str(self.directory / "key"),
            "--ssh-common-args", f"-o UserKnownHostsFile={self.directory}/known_hosts",
            name, *arguments,
        ]  # fmt: skip

    def controller(self) -> dict[str, object]:
        """Return where and with which environment the controller's programs run."""
        environment = {
            **{name: os.environ[name] for name in ("PATH", "TERM") if name in os.environ},
            "HOME": str(self.directory),
            "LANG": "C.UTF-8",
            "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"),
        }
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        return {"cwd": ANSIBLE, "env": environment}

    def _ssh_options(self) -> list[str]:
        known = f"UserKnownHostsFile={self.directory}/known_hosts"
        return ["-q", "-i", str(self.directory / "key"), "-o", known, "-o", "BatchMode=yes"]

    def _make_secrets(self) -> None:
        key = self.directory / "key"
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"lab {self.name}", "-f", key)
        site = {
            **SITE,
            "rizzpay_pki_dir": str(self.directory / "pki"),
            "rizzpay_release_dir": str(self._build_release()),
            "tuning_machine_file": str(self._record_machine()),
        }
        (self.directory / "site.yml").write_text(yaml.safe_dump(site))
        acquirer = {
            "kind": "sandbox",
            "base_url": f"http://{CLIENT_ADDRESS}:{ACQUIRER_PORT}",
            "livemode": False,
            "key_id": "sandbox",
            "secret": secrets.token_hex(16),
            "callback_secret": secrets.token_hex(16),
        }
        (self.directory / "acquirer.yml").write_text(yaml.safe_dump(acquirer))
        names = yaml.safe_load((ANSIBLE / "inventories" / "vault.example.yml").read_text())
        values: dict[str, Any] = {name: secrets.token_hex(16) for name in names}
        values["rizzpay_gateways"] = {"sandbox": acquirer}
        password = self.directory / "vault-password"
        password.write_text(secrets.token_hex(32))
        vault = self.directory / "vault.yml"
        vault.touch(mode=0o600)
        encrypt = Path(sys.executable).parent / "ansible-vault"
        arguments = ("encrypt", "--vault-password-file", password, "--output", vault, "-")
        run(encrypt, *arguments, input=yaml.safe_dump(values), **self.controller())

    def _build_release(self) -> Path:
        """Make this checkout's release, here: inside the lab there is no package index."""
        main = yaml.safe_load((self.sources / "group_vars" / "all" / "main.yml").read_text())
        version = main["rizzpay_release"]
        directory = self.directory / "release" / version
        directory.parent.mkdir()
        module = ("-m", "appliance.release.build", directory, "--version", version)
        run(sys.executable, *module, "--python", PYTHON, cwd=ROOT)
        return directory

    def _record_machine(self) -> Path:
        """Describe this computer as every machine is to see it: with its part of the memory."""
        program = Path(sys.executable).parent / "rizzpay-capacity"
        machine = json.loads(run(program, "probe", "--data-dir", STORE))
        for node in machine["nodes"]:
            node["memory_bytes"] = MEMORY_BYTES // len(machine["nodes"])
        machine["memory"] |= {"total_bytes": MEMORY_BYTES, "available_bytes": MEMORY_BYTES}
        file = self.directory / "machine.json"
        file.write_text(json.dumps(machine))
        return file

    def _note_host_keys(self) -> None:
        lines = []
        for machine in self.machines.values():
            public = (machine.root / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2]
            lines.append(f"{machine.address},{machine.name} {' '.join(public)}\n")
        (self.directory / "known_hosts").write_text("".join(lines))


def names() -> list[str]:
    """Return the names of the labs that stand."""
    return sorted(path.parent.name for path in (STORE / "labs").glob("*/inventory"))


def is_answering(lab: Lab, machine: str) -> bool:
    """Tell whether a machine lets the controller in."""
    return attempt(*lab.ssh(machine, "true")).returncode == 0
