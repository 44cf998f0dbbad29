"""PostgreSQL, a cache with a replica, and its Sentinel, all of them with TLS on TCP."""

import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
import trustme

from appliance.embedded.layout import write_private
from rizzpay.config import CacheSettings

# The one program that Debian calls by several names; what it is called decides what it does.
PROGRAMS = ("valkey-server", "redis-server", "valkey-check-rdb", "redis-check-rdb")
READY_S = 30.0
LOOPBACK = "127.0.0.1"
SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"  # what a client that wants TLS begins with


def free_ports(count):
    """Return ports of 127.0.0.1 that nothing listens on now."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [probe.getsockname()[1] for probe in probes]


def keep(authority, directory, *names):
    """Write the authority, and a certificate with its key for `names`, into a directory."""
    issued = authority.issue_cert(*names)
    authority.cert_pem.write_to_path(directory / "ca.crt")
    issued.private_key_and_cert_chain_pem.write_to_path(directory / "host.pem")
    (directory / "host.pem").chmod(0o600)
    return directory / "host.pem"


@dataclass
class Caches:
    """A primary, its replica and their Sentinel; `settings` is how the service finds them."""

    directory: Path
    ports: list[int]
    settings: CacheSettings
    processes: dict[str, subprocess.Popen[bytes]]
    password: str

    def client(self, port):
        """Return a client of one server, beside the service's own."""
        return redis.Redis(
            host=LOOPBACK,
            port=port,
            password=self.password,
            ssl=True,
            ssl_ca_certs=str(self.directory / "ca.crt"),
        )

    def primary(self):
        """Return the port that the Sentinel calls primary."""
        with self.client(self.ports[2]) as sentinel:
            return sentinel.sentinel_master("rizzpay")["port"]

    def wait_for(self, condition, what):
        """Ask again and again; raises AssertionError when it takes too long."""
        deadline_s = time.monotonic() + READY_S
        while not condition():
            assert time.monotonic() < deadline_s, what
            time.sleep(0.05)

    def start(self, name, settings):
        """Start a server or, by its name, a Sentinel."""
        file = self.directory / f"{name}.conf"
        file.write_text(settings)
        program = self.directory / f"redis-{'sentinel' if name == 'sentinel' else 'server'}"
        if not program.exists():
            found = next(path for path in map(shutil.which, PROGRAMS) if path)
            program.symlink_to(found)
        with (self.directory / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [program, file], stdout=log, stderr=log, cwd=self.directory
            )

    def stop(self):
        """End what was started."""
        for process in self.processes.values():
            process.kill()
            process.wait()


COMMON = """\
bind 127.0.0.1
port 0
tls-port {port}
tls-cert-file host.pem
tls-key-file host.pem
tls-ca-cert-file ca.crt
tls-auth-clients no
tls-replication yes
tls-protocols TLSv1.3
requirepass {password}
"""
SERVER = "masterauth {password}\nsave ''\nrepl-diskless-sync-delay 0\n"
REPLICA = "replicaof 127.0.0.1 {primary}\n"
SENTINEL = """\
sentinel monitor rizzpay 127.0.0.1 {primary} 1
sentinel auth-pass rizzpay {password}
sentinel down-after-milliseconds rizzpay 500
sentinel failover-timeout rizzpay 2000
"""


def start_caches(directory, authority):
    """Start all three and wait until the Sentinel knows the replica."""
    keep(authority, directory, LOOPBACK)
    password = os.urandom(12).hex()
    write_private(directory / "password", password)
    ports = free_ports(3)
    caches = Caches(
        directory,
        ports,
        CacheSettings(
            sentinels=(f"{LOOPBACK}:{ports[2]}",),
            ca_file=str(directory / "ca.crt"),
            password_file=str(directory / "password"),
            timeout_s=2.0,
        ),
        {},
        password,
    )
    words = {"password": password, "primary": ports[0]}
    for name, port, own in (
        ("primary", ports[0], SERVER),
        ("replica", ports[1], SERVER + REPLICA),
        ("sentinel", ports[2], SENTINEL),
    ):
        caches.start(name, (COMMON + own).format(port=port, **words))
    return caches


@pytest.fixture(scope="session")
def authority():
    """The site's authority."""
    return trustme.CA()


@pytest.fixture
def caches(tmp_path, authority):
    """A primary, a replica and a Sentinel with TLS, which the test may kill."""
    caches = start_caches(tmp_path, authority)

    def replica_known():
        try:
            with caches.client(caches.ports[2]) as sentinel:
                return sentinel.sentinel_master("rizzpay")["num-slaves"] == 1
        except redis.RedisError:
            return False

    caches.wait_for(replica_known, "the Sentinel never saw the replica")
    yield caches
    caches.stop()


class TlsDoor:
    """Stands before a PostgreSQL that has no TLS, and has a good certificate for it.

    It is what a machine in the middle is: it reads and writes what goes through.
    """

    def __init__(self, certificate: Path, server: str) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._server = server
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more clients."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # until it is closed
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._let_in, args=(client,), daemon=True).start()

    def _let_in(self, client: socket.socket) -> None:
        with suppress(OSError), client, socket.socket(socket.AF_UNIX) as server:
            assert client.recv(8) == SSL_REQUEST
            client.sendall(b"S")
            with self._context.wrap_socket(client, server_side=True) as inside:
                server.connect(self._server)
                back = threading.Thread(target=_pass_on, args=(server, inside), daemon=True)
                back.start()
                _pass_on(inside, server)
                back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
