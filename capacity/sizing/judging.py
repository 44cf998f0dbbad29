"""What is wrong with a machine: reasons to refuse the target, and warnings that go with the plan.

A refusal means that the target is not held, by the costs, or that the machine cannot carry the
plan at all. A warning is what an operator should change or know; each has a stable code.
"""

from capacity.machine import Bond, Machine
from capacity.sizing import demand
from capacity.sizing.hardware import Hardware
from capacity.sizing.memory import Budget
from capacity.sizing.plan import Costs, Notice, Target
from capacity.sizing.request import GIB, Request

CORES_MIN, MEMORY_MIN = 16, 60 * GIB  # the appliance's smallest server, 64 GB less firmware's part
STEAL_WARN, FSYNC_WARN_US = 1.0, 2_000.0
OFFSET_WARN_MS = 50.0
COMMITS_A_BATCH = 64  # the group-commit writer's most
GOOD_LEVELS = ("raid1", "raid10")
MEMBERS_MIN = 2
BOND_MODES = ("802.3ad", "active-backup")


def refusals(request: Request, budget: Budget, needed: int) -> list[Notice]:
    """Return why the target is not held."""
    found = []
    asked, cores = request.target.peak_tps, len(request.hardware.cores)
    if request.tps < asked:
        found.append(
            Notice(
                code="cores",
                text=(
                    f"{_count(cores, 'core')} worth {request.hardware.effective_cores:.1f}: "
                    f"{asked:,} payments a second need at least {_count(needed, 'core')} like "
                    f"these; these hold about {request.tps:,}"
                ),
            )
        )
    if budget.page_cache < 0:
        short = -budget.page_cache / GIB
        size = budget.total / GIB
        found.append(
            Notice(
                code="memory",
                text=f"{size:.1f} GiB of memory: the parts need at least {short:.1f} GiB more",
            )
        )
    return found


def warnings(request: Request) -> list[Notice]:
    """Return what an operator should know, the gravest first."""
    machine = request.hardware.machine
    return [
        Notice(code=code, text=text)
        for code, text in [
            *_size(request),
            *_raids(machine),
            *_disk(request),
            *_bonds(machine),
            *_numa(request.hardware),
            *_system(machine),
            *_clock(machine),
            *_limits(machine),
        ]
    ]


def cores_needed(costs: Costs, target: Target, hardware: Hardware) -> int:
    """Return the fewest cores like these that hold the peak."""
    efficiency = hardware.effective_cores / len(hardware.cores)
    return demand.cores_needed(costs, target.peak_tps, efficiency)


def _size(request: Request) -> list[tuple[str, str]]:
    found = []
    cores, memory = len(request.hardware.cores), request.hardware.memory_bytes
    if cores < CORES_MIN:
        found.append(("few-cores", f"{_count(cores, 'core')}: a production server has {CORES_MIN}"))
    if memory < MEMORY_MIN:
        text = f"{memory / GIB:.0f} GiB of memory: a production server has 64"
        found.append(("little-memory", text))
    if request.layout.is_shared:
        text = "not every role can have cores of its own, so they share: latencies will vary more"
        found.append(("shared-cores", text))
    return found


def _raids(machine: Machine) -> list[tuple[str, str]]:
    found = []
    for raid in machine.raids:
        if raid.state != "clean":
            text = f"{raid.name} is {raid.state}: {raid.disks_up} of {raid.disks_total} disks"
            found.append(("raid-state", text))
        if raid.level not in GOOD_LEVELS:
            text = f"{raid.name} is {raid.level}: databases want raid10 (or raid1 of two disks)"
            found.append(("raid-level", text))
    beneath = set(machine.storage.disks) if machine.storage else set()
    for controller in machine.controllers:
        text = (
            f"a RAID controller ({controller.driver}): ask its own tool for level, state and "
            "battery of its cache"
        )
        found.append(("raid-controller", text))
    plain = machine.storage is not None and not machine.controllers
    if plain and not beneath & {raid.name for raid in machine.raids}:
        found.append(("no-raid", "the data directory is on no RAID that the kernel shows"))
    return found


