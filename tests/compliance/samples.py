"""A report with one result of every kind, and a place to try controls of a test's own."""

import shutil
from datetime import UTC, date, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rizzpay.compliance import publishing, report, signing
from rizzpay.compliance.model import (
    Check,
    Collected,
    Control,
    Evidence,
    Host,
    Severity,
    Status,
    Waiver,
)
from rizzpay.compliance.signing import Seal

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
AT = "2026-11-21T11:59:00Z"
HERE = Path(__file__).parent
EVIDENCE = (Evidence("cat /etc/motd & <b>", 0, "a" * 64, "Hello <script>alert(1)</script>"),)


def control(**changes) -> Control:
    """Return a row of the catalogue."""
    return Control(
        **{
            "title": "Doors are shut",
            "severity": Severity.HIGH,
            "rationale": "Who comes in has to be let in.",
            "refs": ("PCI DSS 4.0.1 1.3.1",),
            "remedy": "Shut the door",
            **changes,
        }
    )


CATALOGUE = {
    "RP-AA-001": control(),
    "RP-AA-002": control(title="Windows are shut & bolted"),
    "RP-AA-003": control(groups=("backup",)),
    "RP-AA-004": control(attestation="Show the record."),
    "RP-AA-005": control(),
}


def check(control_id, status=Status.PASSED, reason="", host="n1", evidence=EVIDENCE) -> Check:
    """Return a check as a run writes it."""
    return Check(control_id, host, status, reason, AT, 12, evidence)


def collected(*checks, **changes) -> Collected:
    """Return what a run over one host brought home."""
    host = Host("n1", ("all", "apis"), "Debian GNU/Linux 13 (trixie)", "6.12.0", "0.1.0")
    return Collected(
        **{
            "started_at": AT,
            "finished_at": AT,
            "tools": {"pytest": "9.2.0"},
            "hosts": (host,),
            "checks": checks,
            **changes,
        }
    )


def waiver(**changes) -> Waiver:
    """Return an exception for the first control that still holds."""
    return Waiver(
        **{
            "control": "RP-AA-001",
            "host": "n1",
            "until": date(2026, 12, 31),
            "reason": "the lock is on order",
            "approved_by": "R. Iyer",
            **changes,
        }
    )


def made() -> report.Report:
    """Return a report with a result of every kind but a waived one."""
    found = collected(
        check("RP-AA-001", Status.FAILED, "the door is open"),
        check("RP-AA-002"),
        check("RP-AA-005", Status.ERROR, "n1 does not answer"),
    )
    return report.build(found, CATALOGUE, (), NOW, "hosts.yml")


class Signer:
    """A key in software that signs as the HSM does."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())

    def seal(self, statement) -> Seal:
        """Sign a statement."""
        message = signing.message(statement, "sig-evidence-v1")
        r, s = decode_dss_signature(self.key.sign(message, ec.ECDSA(SHA256())))
        public = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        raw = r.to_bytes(32) + s.to_bytes(32)
        return Seal("sig-evidence-v1", public.hex(), raw.hex())


def published(output: Path, signer: Signer) -> Path:
    """Write and sign the sample report; return its directory."""
    sample = made()
    place = publishing.write(sample, output)
    statement = publishing.statement(sample, place, NOW)
    publishing.seal(place, statement, signer.seal(statement))
    return place


ROW = """
[controls."{name}"]
title = "t"
severity = "low"
rationale = "r"
refs = ["PCI DSS 4.0.1 1.1"]
remedy = "m"
{more}
"""
TEST = """
@pytest.mark.control("{name}")
def test_it_is_so(host):
    {body}
"""


class Place:
    """A directory like tests/compliance with controls of a test's own, and this host."""

    def __init__(self, root: Path) -> None:
        self.directory = root / "tests" / "compliance"
        (self.directory / "controls").mkdir(parents=True)
        (self.directory / "catalogue").mkdir()
        for name in ("plugin.py", "site.py", "asking.py", "controls/pytest.ini"):
            shutil.copy(HERE / name, self.directory / name)
        self.inventory = root / "hosts.yml"
        self.inventory.write_text("all:\n  hosts:\n    here:\n      ansible_connection: local\n")
        self.count = 0

    def row(self, name: str, more: str = "") -> "Place":
        """Add a row to the catalogue."""
        with (self.directory / "catalogue" / "all.toml").open("a") as file:
            file.write(ROW.format(name=name, more=more))
        return self

    def test(self, name: str, body: str = "assert host.run('true').succeeded") -> "Place":
        """Add a test in a file of its own."""
        self.count += 1
        head = "import pytest\nfrom tests.compliance.plugin import not_applicable\n"
        text = head + TEST.format(name=name, body=body)
        (self.directory / "controls" / f"control_{self.count}.py").write_text(text)
        return self
