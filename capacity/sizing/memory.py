"""Who gets how much of the main memory. Everything else is measured against this table."""

from dataclasses import dataclass

from capacity.sizing import service
from capacity.sizing.plan import Share
from capacity.sizing.request import GIB, MIB, Request, clamp

SYSTEM_SHARE, SYSTEM_MIN, SYSTEM_MAX = 32, 512 * MIB, 4 * GIB  # kernel, journal, sshd, agents
API_WORKER = 150 * MIB  # the bar of issue 3: resident memory of a worker under load
WORKER = 200 * MIB  # batches of callbacks and webhooks in hand
HSM_DAEMON = 128 * MIB
BACKEND = 10 * MIB  # a PostgreSQL backend's own memory: catalogue caches, plans, stack
# HAProxy 2.6: two buffers of 16 KiB, a stream and OpenSSL's state of a TLS 1.3 connection.
PROXY_CONNECTION = 100 * 1024
PROXY_BASE = 64 * MIB
PROXY_SHARE = 20  # at most a twentieth of the memory for client connections
PROXY_CONNECTIONS_MIN, PROXY_CONNECTIONS_MAX = 1_000, 50_000
CLIENTS_A_TPS = 10  # keep-alive connections: a merchant's server holds some that are idle
VALKEY_SHARE, VALKEY_MIN, VALKEY_MAX = 64, 64 * MIB, 2 * GIB
VALKEY_OVERHEAD = 2  # buffers of clients and of replicas, and fragmentation: half as much again,
# and a replica that synchronises copies what changes meanwhile
BUFFERS_SHARE = 4  # PostgreSQL: "a reasonable starting value for shared_buffers is 25%"
BUFFERS_NODE_SHARE = 2  # of one NUMA node, so that the buffers can lie beside their backends
BUFFERS_MIN = 64 * MIB
BUFFERS_STEP = 8 * MIB
# Beside the buffers stand their headers, locks, WAL buffers and a slot for each connection.
# `postgres -C shared_memory_size` on 2026-11-21, versions 15 and 18, 64 MB to 32 GB of buffers, 50
# to 500 connections: 2.2 to 3.2 % from 6 GB on, and 8 to 16 MB + 0.09 MB a connection with little.
BUFFERS_OVERHEAD = 20  # one part in twenty
SHARED_BASE, SHARED_A_BACKEND = 16 * MIB, 128 * 1024
SPARE_BACKENDS = 20  # Patroni 2, monitoring 2, backup 2, people and migrations 9, superusers 5
WORK_SHARE = 8
WORK_MIN, WORK_MAX = 4 * MIB, 32 * MIB
MAINTENANCE_SHARE, MAINTENANCE_MIN, MAINTENANCE_MAX = 32, 64 * MIB, GIB
AUTOVACUUM_SHARE, AUTOVACUUM_MIN, AUTOVACUUM_MAX = 128, 64 * MIB, 512 * MIB  # 89 M dead rows
AUTOVACUUM_WORKERS_MIN, AUTOVACUUM_WORKERS_MAX = 3, 6


@dataclass(frozen=True, slots=True)
class Budget:
    """Sizes in bytes."""

    total: int
    shared_buffers: int
    shared_memory: int  # with everything that stands beside the buffers
    work_mem: int
    maintenance_work_mem: int
    autovacuum_work_mem: int
    autovacuum_workers: int
    proxy_connections: int
    valkey: int
    shares: list[Share]

    @property
    def page_cache(self) -> int:
        """What is left; PostgreSQL counts on it. Below zero the machine is too small."""
        return self.total - sum(part.size_bytes for part in self.shares)


def budget(request: Request, backends: int) -> Budget:
    """Divide the memory; `backends` is PostgreSQL's max_connections."""
    total = request.hardware.memory_bytes
    buffers = shared_buffers(request)
    shared = buffers + buffers // BUFFERS_OVERHEAD + SHARED_BASE + backends * SHARED_A_BACKEND
    work = clamp(total // WORK_SHARE / backends, WORK_MIN, WORK_MAX) // MIB * MIB
    maintenance = clamp(total // MAINTENANCE_SHARE, MAINTENANCE_MIN, MAINTENANCE_MAX) // MIB * MIB
    vacuum = clamp(total // AUTOVACUUM_SHARE, AUTOVACUUM_MIN, AUTOVACUUM_MAX) // MIB * MIB
    cores = len(request.layout.roles["postgresql"])
    workers = clamp(cores, AUTOVACUUM_WORKERS_MIN, AUTOVACUUM_WORKERS_MAX)
    clients = proxy_connections(request)
    valkey = clamp(total // VALKEY_SHARE, VALKEY_MIN, VALKEY_MAX) // MIB * MIB
    # Half of the backends sort at once: pools are for peaks, and most statements sort nothing.
    sorting = backends // 2 * work
    shares = [
        ("system", clamp(total // SYSTEM_SHARE, SYSTEM_MIN, SYSTEM_MAX)),
        ("postgresql shared memory", shared),
        ("postgresql backends", backends * BACKEND),
        ("postgresql sorts", sorting),
        ("postgresql maintenance", maintenance + workers * vacuum),
        ("api", request.api_workers * API_WORKER),
        ("worker", request.layout.workers * WORKER),
        ("hsmd", HSM_DAEMON),
        ("haproxy", PROXY_BASE + clients * PROXY_CONNECTION),
        ("valkey", valkey * VALKEY_OVERHEAD),
    ]
    return Budget(
        total=total,
        shared_buffers=buffers,
        shared_memory=shared,
        work_mem=work,
        maintenance_work_mem=maintenance,
        autovacuum_work_mem=vacuum,
        autovacuum_workers=workers,
        proxy_connections=clients,
        valkey=valkey,
        shares=[Share(name=name, size_bytes=size) for name, size in shares],
    )


def page_cache(budget: Budget) -> Share:
    """Return the share of the page cache; 0 on a machine that is too small."""
    return Share(name="page cache", size_bytes=max(budget.page_cache, 0))


def shared_buffers(request: Request) -> int:
    """Return the size of PostgreSQL's buffers: a quarter of RAM, at most half a NUMA node."""
    hardware = request.hardware
    most = hardware.memory_bytes // BUFFERS_SHARE
    homes = request.layout.nodes("postgresql")
    if len(hardware.machine.nodes) > 1 and len(homes) == 1:
        home = next(node for node in hardware.machine.nodes if node.node in homes)
        most = min(most, home.memory_bytes // BUFFERS_NODE_SHARE)
    return max(most // BUFFERS_STEP * BUFFERS_STEP, BUFFERS_MIN)


def proxy_connections(request: Request) -> int:
    """Return the client connections that HAProxy may hold."""
    room = request.hardware.memory_bytes // PROXY_SHARE // PROXY_CONNECTION
    most = clamp(room, PROXY_CONNECTIONS_MIN, PROXY_CONNECTIONS_MAX)
    return clamp(request.target.peak_tps * CLIENTS_A_TPS, PROXY_CONNECTIONS_MIN, most)


def backends(request: Request) -> int:
    """Return PostgreSQL's max_connections."""
    return service.connections(request) * request.target.api_hosts + SPARE_BACKENDS
