"""What the `rizzpay keys` commands share: their options and what they work with. No command.

Whatever changes something is in the audit trail: a change in the token twice, asked for and done,
because the token and the database cannot commit together.
"""

import os
import pwd
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from rizzpay import config
from rizzpay.audit import service as audit
from rizzpay.audit.model import Entry
from rizzpay.core import clock
from rizzpay.core.errors import Unavailable
from rizzpay.infra import data_keys, log
from rizzpay.infra.data_keys import WrappedKey
from rizzpay.infra.database import Connection, Database, Role
from rizzpay.infra.hsm import inventory as labels
from rizzpay.infra.hsm.client import HsmClient
from rizzpay.infra.hsm.inventory import Inventory
from rizzpay.infra.hsm.protocol import HsmStatus, KeyInfo


@dataclass(frozen=True, slots=True)
class Desk:
    """What a command works with."""

    inventory: Inventory
    hsm: HsmClient
    database: Database
    operator: str

    def entry(self, action: str, object_id: str, **detail: str) -> Entry:
        """Return an audit entry of this operator."""
        return Entry(clock.now(), f"operator:{self.operator}", action, object_id, detail)

    def note(self, action: str, object_id: str, **detail: str) -> None:
        """Write an audit entry in a transaction of its own."""
        with self.database.transaction() as conn:
            audit.append(conn, [self.entry(action, object_id, **detail)])

    def generate(self, label: str) -> None:
        """Make a key in the token, in the audit trail before and after."""
        self.note("key.generation_asked", label)
        self.hsm.generate(label)
        self.note("key.generated", label)

    def note_made(self, conn: Connection, key: WrappedKey) -> None:
        """Write that a data key was made, in its own transaction."""
        detail = {"purpose": key.purpose, "kek_label": key.kek_label, "mechanism": key.mechanism}
        audit.append(conn, [self.entry("data_key.generated", key.id, **detail)])

    def data_keys(self) -> list[WrappedKey]:
        """Return the data keys in the database."""
        with self.database.transaction() as conn:
            return data_keys.load(conn)

    def ready(self) -> HsmStatus:
        """Return the token's status; raises Unavailable when it is away."""
        status = self.hsm.status()
        if not status.ready:
            raise Unavailable("hsm", status.detail)
        return status


def options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command what all of them have: the configuration and --json."""
    function = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(
        function
    )
    function = click.option(
        "--config",
        "own_config",
        type=click.Path(path_type=Path, dir_okay=False),
        help="The installation's settings, as `rizzpay --config`.",
    )(function)
    return click.pass_obj(function)


def open_desk(config_path: Path, own_config: Path | None) -> Desk:
    """Read the settings and get ready; asks nobody yet."""
    settings = config.load(own_config or config_path)
    log.configure(settings.service.log_level, sys.stderr.buffer)  # standard output is the answer
    inventory = labels.read(Path(settings.hsm.inventory))
    database = Database(settings.database, Role.WORKER, size=1)
    click.get_current_context().call_on_close(database.close)
    return Desk(
        inventory=inventory,
        hsm=HsmClient(settings.hsm.socket),
        database=database,
        operator=_operator(),
    )


def _operator() -> str:
    """Return who works here: the kernel's word, and sudo's where the kernel says root."""
    uid = os.getuid()
    who = os.environ.get("SUDO_USER") if uid == 0 else None
    try:
        return who or pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid-{uid}"


def newest_version(keys: Sequence[KeyInfo], family: str) -> int:
    """Return the highest version of a family that is or was in the token, 0 for none."""
    versions = [labels.split(key.label) for key in keys]
    return max((found[1] for found in versions if found and found[0] == family), default=0)
