"""The appliance that is measured: script/server's, with a temporary data directory.

Started as a subprocess, because this package imports nothing of it. It is stopped on the way out,
also on Ctrl-C and SIGTERM.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from capacity import installation
from capacity.errors import Unreachable
from capacity.installation import Installation

ROOT = Path(__file__).resolve().parents[2]
READY_S = 120.0  # a first start compiles every module and makes a cluster
STOP_S = 60.0
RELOAD_S = 30.0
TOGETHER = "commit_together"


@dataclass(frozen=True, slots=True)
class Appliance:
    """One that runs."""

    data: Path
    process: subprocess.Popen[bytes]
    log: Path

    def installation(self) -> Installation:
        """Return it as a client sees it."""
        return installation.read(self.data / "credentials.json", self.data / "rizzpay.toml")

    def superuser_password(self) -> str:
        """Return the password of PostgreSQL's superuser."""
        return (self.data / "secrets" / "postgres").read_text().strip()

    def commit_together(self, *, on: bool) -> None:
        """Switch group commit and reload the API workers; raises Unreachable when that hangs."""
        file = self.data / "rizzpay.toml"
        lines = [
            f"{TOGETHER} = {str(on).lower()}" if line.startswith(f"{TOGETHER} =") else line
            for line in file.read_text().splitlines()
        ]
        if not any(line.startswith(TOGETHER) for line in lines):
            raise Unreachable(f"{file} has no {TOGETHER}")
        file.write_text("\n".join(lines) + "\n")
        file.chmod(0o600)
        found = self.installation()
        before = set(found.pids()["api"])
        for pid in found.pids()["api_arbiters"]:
            os.kill(pid, signal.SIGHUP)  # gunicorn: new workers, the old ones finish
        end = time.monotonic() + RELOAD_S
        while before & _alive(before) or len(found.pids()["api"]) != len(before):
            if time.monotonic() > end:
                raise Unreachable(f"the API workers do not reload; see {self.data / 'log'}")
            time.sleep(0.1)


@contextmanager
def running(workers: int) -> Iterator[Appliance]:
    """Start one with so many API workers, and stop and delete it afterwards."""
    place = Path(tempfile.mkdtemp(prefix="rizzpay-bench-"))
    place.chmod(0o711)  # PostgreSQL's account passes through
    log = place / "appliance.log"
    command = [
        *(sys.executable, "-P", "-m", "appliance.embedded", "serve", "--data", str(place / "data")),
        *("--port", str(_free_port()), "--workers", str(workers)),
        *("--no-demo", "--upi-links", "own"),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own program
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            start_new_session=True,  # Ctrl-C is for us; we stop it
        )
    try:
        with _terminable():
            _wait(process, log)
            yield Appliance(place / "data", process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_S)
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end us as Ctrl-C does, so that the appliance is stopped."""

    def end(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _wait(process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + READY_S
    while "\nready " not in (said := log.read_text()):
        if process.poll() is not None:
            lines = said.strip().splitlines()
            raise Unreachable(f"the appliance does not start: {lines[-1] if lines else ''}")
        if time.monotonic() > end:
            raise Unreachable(f"the appliance is not ready after {READY_S:g} s")
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _alive(pids: set[int]) -> set[int]:
    return {pid for pid in pids if Path(f"/proc/{pid}").exists()}
