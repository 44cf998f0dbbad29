"""Looks at the machine and its neighbours: disk, clock, reachability. It judges nothing."""

import shutil
import socket
from datetime import datetime

from rizzpay.core import clock
from rizzpay.infra.database import Connection

SERVER_TIME = "SELECT clock_timestamp()"


def server_time(conn: Connection) -> datetime:
    """Return what time PostgreSQL has; the shortest question that it can answer."""
    row = conn.execute(SERVER_TIME).fetchone()
    if row is None:
        raise RuntimeError("PostgreSQL does not know what time it is")
    at: datetime = row[0]
    return at


def disk_free_bytes(directory: str) -> int:
    """Return the free space where `directory` lies."""
    return shutil.disk_usage(directory).free


def connect_s(host: str, port: int, timeout_s: float) -> float | None:
    """Return how long a TCP connection takes; None when there is none in time."""
    began_s = clock.monotonic_s()
    try:
        with socket.create_connection((host, port), timeout=timeout_s):
            return clock.monotonic_s() - began_s
    except OSError:
        return None
