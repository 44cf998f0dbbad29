"""Which core does what. SMT: a role gets whole physical cores. NUMA: who talks stays near.

Four rules, each after Seastar's perftune.py:
1. Where not every role can have cores of its own, everything shares all of them; API workers are
   still pinned, one a core.
2. Below sixteen cores the first core does housekeeping and interrupts, and nothing else.
3. From sixteen on the first core does housekeeping, and one core for each sixteen does interrupts,
   on the node of the network cards; HAProxy is beside them.
4. PostgreSQL is on the node of its disks, and API and worker are as near to it as there is room.
   What is left on its node is PostgreSQL's too (vacuum, backups, reports); the rest is reserve:
   more API workers would make batches smaller, and that costs more than it brings.
"""

from dataclasses import dataclass, field

from capacity import cpus
from capacity.sizing import demand
from capacity.sizing.demand import Needs
from capacity.sizing.hardware import Core, Hardware
from capacity.sizing.plan import CoreRoles, Role, Unit

EVERYTHING: list[Role] = ["housekeeping", "irq", "haproxy", "postgresql", "api", "worker"]


@dataclass(slots=True)
class Layout:
    """Cores by role; a core that is shared stands under each of its roles."""

    roles: dict[Role, list[Core]] = field(default_factory=dict)
    api_workers: list[Core] = field(default_factory=list)
    workers: int = 1

    @property
    def is_shared(self) -> bool:
        """Tell whether roles share cores, housekeeping and interrupts apart."""
        return self.roles["api"] == self.roles["postgresql"]

    def cpus(self, role: Role) -> tuple[int, ...]:
        """Return the CPUs of a role."""
        return tuple(cpu for core in self.roles.get(role, []) for cpu in core.cpus)

    def nodes(self, role: Role) -> set[int]:
        """Return the NUMA nodes on which a role runs."""
        return {core.node for core in self.roles.get(role, [])}


def layout(hardware: Hardware, needs: Needs) -> Layout:
    """Deal the cores."""
    if demand.fits(needs, len(hardware.cores)):
        return _dedicated(hardware, needs)
    return _shared(hardware, needs)


def core_roles(hardware: Hardware, found: Layout) -> list[CoreRoles]:
    """Return what each usable core does, each core once."""
    return [
        CoreRoles(
            cpus=cpus.text(core.cpus),
            node=core.node,
            roles=[role for role, cores in found.roles.items() if core in cores],
        )
        for core in hardware.cores
    ]


def units(hardware: Hardware, found: Layout, cache: str) -> list[Unit]:
    """Return the services and where each may run; `cache` is the unit of Redis or Valkey."""
    several = len(hardware.nodes) > 1
    pinned = [
        Unit(
            name=f"rizzpay-api@{index}.service",
            cpus=cpus.text(core.cpus),
            node=core.node if several else None,
        )
        for index, core in enumerate(found.api_workers)
    ]
    named: list[tuple[str, Role]] = [
        *((f"rizzpay-worker@{index}.service", "worker") for index in range(found.workers)),
        ("haproxy.service", "haproxy"),
        ("postgresql@.service", "postgresql"),
        ("patroni.service", "postgresql"),  # where it starts PostgreSQL itself
        (cache, "housekeeping"),
        ("rizzpay-hsmd.service", "housekeeping"),
    ]
    return pinned + [_unit(found, name, role, several=several) for name, role in named]


def _unit(found: Layout, name: str, role: Role, *, several: bool) -> Unit:
    nodes = found.nodes(role)
    only = next(iter(nodes)) if several and len(nodes) == 1 else None
    return Unit(name=name, cpus=cpus.text(found.cpus(role)), node=only)


def _shared(hardware: Hardware, needs: Needs) -> Layout:
    cores = list(hardware.cores)
    return Layout(
        roles=dict.fromkeys(EVERYTHING, cores),
        api_workers=cores[: needs.api],
        workers=min(needs.worker, len(cores)),
    )


def _dedicated(hardware: Hardware, needs: Needs) -> Layout:
    deal = _Deal(hardware, list(hardware.cores))
    housekeeping = [deal.left.pop(0)]
    reserved = demand.reserved(len(hardware.cores))
    irq = deal.take(reserved - 1, hardware.network_node) if reserved > 1 else housekeeping
    haproxy = deal.take(needs.haproxy, hardware.network_node)
    postgresql = deal.take(needs.postgresql, hardware.data_node)
    api = deal.take(needs.api, hardware.data_node)
    worker = deal.take(needs.worker, hardware.data_node)
    home = {core.node for core in postgresql}
    postgresql += [core for core in deal.left if core.node in home]
    return Layout(
        roles={
            "housekeeping": housekeeping,
            "irq": irq,
            "haproxy": haproxy,
            "postgresql": postgresql,
            "api": api,
            "worker": worker,
            "reserve": [core for core in deal.left if core.node not in home],
        },
        api_workers=api,
        workers=needs.worker,
    )


@dataclass(slots=True)
class _Deal:
    """The cores that nobody has yet."""

    hardware: Hardware
    left: list[Core]

    def take(self, count: int, node: int) -> list[Core]:
        """Take cores, those nearest to a node first."""
        order = self.hardware.near_first(node)
        chosen = sorted(self.left, key=lambda core: (order.index(core.node), core.cpus))[:count]
        self.left = [core for core in self.left if core not in chosen]
        return chosen
