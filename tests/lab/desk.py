"""The operator's desk of a lab: an inventory of the site's own, and programs run as he runs them.

The inventory is a copy with what a bank adds to one: the settings of the site, the vault, the way
to log in. What playbooks and reports leave beside it stays in the lab.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.lab.commands import LabError
from tests.lab.lab import Lab


@dataclass(frozen=True)
class Desk:
    """Where the operator of a lab sits."""

    lab: Lab

    @property
    def inventory(self) -> Path:
        """The site's own inventory."""
        return self.lab.directory / "desk"

    def lay_out(self) -> "Desk":
        """Write the inventory; what was laid out before stays as it is."""
        if self.inventory.exists():
            return self
        variables = self.inventory / "group_vars" / "all"
        variables.mkdir(parents=True, mode=0o700)
        shutil.copy(self.lab.sources / "hosts.yml", self.inventory)
        shutil.copy(self.lab.sources / "group_vars" / "all" / "main.yml", variables)
        shutil.copy(self.lab.directory / "vault.yml", variables)
        site = yaml.safe_load((self.lab.directory / "site.yml").read_text())
        login = {
            "ansible_ssh_private_key_file": str(self.lab.directory / "key"),
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={self.lab.directory}/known_hosts",
        }
        (variables / "zone.yml").write_text(yaml.safe_dump(site | login))
        return self

    def command(self, *words: str | Path) -> list[str]:
        """Return the command that runs a program where the controller stands."""
        return [*self.lab.network.inside(), *map(str, words)]

    def place(self) -> dict[str, Any]:
        """Return directory and environment of such a command."""
        place: dict[str, Any] = self.lab.controller()
        password = {"ANSIBLE_VAULT_PASSWORD_FILE": str(self.lab.directory / "vault-password")}
        return {**place, "env": place["env"] | password}

    def attempt(self, *words: str | Path) -> "subprocess.CompletedProcess[str]":
        """Run a program to its end, however it ends."""
        return subprocess.run(
            self.command(*words), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False, **self.place(),
        )  # fmt: skip

    def play(self, playbook: str, *arguments: str) -> str:
        """Run a playbook and return what it printed; raises LabError when it fails."""
        done = self.attempt("ansible-playbook", "-i", self.inventory, playbook, *arguments)
        if done.returncode != 0:
            raise LabError(f"{playbook}: exit {done.returncode}\n{done.stdout[-4000:]}")
        return done.stdout
