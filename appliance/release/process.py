"""What a rolling upgrade does to one API process: take it out of the balance, look, take it back.

    python -m appliance.release.process drain|healthy|ready NUMBER

`drain` and `ready` speak to the admin socket of the host's HAProxy; `drain` waits until nobody is
served any more. `healthy` asks the process itself until payments can be taken. A host without
HAProxy has nothing to drain. Exit status: 0 done, 1 not in time, 2 HAProxy refused.
"""

import argparse
import csv
import http.client
import io
import socket
import sys
import time
from pathlib import Path

SOCKET = Path("/run/haproxy/admin.sock")
PROCESSES = Path("/run/rizzpay")
HEALTHY_S = 60.0  # a process waits so long for PostgreSQL and the HSM
OK = 200
BACKEND = "api"
PATIENCE_S = 25.0  # an answer takes 20 s at most
LOOK_EVERY_S = 0.1
READ_BYTES = 65536


def ask(path: Path, command: str) -> str:
    """Send one command and return what HAProxy says."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(5.0)
        sock.connect(str(path))
        sock.sendall(command.encode() + b"\n")
        said = b""
        while part := sock.recv(READ_BYTES):
            said += part
    return said.decode().strip()


def _has_proxy(path: Path) -> bool:
    """Tell whether HAProxy runs; one that was stopped may leave its socket behind."""
    try:
        ask(path, "show version")
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    return True


def serving(path: Path, server: str) -> int:
    """Return how many requests the server has in hand, and waiting for it."""
    table = ask(path, "show stat").removeprefix("# ")
    for row in csv.DictReader(io.StringIO(table)):
        if (row["pxname"], row["svname"]) == (BACKEND, server):
            return int(row["scur"] or 0) + int(row["qcur"] or 0)
    return 0


def drain(path: Path, server: str, patience_s: float = PATIENCE_S) -> bool:
    """Wait until nothing is in hand; tell whether that was in time."""
    until_s = time.monotonic() + patience_s
    while serving(path, server):
        if time.monotonic() > until_s:
            return False
        time.sleep(LOOK_EVERY_S)
    return True


def healthy(path: Path, patience_s: float = HEALTHY_S) -> bool:
    """Ask the process on a socket until it takes payments; tell whether that was in time."""
    until_s = time.monotonic() + patience_s
    while not _takes_payments(path):
        if time.monotonic() > until_s:
            return False
        time.sleep(LOOK_EVERY_S)
    return True


def _takes_payments(path: Path) -> bool:
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.settimeout(5.0)
    try:
        connection.sock.connect(str(path))
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description="One API process in a rolling upgrade.")
    parser.add_argument("action", choices=("drain", "healthy", "ready"))
    parser.add_argument("number", type=int)
    parser.add_argument("--admin-socket", type=Path, default=SOCKET)
    parser.add_argument("--processes", type=Path, default=PROCESSES)
    chosen = parser.parse_args()
    server, admin = f"api-{chosen.number}", chosen.admin_socket
    if chosen.action == "healthy":
        done = healthy(chosen.processes / f"{server}.sock")
    elif not _has_proxy(admin):
        done = True
    else:
        if said := ask(admin, f"set server {BACKEND}/{server} state {chosen.action}"):
            print(said, file=sys.stderr)
            raise SystemExit(2)
        done = chosen.action == "ready" or drain(admin, server)
    if not done:
        print(f"{server}: not in time", file=sys.stderr)
        raise SystemExit(1)


if __name__ == "__main__":
    main()
