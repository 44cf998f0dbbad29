"""What a machine is: the document that `probe` writes and `plan` reads. Types only.

What could not be read is null, and `unread` says why, by the path of the field; nothing is guessed.
What a machine does not have (a bond, a limit) is an empty list. Sizes are bytes, times say their
unit, CPU sets are kernel lists ("0-3,8").
"""

from typing import Final, Literal

import msgspec

from capacity import cpus

FORMAT: Final = "rizzpay-capacity machine 1"


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of the document; an unknown field is refused, so that a typing error is seen."""


class Unread(Part, frozen=True):
    """Why a field is null; `path` as in `memory.available_bytes` or `nics.0.speed_mbps`."""

    path: str
    reason: str


class System(Part, frozen=True):
    """The system that runs here."""

    kernel: str | None
    architecture: str
    distribution: str | None  # ID and VERSION_ID of os-release, as "debian 12"
    virtualization: str | None  # "none" on bare metal, else the hypervisor or "container"
    steal_percent: float | None  # since boot, of all CPU time
    mitigations: dict[str, str]  # vulnerability -> the kernel's sentence


class Thread(Part, frozen=True):
    """A CPU as the scheduler sees it: a hardware thread. Only those that are online."""

    cpu: int
    socket: int
    core: int  # number of the physical core within its socket
    node: int
    siblings: str  # threads of the same physical core, itself included


class Cache(Part, frozen=True):
    """A cache and who shares it."""

    level: int
    kind: Literal["Data", "Instruction", "Unified"]
    size_bytes: int
    cpus: str


class Processor(Part, frozen=True):
    """All CPUs."""

    model: str | None
    mhz_max: int | None
    governor: str | None  # of cpufreq; null where the hypervisor decides
    isolated: str  # CPUs that the scheduler leaves alone (isolcpus)
    threads: list[Thread]
    caches: list[Cache]


class Node(Part, frozen=True):
    """A NUMA node; `distances` to all nodes in the order of their numbers."""

    node: int
    cpus: str
    memory_bytes: int
    distances: list[int]


class HugePages(Part, frozen=True):
    """Huge pages of one size."""

    size_bytes: int
    total: int
    free: int


class Memory(Part, frozen=True):
    """Main memory."""

    total_bytes: int
    available_bytes: int | None
    swap_bytes: int
    huge_pages: list[HugePages]
    transparent: str | None  # always, madvise or never


class Disk(Part, frozen=True):
    """A whole block device, not a partition."""

    name: str
    kind: Literal["nvme", "ssd", "hdd", "virtual", "md", "dm"]
    size_bytes: int
    scheduler: str | None
    schedulers: list[str]
    write_cache: str | None  # "write back": a flush has to be sent, and is
    read_ahead_kib: int | None
    numa_node: int | None  # -1: the firmware does not say
    parts: list[str]  # what an md or dm device is made of


class Raid(Part, frozen=True):
    """A software RAID of /proc/mdstat."""

    name: str
    level: str
    state: Literal["clean", "degraded", "recovering", "inactive"]
    disks_total: int
    disks_up: int
    members: list[str]


class Controller(Part, frozen=True):
    """A hardware RAID controller that sysfs shows. What stands behind it only its tool knows."""

    driver: str
    model: str | None


class Latency(Part, frozen=True):
    """Microseconds of one operation."""

    p50_us: float
    p99_us: float
    operations: int


class Measured(Part, frozen=True):
    """What a file of `file_bytes` in the data directory did; caches of disk and host included."""

    file_bytes: int
    direct: bool  # O_DIRECT worked: the page cache is not in the figures
    fdatasync: Latency  # overwrite 8 KiB, then fdatasync: one commit
    sequential_write_mb_s: float
    sequential_read_mb_s: float
    random_read: Latency  # 8 KiB, one at a time
    random_read_per_s: float  # 8 KiB, eight at a time


class Storage(Part, frozen=True):
    """The file system of the data directory."""

    directory: str
    device: str | None
    filesystem: str | None
    options: list[str]
    size_bytes: int
    free_bytes: int
    disks: list[str]  # names in `disks`, from the file system down to the iron
    measured: Measured | None


class Ring(Part, frozen=True):
    """A ring buffer of a network card, in packets."""

    now: int
    most: int


class Nic(Part, frozen=True):
    """A network interface with iron or a hypervisor behind it."""

    name: str
    driver: str | None
    state: str  # operstate: up, down, unknown
    speed_mbps: int | None
    mtu: int | None
    numa_node: int | None
    queues_rx: int
    queues_tx: int
    rx_ring: Ring | None
    tx_ring: Ring | None
    irqs: list[int]
    bond: str  # name of the bond it belongs to, or ""


class Member(Part, frozen=True):
    """A network card in a bond."""

    name: str
    is_up: bool
    speed_mbps: int | None


class Bond(Part, frozen=True):
    """A bond of /proc/net/bonding."""

    name: str
    mode: str  # as "802.3ad" or "active-backup"
    hash_policy: str  # "" where the mode has none
    is_up: bool
    miimon_ms: int | None
    partner: Literal["", "none", "present"]  # LACP: does the switch answer? "" without LACP
    members: list[Member]


class Irq(Part, frozen=True):
    """A device's interrupt."""

    number: int
    name: str
    cpus: str | None  # where it may fire
    count: int  # since boot


class Clock(Part, frozen=True):
    """The clock; `offset_ms` is how far it is believed to be from true time."""

    source: str | None
    sources: list[str]
    is_synchronised: bool | None
    offset_ms: float | None
    error_max_ms: float | None


class Limit(Part, frozen=True):
    """A limit of the control group in which the probe ran; `file` is where it is set."""

    resource: Literal["cpu", "cpuset", "memory", "pids"]
    value: float  # cores, count of CPUs, bytes, processes
    cpus: str  # of cpuset, else ""
    file: str


class Machine(Part, frozen=True):
    """The whole document."""

    format: Literal["rizzpay-capacity machine 1"]
    taken_at: str | None  # RFC 3339; null for a machine made by hand
    system: System
    processor: Processor
    nodes: list[Node]
    memory: Memory
    disks: list[Disk]
    raids: list[Raid]
    controllers: list[Controller]
    storage: Storage | None
    nics: list[Nic]
    bonds: list[Bond]
    irqs: list[Irq]
    clock: Clock
    limits: list[Limit]
    unread: list[Unread]


def faults(machine: Machine) -> list[str]:
    """Return what contradicts itself: a plan of such a machine would be nonsense."""
    numbers = [thread.cpu for thread in machine.processor.threads]
    nodes = {node.node for node in machine.nodes}
    found = []
    if not numbers:
        found.append("processor.threads is empty")
    if len(numbers) != len(set(numbers)):
        found.append("processor.threads lists a CPU twice")
    if machine.memory.total_bytes <= 0:
        found.append("memory.total_bytes is not positive")
    for thread in machine.processor.threads:
        if thread.node not in nodes:
            found.append(f"CPU {thread.cpu} is on node {thread.node}, which is not in nodes")
        if thread.cpu not in _cpus(thread.siblings):
            found.append(f"CPU {thread.cpu} is not among its own siblings")
    lists = [node.cpus for node in machine.nodes] + [limit.cpus for limit in machine.limits]
    found += [f"{part!r} is not a list of CPUs like 0-3,8" for part in lists if not _is_list(part)]
    return found


def _cpus(text: str) -> tuple[int, ...]:
    return cpus.parse(text) if _is_list(text) else ()


def _is_list(text: str) -> bool:
    try:
        cpus.parse(text)
    except ValueError:
        return False
    return True
