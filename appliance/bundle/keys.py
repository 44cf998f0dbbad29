"""The Ed25519 keys of a bundle: who builds has the private one, who installs the public one.

Both are PEM files, as OpenSSL writes them. How the public key comes to the bank, so that the bank
believes it, is not solved by any file: compare its fingerprint over another way.
"""

import hashlib
import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)


class WrongKey(Exception):
    """The file holds another kind of key."""


def make(private: Path, public: Path) -> None:
    """Make a pair; never overwrites a key."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with os.fdopen(os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
    with public.open("xb") as file:
        file.write(public_pem(key.public_key()))


def read_private(file: Path) -> Ed25519PrivateKey:
    """Return the key that signs; raises WrongKey."""
    key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise WrongKey(f"{file} holds no Ed25519 key")
    return key


def read_public(file: Path) -> Ed25519PublicKey:
    """Return the key that verifies; raises WrongKey."""
    key = serialization.load_pem_public_key(file.read_bytes())
    if not isinstance(key, Ed25519PublicKey):
        raise WrongKey(f"{file} holds no Ed25519 key")
    return key


def public_pem(key: Ed25519PublicKey) -> bytes:
    """Return the public key as its file holds it."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def fingerprint(key: Ed25519PublicKey) -> str:
    """Return what people compare: SHA-256 of the key, in groups of four."""
    digest = hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()
    return " ".join(digest[start : start + 4] for start in range(0, 64, 4))
