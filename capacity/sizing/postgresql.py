"""PostgreSQL: memory, write-ahead log, checkpoints, vacuum, planner. A rule a function or a row.

Only what a rule of ours changes is here, and what durability rests on; every other parameter keeps
PostgreSQL's default.
"""

import math

from capacity.sizing.memory import Budget
from capacity.sizing.plan import Setting, Value
from capacity.sizing.request import GIB, MIB, Request, clamp

HUGE_PAGE = 2 * MIB
HUGE_PAGES_FROM = 8 * GIB  # of buffers' machine: below it page tables are too small to matter
CHECKPOINT_S = 15 * 60
WAL_SPREAD = 2  # the log of one checkpoint's time, and of the next that begins before it ends
WAL_MIN, WAL_MAX = 2 * GIB, 128 * GIB
WAL_DISK_SHARE = 10  # at most a tenth of what is free
READS_AT_ONCE = 200  # PostgreSQL: "the best value might be in the hundreds"
SLOT_DISK_SHARE = 5  # a standby that is away may hold a fifth


def settings(request: Request, budget: Budget, backends: int) -> list[Setting]:
    """Return the parameters of postgresql.conf."""
    return [
        *_memory(request, budget, backends),
        *_log(request),
        *_durability(request),
        *_vacuum(request, budget),
        *_planner(request),
        *_workers(request),
    ]


def wants_huge_pages(request: Request) -> bool:
    """Tell whether the kernel can and should keep huge pages for the buffers."""
    sizes = {pages.size_bytes for pages in request.hardware.machine.memory.huge_pages}
    return HUGE_PAGE in sizes and request.hardware.memory_bytes >= HUGE_PAGES_FROM


def _memory(request: Request, budget: Budget, backends: int) -> list[Setting]:
    page = _Page(request, "runtime-config-resource")
    connections = _Page(request, "runtime-config-connection")
    cached = budget.shared_buffers + max(budget.page_cache, 0) * 3 // 4
    return [
        connections.row(
            "max_connections",
            backends,
            "",
            "all pools, and 20 for Patroni, monitoring, backup, migrations and people",
        ),
        connections.row(
            "superuser_reserved_connections", 5, "", "an operator gets in when the pools are full"
        ),
        page.row(
            "shared_buffers",
            budget.shared_buffers // MIB,
            "MB",
            "a quarter of RAM, at most half of its NUMA node; beyond that the page cache is better",
        ),
        page.row(
            "huge_pages",
            "try",
            "",
            "smaller page tables for every backend; `try`, so that a primary starts even when the "
            "kernel could not keep them, and `verify` tells",
        ),
        _Page(request, "runtime-config-query").row(
            "effective_cache_size",
            cached // MIB,
            "MB",
            "the buffers, and three quarters of what the memory table leaves to the page cache",
        ),
        page.row(
            "work_mem",
            budget.work_mem // MIB,
            "MB",
            "an eighth of RAM over all connections, 4 to 32 MB; our statements sort little",
        ),
        page.row(
            "maintenance_work_mem",
            budget.maintenance_work_mem // MIB,
            "MB",
            "a thirty-second of RAM; up to version 16 vacuum uses at most 1 GB of it",
        ),
    ]


