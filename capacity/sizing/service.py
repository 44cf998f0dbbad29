"""Workers and connection pools of our own service (rizzpay.toml and systemd)."""

import math

from capacity.sizing import sources
from capacity.sizing.plan import Setting
from capacity.sizing.request import Request, clamp

# A worker writes through one connection (the group-commit writer), reads through the others, and
# wants one more while a slow report or a failover holds some.
POOL_MIN = 4
POOL_MAX = 16
READ_S = 0.010  # a look-up at p99 under load, docs/capacity.md; its mean is far below
READS_A_PAYMENT = 1.0  # GET /v1/payments/{id} while a customer waits
WRITERS = 1
WORKER_POOL = 8  # lanes of the background worker: inbox, outbox, resolver, expiry, partitions
FILES_A_CONNECTION = 2  # a socket to HAProxy, and what it waits for
FILES_BASE = 1024  # logs, metrics, libraries, pool
CONNECTIONS_A_WORKER = 512  # haproxy.cfg, default-server maxconn


def settings(request: Request) -> list[Setting]:
    """Return workers and pools."""
    return [
        Setting(
            name="api_workers",
            value=request.api_workers,
            unit="",
            why=(
                "one process a core of the API; enough for the peak at 70 % busy, and one more for "
                "reloads. More would make the batches of the group commit smaller"
            ),
            source=request.costs.source,
        ),
        Setting(
            name="api_pool_size",
            value=pool_size(request),
            unit="connections",
            why=(
                "a worker's share of the peak's reads at their p99, its writer, and one in hand; a "
                "larger pool only moves the queue into PostgreSQL"
            ),
            source=sources.LITTLE,
        ),
        Setting(
            name="worker_processes",
            value=request.layout.workers,
            unit="",
            why="applies callbacks and delivers webhooks; enough for the peak at 70 % busy",
            source=request.costs.source,
        ),
        Setting(
            name="worker_pool_size",
            value=WORKER_POOL,
            unit="connections",
            why="one for each lane of the background worker",
            source=sources.OURS,
        ),
        Setting(
            name="api_limit_nofile",
            value=files(),
            unit="files",
            why="HAProxy sends at most 512 connections to a worker; two files each, and the rest",
            source=request.pages.haproxy("5.2-maxconn"),
        ),
    ]


def pool_size(request: Request) -> int:
    """Return the connections of one API worker."""
    reads = request.tps / max(request.api_workers, 1) * READS_A_PAYMENT * READ_S
    return clamp(math.ceil(reads) + WRITERS + 1, POOL_MIN, POOL_MAX)


def connections(request: Request) -> int:
    """Return the connections of all API workers and background workers."""
    return request.api_workers * pool_size(request) + request.layout.workers * WORKER_POOL


def files() -> int:
    """Return the open files that an API worker may have."""
    return FILES_BASE + CONNECTIONS_A_WORKER * FILES_A_CONNECTION
