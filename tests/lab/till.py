"""What stands outside the site during a drill: a merchant with a key, his client, and the acquirer.

They run in the client's namespace, from this checkout: the acquirer is the sandbox, which remembers
what it charged.
"""

import json
import secrets
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from tests.lab.client import Outcome, outcomes
from tests.lab.commands import LabError, run
from tests.lab.lab import ACQUIRER_PORT, CLIENT, CLIENT_ADDRESS, DOMAIN, ROOT, VIP, Lab
from tests.lab.waiting import wait_until

MERCHANT = ("merchants", "create", "--json", "--name", "Lab Books", "--mcc", "5942",
            "--tier", "enterprise", "--requests-per-minute", "600000")  # fmt: skip
ENDING_S_MAX = 120  # the client gives a payment up after 90


@dataclass
class Till:
    """The outside of a lab; in a `with` it is open, so that somebody can `pay`."""

    lab: Lab
    _acquirer: subprocess.Popen[str] | None = None
    _key: tuple[str, str] | None = None

    @property
    def directory(self) -> Path:
        """Its files, beside the lab's."""
        return self.lab.directory / "till"

    def __enter__(self) -> Self:
        """Start the acquirer, and make a merchant with a key on a machine of the site."""
        try:
            self._open()
        except BaseException:
            self._close()  # an acquirer that stays would answer the next lab's payments
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the acquirer."""
        self._close()

    def _open(self) -> None:
        self.directory.mkdir(mode=0o700, exist_ok=True)
        gateway = yaml.safe_load((self.lab.directory / "acquirer.yml").read_text())
        for name in ("secret", "callback_secret"):
            file = self.directory / name
            file.touch(mode=0o600)
            file.write_text(gateway[name])
        self._acquirer = self._start(
            "acquirer",
            *("-m", "rizzpay", "sandbox", "--listen", f"{CLIENT_ADDRESS}:{ACQUIRER_PORT}"),
            *("--data", str(self.directory / "acquirer")),
            *("--secret-file", str(self.directory / "secret")),
            *("--callback-secret-file", str(self.directory / "callback_secret")),
            *("--callback-url-prefix", f"https://{DOMAIN}/"),
            *("--callback-ca-file", str(self.lab.directory / "pki" / "ca.crt")),
        )
        said = self.directory / "acquirer.log"
        wait_until(lambda: said.read_text().startswith("ready "), "the acquirer", timeout_s=30)
        merchant = json.loads(self.operate(*MERCHANT))
        key = json.loads(self.operate("merchants", "keys", "create", "--json", merchant["id"]))
        self._key = (key["id"], key["secret"])

    def operate(self, *arguments: str) -> str:
        """Run the service's command as the operator does, on the first API host."""
        name = next(iter(self.lab.hosts("apis")))
        command = self.lab.ssh(name, shlex.join(["sudo", "/usr/local/sbin/rizzpay", *arguments]))
        return run(*command, timeout=60)

    def pay(self, name: str, per_second: float) -> "Paying":
        """Start a client that pays until it is stopped."""
        if self._key is None:
            raise LabError("the till is not open")
        settings: dict[str, Any] = {
            "address": VIP,
            "domain": DOMAIN,
            "ca_file": str(self.lab.directory / "pki" / "ca.crt"),
            "key_id": self._key[0],
            "key_secret": self._key[1],
            "per_second": per_second,
            "journal": str(self.directory / f"{name}-{secrets.token_hex(3)}.jsonl"),
        }
        file = self.directory / f"{name}.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(settings))
        process = self._start(name, "-m", "tests.lab.client", str(file))
        return Paying(process, Path(settings["journal"]))

    def _close(self) -> None:
        if self._acquirer is not None:
            self._acquirer.terminate()
            self._acquirer.wait(30)

    def _start(self, name: str, *arguments: str) -> "subprocess.Popen[str]":
        with (self.directory / f"{name}.log").open("w") as log:
            return subprocess.Popen(
                [*self.lab.network.inside(CLIENT), sys.executable, *arguments],
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, text=True,
            )  # fmt: skip


@dataclass
class Paying:
    """A client that runs."""

    process: "subprocess.Popen[str]"
    journal: Path

    def noted(self) -> list[Outcome]:
        """Return what it knows so far."""
        return outcomes(self.journal)

    def stop(self) -> list[Outcome]:
        """Let it end its payments, and return what became of each."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(ENDING_S_MAX)
        finally:
            self.process.kill()
        if self.process.returncode != 0:
            raise LabError(f"the client failed: {self.journal.parent}")
        return self.noted()
