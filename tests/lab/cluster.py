"""What the machines of an installed lab say about themselves, asked as an operator would."""

import json
from dataclasses import dataclass
from typing import Any

from tests.lab.commands import LabError
from tests.lab.lab import VIP, Lab
from tests.lab.machine import Machine
from tests.lab.waiting import wait_until

# Asks Patroni itself: `patronictl` needs a second of a core to start, and this runs often.
ASK = """
import ssl, sys, urllib.request
context = ssl.create_default_context(cafile="/etc/rizzpay/pki/ca.crt")
url = f"https://{sys.argv[1]}:8008/cluster"
print(urllib.request.urlopen(url, timeout=5, context=context).read().decode())
"""
WHOLE_STEP_S = 1.0
SWITCH_S = 90.0


@dataclass(frozen=True)
class Cluster:
    """The database cluster, the address and the service of a lab."""

    lab: Lab

    @property
    def machines(self) -> list[Machine]:
        """The machines that are on."""
        return [machine for machine in self.lab.machines.values() if machine.is_on]

    def members(self) -> dict[str, dict[str, Any]]:
        """Return Patroni's members by name; nothing if no machine can tell."""
        for machine in self.machines:
            asked = machine.attempt("timeout", "10", "python3", "-c", ASK, machine.address)
            if asked.returncode == 0:
                return {row["name"]: row for row in json.loads(asked.stdout)["members"]}
        return {}

    def primary(self) -> Machine:
        """Return the machine whose PostgreSQL is Patroni's leader."""
        return self._with_role("leader")

    def synchronous_standby(self) -> Machine:
        """Return the machine that confirms every commit."""
        return self._with_role("sync_standby")

    def bystander(self) -> Machine:
        """Return a database machine that is neither."""
        busy = {self.primary().name, self.synchronous_standby().name}
        return next(one for one in self.machines if one.name not in busy)

    def holder(self) -> Machine | None:
        """Return the machine that has the virtual address."""
        for machine in self.machines:
            if VIP in machine.run("ip", "-4", "-o", "addr"):
                return machine
        return None

    def lead(self, wanted: Machine) -> None:
        """Make a machine the primary, by a switchover to it as the synchronous standby."""
        if self.primary() != wanted:
            self.confirm(wanted)
            asked = ("--leader", self.primary().name, "--candidate", wanted.name, "--force")
            wanted.run("patronictl", "-c", "/etc/patroni/config.yml", "switchover", *asked)
        wait_until(
            lambda: self.is_whole() and self.primary() == wanted,
            f"{wanted.name} to lead", timeout_s=SWITCH_S, step_s=WHOLE_STEP_S,
        )  # fmt: skip

    def confirm(self, wanted: Machine) -> None:
        """Make a standby the synchronous one: the other one is restarted."""
        if self.synchronous_standby() != wanted:
            self.synchronous_standby().run("systemctl", "restart", "patroni")
        wait_until(
            lambda: self.is_whole() and self.synchronous_standby() == wanted,
            f"{wanted.name} to confirm", timeout_s=SWITCH_S, step_s=WHOLE_STEP_S,
        )  # fmt: skip

    def query(self, text: str, machine: Machine | None = None) -> list[list[str]]:
        """Return the rows of a query on the primary, or on a machine's own PostgreSQL."""
        psql = ("runuser", "-u", "postgres", "--", "psql", "-X", "-d", "rizzpay", "-AtqF", "\t")
        said = (machine or self.primary()).run(*psql, "-c", text, timeout_s=120)
        return [line.split("\t") for line in said.splitlines()]

    def is_whole(self) -> bool:
        """Tell whether everything is there: databases in step, etcd, Valkey, address, service."""
        expected = len(self.lab.machines)
        if len(self.machines) != expected or self.holder() is None:
            return False
        rows = self.members().values()
        roles = [row["role"] for row in rows]
        if roles.count("leader") != 1 or (expected > 1 and roles.count("sync_standby") != 1):
            return False
        # A primary that was lost says "running" until it is rewound and follows the new one.
        [leader] = [row for row in rows if row["role"] == "leader"]
        followers = [
            row for row in rows
            if row["state"] == "streaming" and row.get("timeline") == leader.get("timeline")
        ]  # fmt: skip
        return (
            leader["state"] == "running"
            and len(followers) == expected - 1
            and all(_serves(machine) for machine in self.machines)
        )

    def wait_until_whole(self, timeout_s: float) -> float:
        """Return after how many seconds everything was there again."""
        return wait_until(
            self.is_whole, "the site to be whole", timeout_s=timeout_s, step_s=WHOLE_STEP_S
        )

    def _with_role(self, role: str) -> Machine:
        for name, row in self.members().items():
            if row["role"] == role:
                return self.lab.machines[name]
        raise LabError(f"no member of the cluster is {role}")


def _serves(machine: Machine) -> bool:
    units = "etcd patroni valkey-server valkey-sentinel haproxy rizzpay.target"
    # The target is there as soon as its services are asked to start.
    away = "systemctl list-units --all --no-legend --state=inactive,activating,failed"
    asked = f"systemctl is-active -q {units} && ! {away} 'rizzpay-*@?.service' | grep -q ."
    return machine.attempt("sh", "-c", asked).returncode == 0
