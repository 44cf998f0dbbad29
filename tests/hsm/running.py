"""A real rizzpay-hsmd on a real SoftHSM token, which a test may kill, starve and bring back."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from appliance.embedded.softhsm import init_token
from rizzpay.config import DatabaseSettings
from rizzpay.core.errors import RizzPayError, Unavailable
from rizzpay.infra.hsm.client import HsmClient
from rizzpay.infra.hsm.protocol import HsmStatus

START_S = 20.0  # a loaded machine starts Python slowly
NO_DATABASE = DatabaseSettings("/nowhere", 5432, "none", "none", "none", "none")


class Hsmd:
    """The daemon's process and everything that it stands on."""

    def __init__(self, directory: Path, database: DatabaseSettings = NO_DATABASE) -> None:
        self.directory = directory
        self.settings = init_token(directory / "token", directory / "h.sock")
        self.database = database
        self.config = directory / "rizzpay.toml"
        self.log = directory / "hsmd.log"
        self.environment: dict[str, str] = {}
        self.process: subprocess.Popen[bytes] | None = None
        self.client = HsmClient(self.settings.socket)
        self.write_config()

    def write_config(self, **changes: object) -> None:
        """Write rizzpay.toml, with changed settings of the HSM."""
        self.settings = msgspec.structs.replace(self.settings, **changes)
        whole: dict[str, dict[str, object]] = {
            "service": {
                "deployment": "embedded",
                "run_dir": str(self.directory),
                "public_url": "https://127.0.0.1:8443",
                "data_dir": str(self.directory),
            },
            "database": msgspec.to_builtins(self.database),
            "cache": {},
            "hsm": msgspec.to_builtins(self.settings),
        }
        lines = []
        for section, values in whole.items():
            lines.append(f"[{section}]")
            lines += [f"{name} = {json.dumps(value)}" for name, value in values.items()]
        self.config.write_text("\n".join(lines) + "\n")

    def start(self) -> "Hsmd":
        """Start it and wait until it answers, with or without a token."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rizzpay", "--config", str(self.config), "hsmd"],
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
            )
        self.client = HsmClient(self.settings.socket)
        self.wait_for(lambda _: True)
        return self

    def with_keys(self) -> "Hsmd":
        """Make the first version of every key of the inventory."""
        self.wait_for(lambda status: status.ready)
        for label in ("kek-data-v1", "sig-audit-v1", "sig-evidence-v1", "sig-upi-v1"):
            self.client.generate(label)
        return self

    def wait_for(self, condition) -> HsmStatus:
        """Wait until the status is as wanted; the client is a new one, with a closed breaker."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"rizzpay-hsmd ended: {self.log.read_text()}")
            with suppress(Unavailable):
                status = HsmClient(self.settings.socket).status()
                if condition(status):
                    return status
            time.sleep(0.02)
        raise AssertionError(f"rizzpay-hsmd is not as wanted: {self.log.read_text()}")

    def kill(self) -> None:
        """Kill it as a crash would; the socket file stays behind."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Stop it as systemd does and return its exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(timeout=10)

    def rizzpay(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command as an operator does."""
        return subprocess.run(
            [sys.executable, "-m", "rizzpay", "--config", str(self.config), *arguments],
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def tokens(self) -> Path:
        """Where SoftHSM keeps the token: moving it away is pulling the plug."""
        return Path(self.settings.softhsm_config).parent / "tokens"


def refusal(call, *arguments) -> str:
    """Return the code of the refusal that a call has to end in."""
    try:
        call(*arguments)
    except RizzPayError as error:
        return getattr(error, "code", "unavailable")
    raise AssertionError("this was not refused")
