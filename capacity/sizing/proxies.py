"""HAProxy and Valkey."""

from capacity import cpus
from capacity.sizing import sources
from capacity.sizing.memory import Budget
from capacity.sizing.plan import Setting, Value
from capacity.sizing.request import MIB, Request

THREADS_MAX = 64  # HAProxy: a thread group has at most as many as a machine word has bits
FILES_A_CLIENT = 2  # its socket, and the one to the worker
FILES_BASE = 1024
VALKEY_POOL = 32  # connections of one process, rizzpay/infra/cache.py
VALKEY_SPARE = 128  # console, monitoring, sentinels, replicas


def proxy_cpus(request: Request) -> tuple[int, ...]:
    """Return the CPUs on which HAProxy's threads are, one each."""
    return request.layout.cpus("haproxy")[:THREADS_MAX]


def haproxy(request: Request, budget: Budget) -> list[Setting]:
    """Return what stands in HAProxy's section `global`, and its unit's limit of files."""
    chosen = proxy_cpus(request)
    pages = request.pages
    rows: list[tuple[str, Value, str, str, str]] = [
        (
            "nbthread",
            len(chosen),
            "",
            "one thread a CPU of HAProxy; its threads share connections, processes would not",
            pages.haproxy("3.1-nbthread"),
        ),
        (
            "cpu-map",
            f"auto:1/1-{len(chosen)} {cpus.text(chosen)}",
            "",
            "each thread stays on its CPU, near to the network card",
            pages.haproxy("3.1-cpu-map"),
        ),
        (
            "maxconn",
            budget.proxy_connections,
            "connections",
            "ten keep-alive ones for each payment a second of the peak, within a twentieth of RAM",
            pages.haproxy("3.2-maxconn"),
        ),
        (
            "limit_nofile",
            FILES_BASE + budget.proxy_connections * FILES_A_CLIENT,
            "files",
            "two sockets a client; HAProxy lowers maxconn when it may not have them",
            pages.haproxy("3.2-maxconn"),
        ),
    ]
    return [_row(*row) for row in rows]


def valkey(request: Request, budget: Budget) -> list[Setting]:
    """Return what stands in valkey.conf or redis.conf."""
    processes = request.api_workers + request.layout.workers
    rows: list[tuple[str, Value, str, str, str]] = [
        (
            "maxmemory",
            budget.valkey // MIB,
            "mb",
            "a sixty-fourth of RAM: rate limits and sessions, nothing that is the only copy",
            sources.VALKEY_EVICTION,
        ),
        (
            "maxmemory-policy",
            "volatile-ttl",
            "",
            "everything has a time to live; what would go soonest goes first",
            sources.VALKEY_EVICTION,
        ),
        (
            "maxclients",
            processes * VALKEY_POOL + VALKEY_SPARE,
            "connections",
            "32 for each process, and 128 for console, monitoring and replicas",
            sources.VALKEY_CLIENTS,
        ),
        (
            "save",
            '""',
            "",
            "no snapshots: nothing to lose, and no fork that copies pages under load",
            sources.VALKEY_PERSISTENCE,
        ),
        (
            "appendonly",
            "no",
            "",
            "a flush of the cache must lose no payment, so it needs no log",
            sources.VALKEY_PERSISTENCE,
        ),
        (
            "io-threads",
            1,
            "",
            "leases ask it some hundred times a second; one thread does 100,000",
            sources.VALKEY_CONF,
        ),
    ]
    return [_row(*row) for row in rows]


def _row(name: str, value: Value, unit: str, why: str, source: str) -> Setting:
    return Setting(name=name, value=value, unit=unit, why=why, source=source)
