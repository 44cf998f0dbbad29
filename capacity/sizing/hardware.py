"""What of a machine a plan may use: physical cores, memory, and where disks and cards are."""

from dataclasses import dataclass
from functools import cached_property

from capacity import cpus
from capacity.machine import Disk, Machine, Nic, Node

STEAL_MAX = 90.0  # percent; beyond it a machine is down, and a division would be wild


@dataclass(frozen=True, slots=True)
class Core:
    """A physical core and its threads that may be used."""

    node: int
    cpus: tuple[int, ...]


@dataclass(frozen=True)
class Hardware:
    """A machine as sizing sees it."""

    machine: Machine

    @cached_property
    def cores(self) -> tuple[Core, ...]:
        """Usable physical cores, in the order of node and CPU number."""
        allowed = self._allowed()
        found: dict[tuple[int, ...], Core] = {}
        for thread in self.machine.processor.threads:
            siblings = tuple(cpu for cpu in cpus.parse(thread.siblings) if cpu in allowed)
            if thread.cpu in allowed:
                found.setdefault(siblings, Core(thread.node, siblings))
        return tuple(sorted(found.values(), key=lambda core: (core.node, core.cpus)))

    @cached_property
    def threads(self) -> int:
        """Usable hardware threads."""
        return sum(len(core.cpus) for core in self.cores)

    @cached_property
    def effective_cores(self) -> float:
        """Physical cores after the control group's quota and what the hypervisor takes away."""
        quotas = [limit.value for limit in self.machine.limits if limit.resource == "cpu"]
        left = 1 - min(self.machine.system.steal_percent or 0.0, STEAL_MAX) / 100
        return min([float(len(self.cores)), *quotas]) * left

    @cached_property
    def memory_bytes(self) -> int:
        """Memory that may be used."""
        limits = [int(part.value) for part in self.machine.limits if part.resource == "memory"]
        return min([self.machine.memory.total_bytes, *limits])

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """NUMA nodes with usable cores."""
        used = {core.node for core in self.cores}
        return tuple(node for node in self.machine.nodes if node.node in used)

    @cached_property
    def nics(self) -> tuple[Nic, ...]:
        """The cards that carry payments: the members of bonds, or every card that is up."""
        bonded = tuple(nic for nic in self.machine.nics if nic.bond)
        return bonded or tuple(nic for nic in self.machine.nics if nic.state == "up")

    @cached_property
    def data_disks(self) -> tuple[Disk, ...]:
        """The disks below the data directory; without one, every disk that is no layer."""
        storage = self.machine.storage
        names = set(storage.disks) if storage else set()
        below = tuple(disk for disk in self.machine.disks if disk.name in names)
        return below or tuple(disk for disk in self.machine.disks if disk.kind not in {"md", "dm"})

    @property
    def has_spinning_disk(self) -> bool:
        """Tell whether PostgreSQL's data turns."""
        return any(disk.kind == "hdd" for disk in self.data_disks)

    @cached_property
    def network_node(self) -> int:
        """The node nearest to the network; the data's where nobody says."""
        return self._near([nic.numa_node for nic in self.nics], self.data_node)

    @cached_property
    def data_node(self) -> int:
        """The node nearest to the data's disks that has memory; else the one with most of it."""
        rich = max(self.nodes, key=lambda node: (node.memory_bytes, -node.node))
        near = self._near([disk.numa_node for disk in self.data_disks], rich.node)
        has_memory = any(node.node == near and node.memory_bytes for node in self.nodes)
        return near if has_memory else rich.node

    @cached_property
    def is_asymmetric(self) -> bool:
        """Tell whether NUMA nodes differ in cores, or one has no memory or no cores."""
        counts = {sum(core.node == node.node for core in self.cores) for node in self.nodes}
        empty = any(not node.memory_bytes for node in self.machine.nodes)
        return len(self.machine.nodes) > 1 and (
            len(counts) > 1 or empty or len(self.nodes) < len(self.machine.nodes)
        )

    def near_first(self, node: int) -> list[int]:
        """Return the nodes with usable cores, the nearest to this one first."""
        numbers = [found.node for found in self.machine.nodes]
        home = next((found for found in self.machine.nodes if found.node == node), None)
        away = dict(zip(numbers, home.distances if home else [], strict=False))
        return sorted(
            (found.node for found in self.nodes),
            key=lambda other: (other != node, away.get(other, 0), other),
        )

    def _near(self, said: list[int | None], otherwise: int) -> int:
        known = [node for node in said if node is not None]
        usable = [node for node in known if any(found.node == node for found in self.nodes)]
        return (
            max(set(usable), key=lambda node: (usable.count(node), -node))
            if usable
            else (otherwise)
        )

    def _allowed(self) -> set[int]:
        every = {thread.cpu for thread in self.machine.processor.threads}
        allowed = every - set(cpus.parse(self.machine.processor.isolated))
        for limit in self.machine.limits:
            if limit.resource == "cpuset" and allowed & set(cpus.parse(limit.cpus)):
                allowed &= set(cpus.parse(limit.cpus))
        return allowed or every
