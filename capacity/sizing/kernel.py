"""The kernel: sysctl, files of /sys, disks, network cards and interrupts."""

from capacity import cpus
from capacity.machine import Disk, Nic
from capacity.sizing import postgresql, sources
from capacity.sizing.memory import Budget
from capacity.sizing.plan import Setting, Value
from capacity.sizing.request import MIB, Request, clamp

DIRTY_S = 0.25  # of sequential writing may wait before the kernel begins
DIRTY_MIN, DIRTY_MAX = 64 * MIB, 512 * MIB
DIRTY_UNKNOWN = 256 * MIB
DIRTY_STOP = 4  # times as much before a writer is stopped
MB = 1_000_000
BACKLOG_MIN, BACKLOG_MAX = 4096, 65_535
FAST_MBPS = 10_000
PACKETS_BACKLOG, PACKETS_BACKLOG_FAST = 1000, 4000


def sysctl(request: Request, budget: Budget) -> list[Setting]:
    """Return the kernel's settings below /proc/sys."""
    backlog = clamp(budget.proxy_connections // 4, BACKLOG_MIN, BACKLOG_MAX)
    rows = [*_memory(request, budget)]
    rows += [
        _row(
            "net.core.somaxconn",
            backlog,
            "connections",
            "a quarter of HAProxy's connections may come at once; the kernel's default is 4096",
            f"{sources.IP}#tcp-variables",
        ),
        _row(
            "net.ipv4.tcp_max_syn_backlog",
            backlog,
            "connections",
            "as many half-open ones; SYN cookies stay on and answer beyond it",
            f"{sources.IP}#tcp-variables",
        ),
        _row(
            "net.ipv4.tcp_slow_start_after_idle",
            0,
            "",
            "a keep-alive connection that paused sends its answer at once",
            f"{sources.IP}#tcp-variables",
        ),
        _row(
            "net.core.netdev_max_backlog",
            PACKETS_BACKLOG_FAST if _is_fast(request) else PACKETS_BACKLOG,
            "packets",
            "what a CPU may have waiting from a card; more where the card does 10 Gbit/s",
            f"{sources.NET}#netdev-max-backlog",
        ),
    ]
    if len(request.hardware.machine.nodes) > 1:
        rows += _numa()
    return rows


def files(request: Request) -> list[Setting]:
    """Return files of /sys and what is written to them; `*` stands for every such file."""
    rows = []
    if request.hardware.machine.memory.transparent is not None:
        rows.append(
            _row(
                "/sys/kernel/mm/transparent_hugepage/enabled",
                "madvise",
                "",
                "only for who asks: joining pages in the background stalls PostgreSQL and Valkey; "
                "PostgreSQL's buffers have huge pages of their own",
                request.pages.postgresql("runtime-config-resource", "huge_pages"),
            )
        )
    if request.hardware.machine.processor.governor is not None:
        rows.append(
            _row(
                "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
                "performance",
                "",
                "a payment is shorter than the time in which a slowed core wakes up",
                sources.CPU_FREQUENCY,
            )
        )
    return rows


def disks(request: Request) -> list[Setting]:
    """Return the I/O scheduler of each disk that has one to choose."""
    rows = []
    for disk in request.hardware.machine.disks:
        wanted, why, source = _scheduler(disk)
        if wanted in disk.schedulers:
            file = f"/sys/block/{disk.name}/queue/scheduler"
            rows.append(_row(file, wanted, "", why, source))
    return rows


def network(request: Request) -> list[Setting]:
    """Return ring buffers and queues of the cards that carry payments."""
    rows = []
    queues = len(request.layout.cpus("irq"))
    for nic in request.hardware.nics:
        for name, ring in (("rx", nic.rx_ring), ("tx", nic.tx_ring)):
            if ring is not None and ring.most > 0:
                rows.append(
                    _row(
                        f"{nic.name} ring {name}",
                        ring.most,
                        "packets",
                        "the card's most: a burst waits in it while the CPU is busy, and is not "
                        "dropped",
                        f"{sources.ETHTOOL} (-G)",
                    )
                )
        if nic.queues_rx > queues and not request.layout.is_shared:
            rows.append(
                _row(
                    f"{nic.name} queues combined",
                    queues,
                    "queues",
                    "one for each CPU that takes interrupts; more would only share them",
                    sources.NETWORK_SCALING,
                )
            )
    return rows


def irqs(request: Request) -> list[Setting]:
    """Return where interrupts go: by default, and those of the cards."""
    chosen = request.layout.cpus("irq")
    if request.layout.is_shared:
        return []
    rows = [
        _row(
            "/proc/irq/default_smp_affinity",
            cpus.mask(chosen),
            "mask",
            "what comes up later goes to the cores of interrupts, not to those of payments",
            sources.IRQ_AFFINITY,
        )
    ]
    numbers = [(nic, number) for nic in request.hardware.nics for number in nic.irqs]
    for at, (nic, number) in enumerate(numbers):
        rows.append(_irq(nic, number, chosen[at % len(chosen)]))
    return rows


def _irq(nic: Nic, number: int, cpu: int) -> Setting:
    return _row(
        f"/proc/irq/{number}/smp_affinity_list",
        str(cpu),
        "CPU",
        f"{nic.name}: its interrupts take turns on the cores of interrupts; irqbalance must be off",
        sources.IRQ_AFFINITY,
    )


def _memory(request: Request, budget: Budget) -> list[Setting]:
    rows = []
    if postgresql.wants_huge_pages(request):
        rows.append(
            _row(
                "vm.nr_hugepages",
                postgresql.huge_pages(budget),
                "pages of 2 MiB",
                "PostgreSQL's shared memory: the buffers, a twentieth, and 128 KiB a connection",
                request.pages.postgresql_page("kernel-resources", "LINUX-HUGE-PAGES"),
            )
        )
    background = _dirty(request)
    return [
        *rows,
        _row(
            "vm.swappiness",
            1,
            "",
            "swap only instead of running out of memory: a payment must not wait for a page",
            f"{sources.VM}#swappiness",
        ),
        _row(
            "vm.dirty_background_bytes",
            background,
            "bytes",
            "a quarter of a second of the disk's writing, 64 to 512 MiB: an fdatasync of a commit "
            "never stands behind gigabytes of a backup",
            f"{sources.VM}#dirty-background-bytes",
        ),
        _row(
            "vm.dirty_bytes",
            background * DIRTY_STOP,
            "bytes",
            "four times that, then the writer itself waits",
            f"{sources.VM}#dirty-bytes",
        ),
    ]


def _numa() -> list[Setting]:
    return [
        _row(
            "kernel.numa_balancing",
            0,
            "",
            "processes are pinned beside their memory; moving pages after them costs faults",
            sources.NUMA_BALANCING,
        ),
        _row(
            "vm.zone_reclaim_mode",
            0,
            "",
            "a full node takes memory of the other one before it drops cached pages",
            f"{sources.VM}#zone-reclaim-mode",
        ),
    ]


def _dirty(request: Request) -> int:
    storage = request.hardware.machine.storage
    if storage is None or storage.measured is None:
        return DIRTY_UNKNOWN
    second = storage.measured.sequential_write_mb_s * MB
    return clamp(second * DIRTY_S, DIRTY_MIN, DIRTY_MAX) // MIB * MIB


def _is_fast(request: Request) -> bool:
    return any((nic.speed_mbps or 0) >= FAST_MBPS for nic in request.hardware.nics)


def _scheduler(disk: Disk) -> tuple[str, str, str]:
    if disk.kind == "hdd":
        why = "a turning disk: in the order of its sectors, and reads before writes"
        return "mq-deadline", why, sources.SCHEDULER_HDD
    if disk.kind == "ssd":
        why = "sorting does not help a disk without a head; a flush is not delayed"
        return "none", why, sources.SCHEDULER_HDD
    if disk.kind == "nvme":
        return "none", "the drive has its own queues; the kernel's default", sources.SCHEDULER
    if disk.kind == "virtual":
        return "none", "the host sorts already; sorting twice only waits", sources.SCHEDULER
    return "", "", ""


def _row(name: str, value: Value, unit: str, why: str, source: str) -> Setting:
    return Setting(name=name, value=value, unit=unit, why=why, source=source)