def _disk(request: Request) -> list[tuple[str, str]]:
    machine, found = request.hardware.machine, []
    if request.hardware.has_spinning_disk:
        found.append(("hdd", "PostgreSQL's data is on a turning disk"))
    if machine.storage is None or machine.storage.measured is None:
        text = "the disk was not measured: commit latency is unknown; probe without --no-io"
        return [*found, ("disk-unknown", text)]
    p99 = machine.storage.measured.fdatasync.p99_us
    if p99 > FSYNC_WARN_US:
        text = f"fdatasync takes {p99 / 1000:.1f} ms at p99: a payment waits for it twice"
        found.append(("slow-fdatasync", text))
    most = COMMITS_A_BATCH * request.api_workers * 1e6 / machine.storage.measured.fdatasync.p50_us
    if most < request.target.peak_tps:
        text = f"the disk commits at most {most:,.0f} payments a second in full batches"
        found.append(("commit-rate", text))
    return found


def _bonds(machine: Machine) -> list[tuple[str, str]]:
    if not machine.bonds:
        return [("no-bond", "no bond of network cards: one cable or switch ends all payments")]
    return [fault for bond in machine.bonds for fault in _bond(bond)]


def _bond(bond: Bond) -> list[tuple[str, str]]:
    up = sum(member.is_up for member in bond.members)
    found = []
    if up < max(MEMBERS_MIN, len(bond.members)):
        text = f"{bond.name}: {up} of {len(bond.members)} members are up; at least two have to be"
        found.append(("bond-members", text))
    if bond.mode not in BOND_MODES:
        found.append(("bond-mode", f"{bond.name} is {bond.mode}: use 802.3ad or active-backup"))
    if bond.partner == "none":
        found.append(("bond-lacp", f"{bond.name}: the switch does not speak LACP"))
    if not bond.miimon_ms:
        found.append(("bond-miimon", f"{bond.name}: without miimon a dead link is not noticed"))
    if len({member.speed_mbps for member in bond.members}) > 1:
        found.append(("bond-speeds", f"{bond.name}: its members differ in speed"))
    return found


def _numa(hardware: Hardware) -> list[tuple[str, str]]:
    found = []
    if hardware.is_asymmetric:
        text = "NUMA nodes differ in cores or memory: read the layout before you use it"
        found.append(("numa-asymmetric", text))
    if len(hardware.nodes) > 1 and all(nic.numa_node in {None, -1} for nic in hardware.nics):
        text = "no network card says its NUMA node; it is taken to be the disks'"
        found.append(("numa-network", text))
    if hardware.machine.processor.isolated:
        text = f"CPUs {hardware.machine.processor.isolated} are isolated at boot and stay unused"
        found.append(("isolated", text))
    return found


def _system(machine: Machine) -> list[tuple[str, str]]:
    found = []
    steal = machine.system.steal_percent
    if steal is None:
        found.append(("steal-unknown", "the kernel does not count steal; it is taken to be none"))
    elif steal >= STEAL_WARN:
        text = f"the hypervisor took {steal:.1f} % of the CPU time since boot; latencies will jump"
        found.append(("steal", text))
    virtual = machine.system.virtualization not in {None, "none"}
    if virtual:
        text = (
            "a virtual machine: whether cores, disks and flushes are what they seem, only the host "
            "knows"
        )
        found.append(("virtual", text))
    return found


def _clock(machine: Machine) -> list[tuple[str, str]]:
    clock, found = machine.clock, []
    if clock.source not in {None, "tsc"} and machine.system.architecture == "x86_64":
        text = f"clock source {clock.source}: reading it is slow; tsc is not trusted by the kernel"
        found.append(("clock-source", text))
    if clock.is_synchronised is False:
        found.append(("clock-unsynchronised", "the clock is not synchronised: start chrony"))
    if clock.offset_ms is not None and abs(clock.offset_ms) > OFFSET_WARN_MS:
        found.append(("clock-offset", f"the clock is {clock.offset_ms:.0f} ms off"))
    return found


def _limits(machine: Machine) -> list[tuple[str, str]]:
    return [
        ("limit", f"{limit.resource} is limited to {limit.value:g} by {limit.file}")
        for limit in machine.limits
        if limit.resource in {"cpu", "cpuset"}
        or (limit.resource == "memory" and limit.value < machine.memory.total_bytes)
    ]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
