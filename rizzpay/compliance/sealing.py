"""How a report is signed: by the HSM of a host of the site, which the controller asks over ssh.

The statement that travels holds digests and no secret. On the host the same command signs, with
the family of keys that signs nothing else, and writes into the audit trail which report it was.
"""

import json
import os
import pwd
import subprocess
import tempfile
from pathlib import Path

import msgspec

from rizzpay import config
from rizzpay.audit import service as audit
from rizzpay.audit.model import Entry
from rizzpay.compliance import collecting, signing
from rizzpay.compliance.collecting import Task
from rizzpay.compliance.signing import Seal, Statement
from rizzpay.core import clock
from rizzpay.core.errors import Unavailable
from rizzpay.infra.database import Database, Role
from rizzpay.infra.hsm.client import HsmClient
from rizzpay.infra.hsm.inventory import EVIDENCE_SIGNER

PROGRAM = "/usr/local/sbin/rizzpay"  # on the host; role release puts it there
SHOWN_MAX = 500  # characters of what a host said that did not sign


def sign_here(config_path: Path, statement: Statement) -> dict[str, str]:
    """Sign with this host's HSM and note it in the trail; raises HsmRefused or Unavailable."""
    settings = config.load(config_path)
    hsm = HsmClient(settings.hsm.socket)
    label = hsm.active(EVIDENCE_SIGNER)
    signature = hsm.sign(label, signing.message(statement, label))
    database = Database(settings.database, Role.WORKER, size=1)
    operator = pwd.getpwuid(os.getuid()).pw_name
    detail = {"files": dict(statement.files), "key_label": label, "clean": statement.clean}
    entry = Entry(
        clock.now(), f"operator:{operator}", "compliance.report_signed", statement.report, detail
    )
    try:
        with database.transaction() as conn:
            audit.append(conn, [entry])
    finally:
        database.close()
    public_key = hsm.public_key(label).hex()
    return {"key_label": label, "public_key": public_key, "signature": signature.hex()}


def active_key(config_path: Path) -> tuple[str, str]:
    """Return label and fingerprint of the key that signs reports now."""
    hsm = HsmClient(config.load(config_path).hsm.socket)
    label = hsm.active(EVIDENCE_SIGNER)
    return label, signing.fingerprint(Seal(label, hsm.public_key(label).hex(), ""))


def ask(task: Task, host: str, statement: Statement) -> Seal:
    """Have a host of the inventory sign; raises Unavailable("hsm") when it does not."""
    text = msgspec.json.encode(statement, order="sorted").decode()
    arguments = {"argv": [PROGRAM, "compliance", "sign", "--json"], "stdin": text}
    with tempfile.TemporaryDirectory() as answers:
        command = [
            "ansible",
            *(host, "--inventory", str(task.inventory.absolute()), "--become"),
            *("--tree", answers, "--module-name", "ansible.builtin.command"),
            *("--args", json.dumps(arguments)),
        ]
        result = subprocess.run(
            command,
            env=collecting.environment(task),
            capture_output=True,
            text=True,
            check=False,
        )
        answer = Path(answers) / host
        told = json.loads(answer.read_text()) if answer.exists() else {}
    if told.get("rc") != 0:
        said = told.get("stderr") or told.get("msg") or result.stderr or result.stdout
        raise Unavailable("hsm", f"{host} did not sign: {str(said).strip()[:SHOWN_MAX]}")
    return msgspec.json.decode(told["stdout"], type=Seal)
