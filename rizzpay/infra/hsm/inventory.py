"""The key inventory, hsm/keys.toml: which keys there are, and what a key's label means.

A label is a family and a version: `kek-data-v2` is version 2 of `kek-data`. The inventory lists
families; the versions that exist are what the token says, and the highest one that still has its
secret part is the active one. Older versions unwrap and verify, and nothing else.
"""

import re
from enum import StrEnum
from pathlib import Path

import msgspec

from rizzpay.core.errors import Misconfigured

DATA_KEK = "kek-data"  # the family that wraps the data keys of the database
AUDIT_SIGNER = "sig-audit"  # the family that signs checkpoints of the audit trail
EVIDENCE_SIGNER = "sig-evidence"  # the family that signs compliance reports
UPI_SIGNER = "sig-upi"  # the family that signs UPI QR codes
_LABEL = re.compile(r"^(?P<family>[a-z]+(?:-[a-z]+)*)-v(?P<version>[1-9][0-9]{0,4})$")


class Kind(StrEnum):
    """What a key is: decides its template, and what the daemon lets it do."""

    WRAP = "aes-256-wrap"
    SIGN = "ec-p256-sign"


class Purpose(StrEnum):
    """What a data key is for; the same list stands in the CHECK of rizzpay.data_keys."""

    PERSONAL = "personal"
    BLIND_INDEX = "blind_index"
    API_PEPPER = "api_pepper"
    WEBHOOK_SECRET = "webhook_secret"  # noqa: S105 - a name, not a secret
    ANSWER = "answer"
    CURSOR = "cursor"


class TokenKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One family of keys in the token."""

    kind: Kind
    mechanisms: tuple[str, ...]  # in order of preference; the token's first working one is taken
    usage: str
    owner: str
    cryptoperiod_days: int


class DataKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One purpose of data keys, which stand wrapped in the database."""

    usage: str
    owner: str
    cryptoperiod_days: int


class Inventory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of keys.toml."""

    keys: dict[str, TokenKey]
    data_keys: dict[str, DataKey]


def read(path: Path) -> Inventory:
    """Read and check keys.toml; raises Misconfigured with one sentence."""
    try:
        inventory = msgspec.toml.decode(path.read_bytes(), type=Inventory)
    except OSError as error:
        raise Misconfigured(f"key inventory {path}: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise Misconfigured(f"key inventory {path}: {error}") from None
    for family in inventory.keys:
        if split(f"{family}-v1") != (family, 1):
            raise Misconfigured(f"key inventory {path}: {family} is not a name of a family")
    if inventory.keys.get(DATA_KEK) is None or inventory.keys[DATA_KEK].kind is not Kind.WRAP:
        raise Misconfigured(f"key inventory {path}: keys.{DATA_KEK} of kind {Kind.WRAP} is missing")
    if set(inventory.data_keys) != set(Purpose):
        raise Misconfigured(f"key inventory {path}: data_keys must be {', '.join(Purpose)}")
    return inventory


def split(label: str) -> tuple[str, int] | None:
    """Return family and version of a label, None when it is not one of ours."""
    match = _LABEL.match(label)
    return (match["family"], int(match["version"])) if match else None


def label_of(family: str, version: int) -> str:
    """Return the label of a version."""
    return f"{family}-v{version}"
