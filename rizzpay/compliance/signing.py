"""The seal of a report: what the HSM signs, and how anybody checks it without us.

A report is a directory. `signature.json` names every file of it with its digest; over that, as
RFC 8785 JSON behind two lines that say what it is and which key signs, stands a signature of the
HSM. So a changed byte,
a missing file and an added one are each refused, also in `signature.json` itself, whose bytes are
the only way to write what it says. The public key is in it. Whose key it is, only its fingerprint
tells, that was written down when the key was made.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from msgspec import Struct

from rizzpay.core.errors import RizzPayError

DOMAIN = "rizzpay-compliance-report-v1"
SIGNATURE = "signature.json"
SIGNATURE_BYTES = 64  # r and s of P-256
_DIGEST = re.compile(r"[0-9a-f]{64}")
_HEX = re.compile(r"(?:[0-9a-f]{2})+")
_ENCODER = msgspec.json.Encoder(order="sorted")


class ReportRefused(RizzPayError):
    """A report, or a part of one, is not what it says; one code for each way."""

    def __init__(self, code: str, detail: str) -> None:
        """Keep both."""
        super().__init__(code, detail)
        self.code = code


class Statement(Struct, frozen=True, forbid_unknown_fields=True):
    """What is signed: these files, of this report, at this moment."""

    format: Literal["rizzpay-compliance-report-v1"]
    report: str
    clean: bool
    signed_at: str
    files: dict[str, str]  # name -> SHA-256


class Seal(Struct, frozen=True, forbid_unknown_fields=True):
    """A signature over a statement's message: the key's label and its public part, DER as hex."""

    key_label: str
    public_key: str
    signature: str


class Signed(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of signature.json."""

    statement: Statement
    seal: Seal


def digests(directory: Path) -> dict[str, str]:
    """Return the digest of every file of a report but the signature; raises ReportRefused."""
    found = {}
    for path in sorted(directory.iterdir()):
        if path.is_symlink() or not path.is_file():
            raise ReportRefused("report_altered", f"{path.name} is no file of a report")
        if path.name != SIGNATURE:
            found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def message(statement: Statement, key_label: str) -> bytes:
    """Return the bytes that are signed."""
    return f"{DOMAIN}\n{key_label}\n".encode() + _ENCODER.encode(statement)


def read_statement(text: str | bytes) -> Statement:
    """Read a statement that somebody wants signed; raises ReportRefused."""
    try:
        statement = msgspec.json.decode(text, type=Statement)
    except msgspec.DecodeError as error:
        raise ReportRefused(
            "not_a_statement", f"this is no statement of a report: {error}"
        ) from None
    if not statement.files or not all(map(_DIGEST.fullmatch, statement.files.values())):
        raise ReportRefused("not_a_statement", "a statement names files with their SHA-256")
    return statement


def encode(signed: Signed) -> bytes:
    """Return the bytes of signature.json, the only ones there are for it."""
    return _ENCODER.encode(signed) + b"\n"


def fingerprint(seal: Seal) -> str:
    """Return the SHA-256 of the public key, by which people know it."""
    return hashlib.sha256(bytes.fromhex(seal.public_key)).hexdigest()


def verify(directory: Path, pinned: str = "") -> Signed:
    """Check a report; raises ReportRefused with the first thing that is wrong.

    `pinned` is the fingerprint that the key must have; without it the caller has to compare.
    """
    try:
        raw = (directory / SIGNATURE).read_bytes()
        signed = msgspec.json.decode(raw, type=Signed)
    except OSError as error:
        raise ReportRefused(
            "report_unsigned", f"{directory / SIGNATURE}: {error.strerror}"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ReportRefused("report_altered", f"{SIGNATURE} is damaged") from None
    if encode(signed) != raw:
        raise ReportRefused("report_altered", f"{SIGNATURE} is not as it was written")
    if pinned and fingerprint(signed.seal) != plain_fingerprint(pinned):
        raise ReportRefused(
            "wrong_key", f"signed by {fingerprint(signed.seal)}, which is not the pinned key"
        )
    _check_seal(signed)
    _check_files(signed.statement.files, digests(directory))
    return signed


def plain_fingerprint(text: str) -> str:
    """Return a fingerprint as we write it, however it was typed; raises ReportRefused."""
    plain = re.sub(r"[\s:]", "", text).lower()
    if not _DIGEST.fullmatch(plain):
        raise ReportRefused("not_a_fingerprint", "a fingerprint has 64 hexadecimal digits")
    return plain


def _check_seal(signed: Signed) -> None:
    if not all(map(_HEX.fullmatch, (signed.seal.public_key, signed.seal.signature))):
        raise ReportRefused("report_altered", "the key or the signature is not as it was written")
    try:
        key = load_der_public_key(bytes.fromhex(signed.seal.public_key))
        raw = bytes.fromhex(signed.seal.signature)
    except (ValueError, UnsupportedAlgorithm):
        raise ReportRefused("report_altered", "the key or the signature is damaged") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or len(raw) != SIGNATURE_BYTES:
        raise ReportRefused("report_altered", "the key or the signature is not of our kind")
    half = SIGNATURE_BYTES // 2
    pair = encode_dss_signature(int.from_bytes(raw[:half]), int.from_bytes(raw[half:]))
    try:
        key.verify(pair, message(signed.statement, signed.seal.key_label), ec.ECDSA(SHA256()))
    except InvalidSignature:
        raise ReportRefused("report_altered", "the signature does not fit") from None


def _check_files(named: Mapping[str, str], found: Mapping[str, str]) -> None:
    for name, digest in named.items():
        if name not in found:
            raise ReportRefused("report_altered", f"{name} is missing")
        if found[name] != digest:
            raise ReportRefused("report_altered", f"{name} was changed")
    for name in found:
        if name not in named:
            raise ReportRefused("report_altered", f"{name} was added")
