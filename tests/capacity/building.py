"""Machines made by hand: as much of a machine as a test wants to say, the rest as bare metal is."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from capacity import cpus
from capacity.machine import (
    FORMAT,
    Bond,
    Cache,
    Clock,
    Disk,
    HugePages,
    Latency,
    Limit,
    Machine,
    Measured,
    Member,
    Memory,
    Nic,
    Node,
    Processor,
    Raid,
    Ring,
    Storage,
    System,
    Thread,
    Unread,
)

KIB, MIB, GIB = 1024, 1024**2, 1024**3


@dataclass(frozen=True)
class Shape:
    """What a machine looks like; `nodes` are (physical cores, memory) of each NUMA node."""

    nodes: Sequence[tuple[int, int]] = ((16, 64 * GIB),)
    smt: int = 1
    nodes_a_socket: int = 1
    model: str = "Example CPU"
    virtualization: str = "none"
    steal: float = 0.0
    disk: str = "nvme"
    disks: int = 4
    raid: str = "raid10"
    raid_state: str = "clean"
    fdatasync_us: float = 25.0
    speed_mbps: int | None = 10_000
    nics: int = 2
    bond: str = "802.3ad"
    device_node: int = 0
    limits: Sequence[Limit] = ()
    isolated: str = ""
    distances: Sequence[Sequence[int]] = field(default_factory=list)


def machine(shape: Shape) -> Machine:
    """Return a machine of this shape."""
    threads = list(_threads(shape))
    total = sum(memory for _, memory in shape.nodes)
    return Machine(
        format=FORMAT,
        taken_at=None,
        system=_system(shape),
        processor=Processor(
            model=shape.model,
            mhz_max=3_500 if shape.virtualization == "none" else None,
            governor="schedutil" if shape.virtualization == "none" else None,
            isolated=shape.isolated,
            threads=threads,
            caches=_caches(shape, threads),
        ),
        nodes=_nodes(shape, threads),
        memory=Memory(
            total_bytes=total,
            available_bytes=total * 15 // 16,
            swap_bytes=0,
            huge_pages=[
                HugePages(size_bytes=GIB, total=0, free=0),
                HugePages(size_bytes=2 * MIB, total=0, free=0),
            ],
            transparent="always",
        ),
        disks=_disks(shape),
        raids=_raids(shape),
        controllers=[],
        storage=_storage(shape),
        nics=_nics(shape),
        bonds=_bonds(shape),
        irqs=[],
        clock=Clock(
            source="tsc" if shape.virtualization == "none" else "kvm-clock",
            sources=["tsc"],
            is_synchronised=True,
            offset_ms=0.02,
            error_max_ms=1.5,
        ),
        limits=list(shape.limits),
        unread=_unread(shape),
    )


def _threads(shape: Shape):
    """Number CPUs as Linux does: first one thread of every core, then the other ones."""
    cores = sum(count for count, _ in shape.nodes)
    number = itertools.count()
    homes = [node for node, (count, _) in enumerate(shape.nodes) for _ in range(count)]
    for _ in range(shape.smt):
        for core, node in enumerate(homes):
            yield Thread(
                cpu=next(number),
                socket=node // shape.nodes_a_socket,
                core=core,
                node=node,
                siblings=cpus.text(core + cores * thread for thread in range(shape.smt)),
            )


def _nodes(shape: Shape, threads: list[Thread]) -> list[Node]:
    every = range(len(shape.nodes))
    return [
        Node(
            node=node,
            cpus=cpus.text(thread.cpu for thread in threads if thread.node == node),
            memory_bytes=memory,
            distances=list(shape.distances[node])
            if shape.distances
            else [10 if other == node else 32 for other in every],
        )
        for node, (_, memory) in enumerate(shape.nodes)
    ]


def _caches(shape: Shape, threads: list[Thread]) -> list[Cache]:
    del shape
    cores = sorted({thread.siblings for thread in threads}, key=cpus.parse)
    nodes = sorted({thread.node for thread in threads})
    per_core = [Cache(level=2, kind="Unified", size_bytes=MIB, cpus=siblings) for siblings in cores]
    shared = [
        Cache(
            level=3,
            kind="Unified",
            size_bytes=32 * MIB,
            cpus=cpus.text(thread.cpu for thread in threads if thread.node == node),
        )
        for node in nodes
    ]
    return per_core + shared


def _system(shape: Shape) -> System:
    return System(
        kernel="6.1.0-40-amd64",
        architecture="x86_64",
        distribution="debian 12",
        virtualization=shape.virtualization,
        steal_percent=shape.steal,
        mitigations={"meltdown": "Not affected", "spectre_v2": "Mitigation: Retpolines"},
    )


def _names(shape: Shape) -> list[str]:
    if shape.disk == "nvme":
        return [f"nvme{index}n1" for index in range(shape.disks)]
    letter = "vd" if shape.disk == "virtual" else "sd"
    return [f"{letter}{chr(ord('a') + index)}" for index in range(shape.disks)]


def _disks(shape: Shape) -> list[Disk]:
    plain = ["none", "mq-deadline"]
    found = [
        Disk(
            name=name,
            kind=shape.disk,
            size_bytes=1_920_383_410_176,
            scheduler="none" if shape.disk == "nvme" else "mq-deadline",
            schedulers=plain,
            write_cache="write through" if shape.disk == "nvme" else "write back",
            read_ahead_kib=128,
            numa_node=shape.device_node,
            parts=[],
        )
        for name in _names(shape)
    ]
    if not shape.raid:
        return found
    layer = Disk(
        name="md0",
        kind="md",
        size_bytes=1_920_383_410_176 * max(shape.disks // 2, 1),
        scheduler=None,
        schedulers=[],
        write_cache="write back",
        read_ahead_kib=2048,
        numa_node=None,
        parts=_names(shape),
    )
    return [*found, layer]


def _raids(shape: Shape) -> list[Raid]:
    if not shape.raid:
        return []
    up = shape.disks - (shape.raid_state != "clean")
    return [
        Raid(
            name="md0",
            level=shape.raid,
            state=shape.raid_state,
            disks_total=shape.disks,
            disks_up=up,
            members=_names(shape),
        )
    ]


def _storage(shape: Shape) -> Storage:
    layer = ["md0"] if shape.raid else []
    size = 1_920_383_410_176
    fast = shape.disk != "hdd"
    return Storage(
        directory="/var/lib/postgresql",
        device="/dev/md0" if shape.raid else f"/dev/{_names(shape)[0]}1",
        filesystem="xfs",
        options=["rw", "noatime"],
        size_bytes=size,
        free_bytes=size * 9 // 10,
        disks=[*layer, *_names(shape)],
        measured=Measured(
            file_bytes=64 * MIB,
            direct=True,
            fdatasync=Latency(
                p50_us=shape.fdatasync_us, p99_us=shape.fdatasync_us * 4, operations=5000
            ),
            sequential_write_mb_s=2_400.0 if fast else 180.0,
            sequential_read_mb_s=5_200.0 if fast else 190.0,
            random_read=Latency(p50_us=80.0, p99_us=160.0, operations=9000),
            random_read_per_s=90_000.0 if fast else 220.0,
        ),
    )


def _nics(shape: Shape) -> list[Nic]:
    ring = Ring(now=512, most=4096)
    return [
        Nic(
            name=f"ens{index + 1}f0",
            driver="ixgbe",
            state="up",
            speed_mbps=shape.speed_mbps,
            mtu=1500,
            numa_node=shape.device_node,
            queues_rx=16,
            queues_tx=16,
            rx_ring=ring,
            tx_ring=ring,
            irqs=[64 + index * 4 + queue for queue in range(4)],
            bond="bond0" if shape.bond else "",
        )
        for index in range(shape.nics)
    ]


def _bonds(shape: Shape) -> list[Bond]:
    if not shape.bond:
        return []
    members = [
        Member(name=f"ens{index + 1}f0", is_up=True, speed_mbps=shape.speed_mbps)
        for index in range(shape.nics)
    ]
    lacp = shape.bond == "802.3ad"
    return [
        Bond(
            name="bond0",
            mode=shape.bond,
            hash_policy="layer3+4" if lacp else "",
            is_up=True,
            miimon_ms=100,
            partner="present" if lacp else "",
            members=members,
        )
    ]


def _unread(shape: Shape) -> list[Unread]:
    made = [Unread(path="taken_at", reason="a machine made by hand")]
    if shape.virtualization != "none":
        reason = "the hypervisor decides"
        made += [
            Unread(path=f"processor.{name}", reason=reason) for name in ("mhz_max", "governor")
        ]
    if shape.raid:
        at = shape.disks
        reason = "an md device has none"
        made += [
            Unread(path=f"disks.{at}.{name}", reason=reason) for name in ("scheduler", "numa_node")
        ]
    if shape.speed_mbps is None:
        reason = "the link does not say"
        made += [Unread(path=f"nics.{at}.speed_mbps", reason=reason) for at in range(shape.nics)]
        if shape.bond:
            made += [
                Unread(path=f"bonds.0.members.{at}.speed_mbps", reason=reason)
                for at in range(shape.nics)
            ]
    return made
