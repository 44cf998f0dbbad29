"""What has to be there before anything starts: each missing thing is one sentence."""

import errno
import shutil
import socket
from pathlib import Path

import psutil

from appliance.embedded import postgres, proxy, softhsm, valkey
from rizzpay.core.errors import Misconfigured

MIB = 1024 * 1024
# A new cluster takes 40 MiB and its log 80 MiB; readiness begins to complain below 256 MiB.
DISK_FREE_MIN_BYTES = 512 * MIB
PORTS = range(20_000, 30_000)  # below those that the kernel gives to outgoing connections


def check_programs(postgres_dir: Path | None) -> None:
    """Raise Misconfigured when a program of the appliance is not installed."""
    postgres.find_programs(postgres_dir)
    valkey.find_program()
    proxy.find_program()
    softhsm.check_installed()


def check_disk(data: Path) -> None:
    """Raise Misconfigured when the disk of the data directory is nearly full."""
    place = next(path for path in (data, *data.parents) if path.exists())
    free = shutil.disk_usage(place).free
    if free < DISK_FREE_MIN_BYTES:
        raise Misconfigured(
            f"only {free // MIB} MiB are free on the disk of {data}, and RizzPay needs "
            f"{DISK_FREE_MIN_BYTES // MIB}; make room, or choose another place with --data"
        )


def check_port(port: int) -> None:
    """Raise Misconfigured when something listens on the port of the API."""
    if not is_free(port):
        raise Misconfigured(
            f"port {port} of 127.0.0.1 is taken{_holder(port)}; "
            "stop what listens there, or choose another port with --port"
        )


def is_free(port: int) -> bool:
    """Tell whether we could listen on a port of 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True


def free_port(first: int, name: str) -> int:
    """Return `first` if it is free, else a free one that depends on `name` alone."""
    if is_free(first):
        return first
    start = sum(name.encode()) * 7919 % len(PORTS)
    for offset in range(len(PORTS)):
        port = PORTS[(start + offset) % len(PORTS)]
        if is_free(port):
            return port
    raise Misconfigured("no port of 127.0.0.1 is free")


def _holder(port: int) -> str:
    """Return who listens on a port, as far as we may know."""
    try:
        found = [
            connection.pid
            for connection in psutil.net_connections("tcp4")
            if connection.laddr and connection.laddr.port == port and connection.pid
        ]
        return f" by process {found[0]} ({psutil.Process(found[0]).name()})" if found else ""
    except psutil.Error:
        return ""
