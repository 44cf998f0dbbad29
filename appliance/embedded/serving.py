"""The order in which the appliance starts, and what it tells."""

import http.client
import json
import os
import socket
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from appliance.embedded import (
    certificates,
    demonstration,
    layout,
    lock,
    merchant,
    overlay,
    postgres,
    preflight,
    programs,
    proxy,
    settings,
    softhsm,
    valkey,
)
from appliance.embedded.layout import ROOT, Layout
from appliance.embedded.programs import Program
from appliance.embedded.settings import Addresses, Parts
from appliance.embedded.supervisor import Interrupted, Supervisor, end_leftovers, interruptible
from rizzpay.config import Config, DatabaseSettings, UpiLinks
from rizzpay.core import clock
from rizzpay.core.errors import Unavailable
from rizzpay.infra import log, migrations
from rizzpay.infra.database import Role
from rizzpay.infra.hsm.client import HsmClient

SANDBOX_PORT = 8090
WORKER_READY_S = 60.0  # a first start compiles every module, on a machine that does much at once
POOL_SIZE = 8
SPARE_CONNECTIONS = 64  # commands, tests, a superuser; pgbench with its 32 clients
# Stages of stopping: the front door first, the database last.
DATABASE, PARTS, SERVICE, DOOR = range(4)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says. `workers` 0 means as many as this machine should have."""

    data: Path
    port: int
    workers: int
    postgres: Path | None
    wants_demonstration: bool
    begins_anew: bool
    upi_links: UpiLinks = "acquirer"
    answer_timeout_s: float = settings.ANSWER_TIMEOUT_S
    overlay: Path | None = None


def workers_for(cores: int) -> int:
    """Return how many API workers a machine gets: half of its cores, but two of two.

    The other half is for PostgreSQL, the worker and HAProxy. The capacity plan of a production
    machine says it better.
    """
    return max(1, min(cores, 2), cores // 2)


def serve(options: Options) -> None:
    """Run the appliance until Ctrl-C or SIGTERM. Raises Misconfigured with one sentence."""
    log.configure("warning")  # of the parts of the service that are used here
    preflight.check_programs(options.postgres)
    place = layout.of(options.data)
    preflight.check_disk(place.data)
    layout.claim(place)
    with lock.held(place.lock):
        record = place.data / "processes.json"
        end_leftovers(record)
        if options.begins_anew:
            layout.wipe(place)
        preflight.check_port(options.port)
        layout.prepare(place)
        supervisor = Supervisor(record, say)
        try:
            with interruptible():
                Start(options, place, supervisor).run()
                supervisor.watch()
        except Interrupted:
            say("stopping", "everything that was started here")
        finally:
            supervisor.stop()
            layout.leave(place)
    say("stopped", f"the data is in {place.data}")


def say(subject: str, text: str) -> None:
    """Tell the person at the terminal."""
    print(f"{subject:<10} {text}", flush=True)


@dataclass(slots=True)
class Start:
    """One start from nothing running to ready."""

    options: Options
    place: Layout
    supervisor: Supervisor

    def run(self) -> None:
        """Start everything, show a payment, say that we are ready."""
        began_s = clock.monotonic_s()
        place, supervisor = self.place, self.supervisor
        cores = sorted(os.sched_getaffinity(0))
        workers = self.options.workers or workers_for(len(cores))
        addresses = Addresses(self.options.port, self._sandbox_port())
        ca_file, certificate = certificates.ensure(place.data / "tls", clock.now())
        parts = Parts(
            self._database(workers),
            valkey.settings(place.run / "valkey.sock", place.secret("valkey")),
            softhsm.init_token(place.data / "hsm", place.run / "hsm.sock"),
        )
        options = self.options
        config = settings.build(
            place, addresses, parts, options.upi_links, options.answer_timeout_s
        )
        if options.overlay is not None:
            config = overlay.apply(config, options.overlay)
        layout.write_private(place.config, settings.toml(config))
        self._migrate(config)
        supervisor.start_all(
            [
                valkey.program(parts.cache, place.log, PARTS),
                self._hsmd(config),
                self._sandbox(addresses, ca_file),
            ]
        )
        say("parts", "Valkey, rizzpay-hsmd with a SoftHSM token, sandbox acquirer")
        self._rizzpay("keys", "init")
        credentials = merchant.ensure(config, place.data / "secrets" / "merchant.json")
        sockets = [place.run / f"api-{core}.sock" for core in self._cores(workers, cores)]
        supervisor.start_all([self._api(path) for path in sockets] + [self._worker()])
        say("service", f"{workers} API worker{'s' if workers > 1 else ''}, one worker")
        front = proxy.Front("127.0.0.1", self.options.port, certificate, sockets)
        supervisor.start(proxy.program(front, place.run, place.log, ca_file, DOOR))
        say("door", f"HAProxy with TLS 1.3 on {addresses.api}, authority {ca_file}")
        supervisor.on_change = lambda: self._write_credentials(addresses, ca_file, credentials)
        supervisor.on_change()
        if self.options.wants_demonstration:
            shop = demonstration.Shop(
                addresses.api, ca_file, credentials.key_id, credentials.key_secret
            )
            demonstration.show(shop, f"{addresses.sandbox}/inbox/demonstration", say)
        say("", f"{place.credentials} has the address and a key; Ctrl-C stops everything")
        took_s = clock.monotonic_s() - began_s
        print(f"ready {addresses.api} after {took_s:.1f} s", flush=True)

    def _database(self, workers: int) -> DatabaseSettings:
        """Start PostgreSQL with roles and database."""
        place = self.place
        passwords = {role: place.secret(role.value) for role in Role}
        cluster = postgres.cluster(
            place.data / "postgres",
            place.run / "postgres",
            place.secret("postgres"),
            self.options.postgres,
        )
        cluster.create()
        connections = (workers + 1) * POOL_SIZE + SPARE_CONNECTIONS
        cluster.configure(postgres.Sizing(psutil.virtual_memory().total, connections))
        self.supervisor.start(cluster.program(place.log, DATABASE))
        cluster.prepare(ROOT / "sql" / "roles.sql", passwords)
        who = f" as {cluster.account.name}" if cluster.account else ""
        say("postgres", f"{postgres.major_version(cluster.programs)}{who}, {cluster.data}")
        return postgres.settings(cluster.socket_dir, passwords)

    def _migrate(self, config: Config) -> None:
        done = migrations.apply(config.database, ROOT / "sql" / "migrations", lambda _: None)
        last = f", the last is {done[-1].name}" if done else ""
        say("schema", f"{len(done)} migration{'' if len(done) == 1 else 's'} applied{last}")

    def _hsmd(self, config: Config) -> Program:
        return self._program("hsmd", PARTS, lambda: _hsm_ready(config.hsm.socket), "hsmd")

    def _sandbox(self, addresses: Addresses, ca_file: Path) -> Program:
        place = self.place
        return self._program(
            "sandbox",
            PARTS,
            lambda: _answers(http.client.HTTPConnection("127.0.0.1", addresses.sandbox_port)),
            *("sandbox", "--listen", f"127.0.0.1:{addresses.sandbox_port}"),
            *("--data", str(place.data / "sandbox")),
            *("--key-id", settings.SANDBOX, "--secret-file", str(place.secret("sandbox"))),
            *("--callback-secret-file", str(place.secret("sandbox_callback"))),
            *("--callback-ca-file", str(ca_file)),
            *("--upi-payee-vpa", settings.PAYEE_VPA, "--upi-callback-url", addresses.callbacks),
        )

    def _api(self, path: Path) -> Program:
        core = path.stem.removeprefix("api-")
        pin = ["--pin"] if self._is_pinned() else []
        return self._program(
            path.stem,
            SERVICE,
            lambda: _answers(_UnixConnection(path)),
            "serve",
            "--core",
            core,
            *pin,
        )

    def _worker(self) -> Program:
        return self._program("worker", SERVICE, lambda: True, "work")

    def _program(self, name: str, stage: int, ready: programs.Ready, *arguments: str) -> Program:
        """Return a program that is a subcommand of rizzpay."""
        return Program(
            name=name,
            command=(*self._command(), *arguments),
            log=self.place.log / f"{name}.log",
            stage=stage,
            ready=ready,
            environment={"PROMETHEUS_MULTIPROC_DIR": str(self.place.metrics)},
            ready_s=WORKER_READY_S,
            has_workers=name.startswith("api-"),
        )

    def _rizzpay(self, *arguments: str) -> None:
        programs.run([*self._command(), *arguments], f"rizzpay {' '.join(arguments)}")

    def _command(self) -> tuple[str, ...]:
        return (sys.executable, "-m", "rizzpay", "--config", str(self.place.config))

    def _is_pinned(self) -> bool:
        """Pin workers to cores when the machine has cores to spare; two cores are shared by all."""
        cores = len(os.sched_getaffinity(0))
        return self.options.workers == 0 and workers_for(cores) < cores

    def _cores(self, workers: int, cores: list[int]) -> list[int]:
        """Return the numbers of the workers: the cores that they run on, when they are pinned."""
        return cores[:workers] if self._is_pinned() else list(range(workers))

    def _sandbox_port(self) -> int:
        """Return the port of last time, which merchants' webhook endpoints name, if it is free."""
        file = self.place.data / "sandbox.port"
        first = int(file.read_text()) if file.exists() else SANDBOX_PORT
        port = preflight.free_port(first, str(self.place.data))
        if file.exists() and port != first:
            say("sandbox", f"port {first} is taken; webhook endpoints there have to move to {port}")
        file.write_text(f"{port}\n")
        return port

    def _write_credentials(
        self, addresses: Addresses, ca_file: Path, credentials: merchant.Credentials
    ) -> None:
        found = {
            "base_url": addresses.api,
            "ca_file": str(ca_file),
            **asdict(credentials),
            "sandbox_url": addresses.sandbox,
            "webhook_url_hint": f"{addresses.sandbox}/inbox/demo",
            "pids": shown_pids(self.supervisor.pids()),
        }
        layout.write_private(self.place.credentials, json.dumps(found, indent=2) + "\n")


def shown_pids(families: dict[str, list[int]]) -> dict[str, int | list[int]]:
    """Return the process ids for credentials.json; empty when nothing runs any more.

    `api` are the workers that serve, in the order of their sockets; `api_arbiters` are the
    processes that started them and start them again.
    """
    if not families:
        return {}
    apis = [pids for name, pids in families.items() if name.startswith("api-")]
    return {
        "supervisor": os.getpid(),
        "api": [pid for pids in apis for pid in pids[1:]],
        "api_arbiters": [pids[0] for pids in apis if pids],
        **{name: pids[0] for name, pids in families.items() if pids and name[:4] != "api-"},
    }


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(5)
        self.sock.connect(str(self._path))


def _answers(connection: http.client.HTTPConnection) -> bool:
    """Tell whether GET /health/live, or the sandbox's /health, is answered with 200."""
    path = "/health/live" if isinstance(connection, _UnixConnection) else "/health"
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _hsm_ready(path: str) -> bool:
    try:
        return HsmClient(path).status().ready
    except Unavailable:
        return False
