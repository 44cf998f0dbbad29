"""An audit trail for tests, and somebody who tampers with it."""

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from rizzpay.audit import service
from rizzpay.audit.model import Entry
from rizzpay.audit.service import Scope, Signer
from rizzpay.infra.database import Database
from tests.store.people import NOON

LABEL = "sig-audit-v1"

# What somebody with the owner's rights would switch off first, and the same back on.
DISARM = """
ALTER TABLE rizzpay.audit_log DISABLE TRIGGER USER;
ALTER TABLE rizzpay.audit_log NO FORCE ROW LEVEL SECURITY;
ALTER TABLE rizzpay.audit_chain DISABLE TRIGGER USER;
ALTER TABLE rizzpay.audit_checkpoints DISABLE TRIGGER USER;
ALTER TABLE rizzpay.audit_checkpoints DROP CONSTRAINT audit_checkpoints_position_fkey;
"""
ARM = """
ALTER TABLE rizzpay.audit_log ENABLE TRIGGER USER;
ALTER TABLE rizzpay.audit_log FORCE ROW LEVEL SECURITY;
ALTER TABLE rizzpay.audit_chain ENABLE TRIGGER USER;
ALTER TABLE rizzpay.audit_checkpoints ENABLE TRIGGER USER;
ALTER TABLE rizzpay.audit_checkpoints ADD CONSTRAINT audit_checkpoints_position_fkey
    FOREIGN KEY (position) REFERENCES rizzpay.audit_chain (position) NOT VALID;
"""
EMPTY = "TRUNCATE rizzpay.audit_log, rizzpay.audit_chain, rizzpay.audit_checkpoints"


class SoftwareSigner:
    """Signs as the HSM does, with a key in memory."""

    def __init__(self, label=LABEL):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.label = label

    def sign_active(self, family, message):
        assert family == "sig-audit"
        r, s = decode_dss_signature(self.key.sign(message, ec.ECDSA(hashes.SHA256())))
        return self.label, r.to_bytes(32) + s.to_bytes(32)

    @property
    def public_keys(self):
        der = self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return {self.label: der}


@dataclass
class Trail:
    """The trail of the shared database, who writes it and who attacks it."""

    worker: Database
    owner: Database
    signer: Signer

    def append(self, count, action="payment.captured"):
        entries = [
            Entry(NOON, "worker", action, f"pay_{number}", {"number": number, "note": "₹"})
            for number in range(count)
        ]
        with self.worker.transaction() as conn:
            service.append(conn, entries)

    def seal(self):
        return service.seal(self.worker)

    def checkpoint(self):
        return service.checkpoint(self.worker, self.signer, NOON)

    def empty(self):
        with self.attack() as conn:
            conn.execute(EMPTY)

    def sealed(self, count):
        self.append(count)
        assert self.seal() == count
        return self.checkpoint()

    def verify(self, **scope):
        keys = self.signer.public_keys
        return service.verify(self.worker, keys, NOON + timedelta(minutes=1), Scope(**scope))

    def found(self, **scope):
        report = self.verify(**scope)
        assert report.ok is (not report.findings)
        return [(one.kind, one.position, one.audit_id) for one in report.findings]

    @contextmanager
    def attack(self):
        with self.owner.transaction() as conn:
            conn.execute(DISARM)
            yield conn
            conn.execute(ARM)

    def tamper(self, *statements):
        with self.attack() as conn:
            for statement in statements:
                assert conn.execute(statement).rowcount > 0

    def id_at(self, position):
        with self.worker.transaction() as conn:
            return conn.execute(
                "SELECT audit_id FROM rizzpay.audit_chain WHERE position = %s", (position,)
            ).fetchone()[0]
