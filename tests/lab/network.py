"""The lab's network: a switch in a namespace of its own, and a cable to every machine.

Nothing routes out of it. The controller is a process inside the lab's namespace, at the switch.
Several labs stand side by side: the same addresses, in namespaces with the name of the lab.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.lab.commands import attempt, run

NAMES = Path("/etc/netns")  # where `ip netns exec` finds the files that it lays over /etc
SWITCH = "switch"
INTERFACE = "eth0"  # inside a machine
CONTROLLER = "198.51.100.1"
PREFIX = 24


@dataclass(frozen=True)
class Network:
    """The switch and the cables of the lab with this name."""

    lab: str

    @property
    def namespace(self) -> str:
        """The namespace of the switch and of the controller."""
        return f"rz-{self.lab}"

    def namespace_of(self, machine: str) -> str:
        """Return the namespace of a machine."""
        return f"{self.namespace}-{machine}"

    def path_of(self, machine: str) -> Path:
        """Return the file that stands for a machine's namespace."""
        return Path("/run/netns") / self.namespace_of(machine)

    def inside(self, machine: str | None = None) -> tuple[str, ...]:
        """Return the beginning of a command that runs at the switch or at a machine's end."""
        return "ip", "netns", "exec", self.namespace_of(machine) if machine else self.namespace

    def create(self) -> None:
        """Make the switch, with the controller's address."""
        run("ip", "netns", "add", self.namespace)
        self._at_switch("link", "set", "lo", "up")
        kind = ("type", "bridge", "forward_delay", "0", "stp_state", "0")
        self._at_switch("link", "add", SWITCH, *kind)
        self._at_switch("addr", "add", f"{CONTROLLER}/{PREFIX}", "dev", SWITCH)
        self._at_switch("link", "set", SWITCH, "up")
        sysctl = "/proc/sys/net/bridge/bridge-nf-call-iptables"
        attempt(*self.inside(), "sh", "-c", f"test ! -e {sysctl} || echo 0 >{sysctl}")

    def plug(self, machine: str) -> None:
        """Give a machine an empty namespace with a cable to the switch."""
        self.rejoin(machine)
        theirs = self.namespace_of(machine)
        run("ip", "netns", "add", theirs)
        self._at_switch("link", "add", f"v-{machine}", "type", "veth", "peer", INTERFACE,
                        "netns", theirs)  # fmt: skip
        self._at_switch("link", "set", f"v-{machine}", "master", SWITCH)
        self._at_switch("link", "set", f"v-{machine}", "up")
        run("ip", "-n", theirs, "link", "set", "lo", "up")

    def tell(self, machine: str, names: dict[str, str]) -> None:
        """Let programs that run `inside` a namespace know addresses by name."""
        hosts = NAMES / self.namespace_of(machine) / "hosts"
        hosts.parent.mkdir(parents=True, exist_ok=True)
        lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in names.items())]
        hosts.write_text("".join(f"{line}\n" for line in lines))

    def unplug(self, machine: str) -> None:
        """Take away a machine's cable and namespace; not an error if they are gone."""
        attempt("ip", "-n", self.namespace, "link", "del", f"v-{machine}")
        attempt("ip", "netns", "del", self.namespace_of(machine))
        shutil.rmtree(NAMES / self.namespace_of(machine), ignore_errors=True)

    def pull(self, machine: str) -> None:
        """Pull the cable: the machine sees that its link is down."""
        self._at_switch("link", "set", f"v-{machine}", "down")

    def push(self, machine: str) -> None:
        """Push the cable back in."""
        self._at_switch("link", "set", f"v-{machine}", "up")

    def isolate(self, machine: str) -> None:
        """Let the switch drop everything from and to a machine, which sees a link that is up."""
        self.rejoin(machine)
        rules = f"""
            table bridge isolated-{machine} {{
                chain forward {{
                    type filter hook forward priority 0;
                    iifname "v-{machine}" drop
                    oifname "v-{machine}" drop
                }}
                chain input {{ type filter hook input priority 0; iifname "v-{machine}" drop; }}
                chain output {{ type filter hook output priority 0; oifname "v-{machine}" drop; }}
            }}"""
        run(*self.inside(), "nft", "-f", "-", input=rules)

    def rejoin(self, machine: str) -> None:
        """Let the switch pass a machine's packets again; not an error if it does."""
        attempt(*self.inside(), "nft", "delete", "table", "bridge", f"isolated-{machine}")

    def separate(self, machine: str, others: list[str]) -> None:
        """Let the switch drop what goes between a machine and others, both ways."""
        ports = ", ".join(f'"v-{other}"' for other in others)
        rules = f"""
            table bridge partition {{
                chain forward {{
                    type filter hook forward priority 0;
                    iifname "v-{machine}" oifname {{ {ports} }} drop
                    oifname "v-{machine}" iifname {{ {ports} }} drop
                }}
            }}"""
        run(*self.inside(), "nft", "-f", "-", input=rules)

    def unite(self) -> None:
        """Take back what `separate` did; not an error if nothing is separated."""
        attempt(*self.inside(), "nft", "delete", "table", "bridge", "partition")

    def remove(self) -> None:
        """Take everything away, machines' namespaces included; not an error if it is gone."""
        for name in _namespaces():
            if name.startswith(f"{self.namespace}-"):
                self.unplug(name.removeprefix(f"{self.namespace}-"))
        attempt("ip", "netns", "del", self.namespace)

    def _at_switch(self, *arguments: str) -> None:
        run("ip", "-n", self.namespace, *arguments)


def _namespaces() -> list[str]:
    listed = run("ip", "-j", "netns", "list").strip()
    return [row["name"] for row in json.loads(listed)] if listed else []
