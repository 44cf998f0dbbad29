"""HAProxy of the embedded appliance: appliance/haproxy/haproxy.cfg on this machine.

What it reads lies in the run directory, so that it need not run as root to start.
"""

import os
import shutil
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.embedded.accounts import Account, unprivileged
from appliance.embedded.programs import Program
from rizzpay.core.errors import Misconfigured

TEMPLATE = Path(__file__).resolve().parents[1] / "haproxy" / "haproxy.cfg"
USERS = ("haproxy", "nobody")
# One of its threads does 25,000 requests a second (decision 0021); with more of them than it needs
# they wake each other and take the cores of those who do the work.
CORES_A_THREAD = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is let in: connections in all and of one address, requests in ten seconds.

    Everybody is 127.0.0.1 here, also a load test; production sets limits that mean something.
    """

    connections: int = 4_000
    connections_per_address: int = 3_000
    requests_per_address: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Front:
    """The address to listen on, what to show there, and the workers behind it."""

    address: str
    port: int
    certificate: Path
    sockets: Sequence[Path]
    limits: Limits = Limits()


def find_program() -> Path:
    """Return haproxy; raises Misconfigured when it is not installed."""
    found = shutil.which("haproxy", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if found is None:
        raise Misconfigured("HAProxy is not installed; apt-get install haproxy")
    return Path(found)


def account() -> Account | None:
    """Return who it runs as; in our own group, so that it may use the workers' sockets."""
    found = unprivileged(USERS, [], Path("/nonexistent"))
    return Account(found.name, found.uid, os.getegid()) if found else None


def program(front: Front, run: Path, log: Path, ca_file: Path, stage: int) -> Program:
    """Write what it needs to `run`/haproxy and return how to run it."""
    who = account()
    directory = run / "haproxy"
    directory.mkdir(mode=0o700, exist_ok=True)
    _write(directory / "haproxy.cfg", TEMPLATE.read_text())
    _write(directory / "servers.cfg", servers(front.sockets))
    _write(directory / "machine.cfg", machine(len(os.sched_getaffinity(0))))
    _write(directory / "server.pem", front.certificate.read_text())
    if who is not None:
        for path in (directory, *directory.iterdir()):
            os.chown(path, who.uid, who.gid)
    return Program(
        name="haproxy",
        command=command(find_program(), directory),
        log=log / "haproxy.log",
        stage=stage,
        ready=lambda: answers(front, ca_file),
        environment=environment(front, directory),
        account=who,
    )


def command(haproxy: Path, directory: Path) -> tuple[str, ...]:
    """Return the command line: in the foreground, one process."""
    files = ("haproxy.cfg", "servers.cfg", "machine.cfg")
    named = [part for name in files for part in ("-f", str(directory / name))]
    return (str(haproxy), "-db", *named)


def environment(front: Front, directory: Path) -> dict[str, str]:
    """Return the variables that haproxy.cfg takes."""
    return {
        "RIZZPAY_LISTEN": f"{front.address}:{front.port}",
        "RIZZPAY_CERTIFICATE": str(directory / "server.pem"),
        "RIZZPAY_ADMIN_SOCKET": str(directory / "admin.sock"),
        "RIZZPAY_METRICS_SOCKET": str(directory / "metrics.sock"),
        "RIZZPAY_MAXCONN": str(front.limits.connections),
        "RIZZPAY_ADDRESS_MAXCONN": str(front.limits.connections_per_address),
        "RIZZPAY_ADDRESS_RATE": str(front.limits.requests_per_address),
    }


def servers(sockets: Sequence[Path]) -> str:
    """Return the second file: a server line for each worker."""
    lines = [f"    server {socket.stem} unix@{socket}" for socket in sockets]
    return "\n".join(["backend api from api", *lines]) + "\n"


def machine(cores: int) -> str:
    """Return the third file: what depends on the machine alone."""
    return f"global\n    nbthread {max(1, cores // CORES_A_THREAD)}\n"


def answers(front: Front, ca_file: Path) -> bool:
    """Tell whether it listens and shows the right certificate."""
    context = ssl.create_default_context(cafile=ca_file)
    try:
        with socket.create_connection((front.address, front.port), timeout=2) as plain:
            context.wrap_socket(plain, server_hostname=front.address).close()
    except OSError:
        return False
    return True


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)
