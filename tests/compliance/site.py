"""The machines of an Ansible inventory: their groups, their variables, and the way to them."""

import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from typing import Any

import testinfra
from testinfra.utils.ansible_runner import AnsibleRunner

_TEMPLATE = re.compile(r"\{\{")


@dataclass(frozen=True)
class Site:
    """Groups and variables by the name of the host; `limit` may have left hosts out of `groups`."""

    groups: dict[str, set[str]]
    variables: dict[str, dict[str, Any]]
    inventory: str = ""
    everybody: dict[str, set[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, inventory: str, limit: str = "") -> "Site":
        """Ask Ansible; raises CalledProcessError when it cannot read the inventory."""
        everybody, variables = _listed(inventory, "")
        groups = _listed(inventory, limit)[0] if limit else everybody
        return cls(groups, variables, inventory, everybody)

    def connect(self, name: str, sockets: str) -> testinfra.host.Host:
        """Return the connection that testinfra makes of the inventory, with root's rights there.

        `sockets` is a directory where ssh keeps the connection open from one command to the next.
        """
        host = AnsibleRunner.get_runner(self.inventory).get_host(name)
        host.backend.sudo = host.backend.NAME != "local" or os.geteuid() != 0
        if host.backend.NAME == "ssh":
            more = f"-o ControlMaster=auto -o ControlPersist=60s -o ControlPath={sockets}/%C"
            host.backend.ssh_extra_args = f"{more} {host.backend.ssh_extra_args or ''}"
        return host

    def names(self, group: str) -> list[str]:
        """Return the hosts of a group, --limit or not."""
        return [name for name, groups in self.everybody.items() if group in groups]

    def addresses(self, group: str = "all") -> set[str]:
        """Return the addresses at which the hosts of a group reach each other."""
        return {str(self.variables[name]["rizzpay_address"]) for name in self.names(group)}

    def variable(self, name: str, default: Any = None) -> Any:
        """Return a variable of the whole site, None when hosts differ or it is a template."""
        values = [variables.get(name, default) for variables in self.variables.values()]
        same = bool(values) and all(value == values[0] for value in values)
        if not same or (isinstance(values[0], str) and _TEMPLATE.search(values[0])):
            return default
        return values[0]


def _listed(inventory: str, limit: str) -> tuple[dict[str, set[str]], dict[str, dict[str, Any]]]:
    command = ["ansible-inventory", "--inventory", inventory, "--list"]
    if limit:
        command += ["--limit", limit]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    variables = told["_meta"]["hostvars"]
    groups: dict[str, set[str]] = {}
    for group in told:
        for name in _members(told, group):
            groups.setdefault(name, set()).add(group)
    return dict(sorted(groups.items())), {name: variables.get(name, {}) for name in groups}


def _members(told: dict[str, Any], group: str) -> set[str]:
    entry = told.get(group, {})
    found = set(entry.get("hosts", ()))
    for child in entry.get("children", ()):
        found |= _members(told, child)
    return found
