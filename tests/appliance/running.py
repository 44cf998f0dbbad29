"""A whole appliance in a process of its own, as a test uses it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from appliance.embedded import layout
from rizzpay import config
from rizzpay.infra.hsm.client import HsmClient

READY_S = 120.0
STOP_S = 60.0
COMMAND_S = 60.0
IMPATIENT = ("--answer-timeout-s", "3")  # the sandbox's slow answers take two seconds


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _own_place() -> Path:
    """Return a data directory that no other has."""
    place = Path(tempfile.mkdtemp(prefix="rzapp", dir="/tmp")) / "data"
    place.parent.chmod(0o711)
    return place


def _take_own_port(place: Path) -> None:
    """Give the sandbox of a new data directory a port that no other takes.

    Two that start at the same moment would both find the usual one free.
    """
    if place.exists():
        return
    place.mkdir()
    (place / layout.MARKER).write_text(layout.MARKER_TEXT)
    (place / "sandbox.port").write_text(f"{free_port()}\n")


@dataclass
class Appliance:
    """`data` is its directory; `output` grows with what it prints."""

    data: Path
    process: subprocess.Popen[str]
    output: list[str] = field(default_factory=list)
    _ready: threading.Event = field(default_factory=threading.Event)
    _listener: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._listener = threading.Thread(target=self._listen, daemon=True)

    @classmethod
    def start(cls, data: Path | None = None, *arguments: str) -> "Appliance":
        """Start one and wait until it says that it is ready; raises AssertionError otherwise."""
        running = cls.launch(data, *arguments)
        running.wait_until_ready()
        return running

    @classmethod
    def launch(cls, data: Path | None = None, *arguments: str) -> "Appliance":
        """Start one and do not wait."""
        place = data or _own_place()
        _take_own_port(place)
        port = [] if "--port" in arguments else ["--port", str(free_port())]
        demo = [] if "--demo" in arguments else ["--no-demo"]
        told = [argument for argument in arguments if argument != "--demo"]
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "appliance.embedded", "serve", "--data", str(place)),
                *(*port, *demo, *told),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        running = cls(place, process)
        running._listener.start()
        return running

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output.append(line)
            if line.startswith("ready "):
                self._ready.set()

    def wait_until_ready(self) -> None:
        end = time.monotonic() + READY_S
        while not self._ready.wait(0.05):
            ended = self.process.poll() is not None
            assert not ended, f"it ended with {self.process.returncode}: {self.text}"
            assert time.monotonic() < end, f"not ready after {READY_S} s: {self.text}"

    @property
    def text(self) -> str:
        """Everything that it has printed."""
        return "".join(self.output)

    @property
    def credentials(self) -> dict[str, Any]:
        return json.loads((self.data / "credentials.json").read_text())

    def pids(self) -> dict[str, Any]:
        """The processes of this moment; `api` is a list, one worker after the other."""
        return self.credentials["pids"]

    @property
    def all_pids(self) -> set[int]:
        flat: set[int] = set()
        for value in self.pids().values():
            flat.update(value if isinstance(value, list) else [value])
        return flat

    @property
    def settings(self) -> config.Config:
        return config.load(self.data / "rizzpay.toml")

    def rizzpay(self, *arguments: str) -> str:
        """Run a command of the service on this installation; return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "rizzpay", "--config", self.data / "rizzpay.toml", *arguments],
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        assert done.returncode == 0, f"rizzpay {arguments}: {done.stderr}"
        return done.stdout

    def audit_public_keys(self) -> dict[str, bytes]:
        """The keys that checkpoints of the audit trail are signed with, by label."""
        hsm = HsmClient(self.settings.hsm.socket)
        labels = [key.label for key in hsm.list_keys() if key.label.startswith("sig-audit")]
        return {label: hsm.public_key(label) for label in labels}

    def superuser(self) -> psycopg.Connection:
        """Connect to its database as PostgreSQL's superuser."""
        return psycopg.connect(
            host=self.settings.database.host,
            port=self.settings.database.port,
            user="postgres",
            password=(self.data / "secrets" / "postgres").read_text().strip(),
            dbname="rizzpay",
            autocommit=True,
        )

    def flush_to_disk(self) -> None:
        """Have PostgreSQL write what it holds in memory to its files."""
        with self.superuser() as conn:
            conn.execute("CHECKPOINT")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop it as an operator does; return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self._end()

    def kill(self) -> None:
        """Kill the supervisor as the kernel does when memory is short."""
        os.kill(self.process.pid, signal.SIGKILL)
        self._end()

    def _end(self) -> int:
        status = self.process.wait(STOP_S)
        self._listener.join(STOP_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status

    def remove(self) -> None:
        """Delete what it stored and its run directory."""
        shutil.rmtree(layout.of(self.data).run, ignore_errors=True)
        shutil.rmtree(self.data.parent)