def _log(request: Request) -> list[Setting]:
    page = _Page(request, "runtime-config-wal")
    size = wal_bytes(request)
    rows = [
        page.row(
            "max_wal_size",
            size // MIB,
            "MB",
            "the log of two checkpoint times at the peak, so that time and not size begins a "
            "checkpoint; at most a tenth of the free disk",
        ),
        page.row("min_wal_size", size // 4 // MIB, "MB", "segments are reused, not made anew"),
        page.row(
            "checkpoint_timeout",
            CHECKPOINT_S // 60,
            "min",
            "a page is logged whole once a checkpoint: fewer of them, less log; a crash replays at "
            "most this, and a standby takes over without it",
        ),
        page.row("checkpoint_completion_target", 0.9, "", "writes are spread over the time"),
        page.row(
            "wal_compression",
            "lz4",
            "",
            "whole pages shrink to a half or less for a few microseconds of CPU",
        ),
    ]
    storage = request.hardware.machine.storage
    if storage is not None:
        rows.append(
            _Page(request, "runtime-config-replication").row(
                "max_slot_wal_keep_size",
                max(storage.free_bytes // SLOT_DISK_SHARE // MIB, 1024),
                "MB",
                "a standby that is away may hold a fifth of the free disk, and not fill it",
            )
        )
    return rows


def wal_bytes(request: Request) -> int:
    """Return max_wal_size in bytes, a multiple of 64 MiB."""
    wanted = request.tps * request.costs.wal_bytes * CHECKPOINT_S * WAL_SPREAD
    storage = request.hardware.machine.storage
    most = storage.free_bytes // WAL_DISK_SHARE if storage else WAL_MAX
    size = clamp(wanted, WAL_MIN, max(min(most, WAL_MAX), GIB))
    return min(size, max(most, GIB)) // (64 * MIB) * 64 * MIB


def _durability(request: Request) -> list[Setting]:
    page = _Page(request, "runtime-config-wal")
    return [
        page.row("fsync", "on", "", "an acknowledged payment is on the disk; not for sale"),
        page.row("full_page_writes", "on", "", "a page torn by a power cut is repaired"),
        page.row(
            "synchronous_commit",
            "on",
            "",
            "a commit waits for the disk, and for the synchronous standby that Patroni names",
        ),
        page.row(
            "commit_delay",
            0,
            "",  # microseconds, but PostgreSQL takes it without the unit
            "the service's writer gathers payments already; a wait here would be a second one",
        ),
        page.row("wal_level", "replica", "", "standbys and backups read the log"),
    ]


def _vacuum(request: Request, budget: Budget) -> list[Setting]:
    page = _Page(request, "runtime-config-autovacuum")
    spinning = request.hardware.has_spinning_disk
    return [
        page.row(
            "autovacuum_max_workers",
            budget.autovacuum_workers,
            "",
            "one a core of PostgreSQL, 3 to 6; few big tables",
        ),
        _Page(request, "runtime-config-resource").row(
            "autovacuum_work_mem",
            budget.autovacuum_work_mem // MIB,
            "MB",
            "each vacuum worker may take this; without it, all of maintenance_work_mem",
        ),
        page.row("autovacuum_naptime", 15, "s", "hot rows (balances, jobs) die by the second"),
        page.row(
            "autovacuum_vacuum_cost_limit",
            400 if spinning else 2000,
            "",
            "the default of 200 was made for turning disks; shared by all its workers",
        ),
        page.row(
            "autovacuum_vacuum_scale_factor",
            0.05,
            "",
            "a twentieth, not a fifth, of a table of millions may be dead",
        ),
        page.row(
            "autovacuum_vacuum_insert_scale_factor",
            0.05,
            "",
            "payments are only added: the map of visible pages keeps index-only scans cheap",
        ),
        page.row(
            "autovacuum_analyze_scale_factor", 0.02, "", "statistics follow a table that grows"
        ),
    ]


def _planner(request: Request) -> list[Setting]:
    page = _Page(request, "runtime-config-query")
    spinning = request.hardware.has_spinning_disk
    kind = "a turning disk" if spinning else "no disk that turns"
    statistics = _Page(request, "runtime-config-statistics")
    clock = request.hardware.machine.clock.source or ""
    return [
        page.row("random_page_cost", 4.0 if spinning else 1.1, "", f"{kind}: what a seek costs"),
        _Page(request, "runtime-config-resource").row(
            "effective_io_concurrency",
            _reads_at_once(request),
            "",
            f"{kind}: one read a turning disk, hundreds for a disk without a head",
        ),
        page.row("jit", "off", "", "our statements are shorter than compiling them"),
        statistics.row(
            "track_io_timing",
            "on" if clock == "tsc" else "off",
            "",
            f"clock source {clock or 'unknown'}: reading it is "
            + ("cheap, so waits for the disk are measured" if clock == "tsc" else "not cheap"),
        ),
        _Page(request, "runtime-config-logging").row(
            "log_checkpoints", "on", "", "shows whether time or size begins them"
        ),
    ]


def _reads_at_once(request: Request) -> int:
    turning = sum(disk.kind == "hdd" for disk in request.hardware.data_disks)
    return min(turning, READS_AT_ONCE) or READS_AT_ONCE


def _workers(request: Request) -> list[Setting]:
    page = _Page(request, "runtime-config-resource")
    cores = len(request.layout.roles["postgresql"])
    parallel = clamp(cores // 2, 1, 16)
    return [
        page.row(
            "max_worker_processes",
            max(8, cores + 4),
            "",
            "parallel workers and those of extensions; one a core and four",
        ),
        page.row(
            "max_parallel_workers", parallel, "", "reports may have half of PostgreSQL's cores"
        ),
        page.row(
            "max_parallel_workers_per_gather",
            min(2, parallel),
            "",
            "one report does not take them all",
        ),
        page.row(
            "max_parallel_maintenance_workers", min(4, parallel), "", "indexes on grown tables"
        ),
    ]


class _Page:
    """Makes rows that rest on one page of PostgreSQL's documentation."""

    def __init__(self, request: Request, page: str) -> None:
        self._pages = request.pages
        self._page = page

    def row(self, name: str, value: Value, unit: str, why: str) -> Setting:
        """Return a setting."""
        source = self._pages.postgresql(self._page, name)
        return Setting(name=name, value=value, unit=unit, why=why, source=source)


def huge_pages(budget: Budget) -> int:
    """Return how many huge pages hold PostgreSQL's shared memory."""
    return math.ceil(budget.shared_memory / HUGE_PAGE)
