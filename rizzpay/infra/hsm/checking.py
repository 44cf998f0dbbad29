"""What `rizzpay keys verify` compares: the token and the data keys with the inventory.

Looks and tries, and changes nothing. A finding is one sentence about one key; none means that
every key is where, what and as young as the inventory says, and does its work.
"""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from rizzpay.core.secret import Secret
from rizzpay.infra.data_keys import WrappedKey
from rizzpay.infra.hsm import inventory as labels
from rizzpay.infra.hsm.client import HsmClient
from rizzpay.infra.hsm.inventory import DATA_KEK, Inventory, Kind, Purpose
from rizzpay.infra.hsm.protocol import KEY_BYTES, HsmRefused, KeyInfo

KEPT = {
    "sensitive": True,
    "always_sensitive": True,
    "extractable": False,
    "never_extractable": True,
    "local": True,
    "private": True,
    "modifiable": False,
    "derive": False,
}
FLAGS = {
    Kind.WRAP: {**KEPT, "sign": False},
    Kind.SIGN: {**KEPT, "sign": True, "decrypt": False, "unwrap": False},
}
# A KEK does one of the two, never both: who may wrap and decrypt can read every wrapped key.
WRAPPING = ("wrap", "unwrap")
ENCRYPTING = ("encrypt", "decrypt")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be."""

    subject: str
    problem: str


def token_keys(inventory: Inventory, keys: Sequence[KeyInfo], today: date) -> Iterator[Finding]:
    """Compare what is in the token with the inventory: presence, attributes, age."""
    active = {parts[0] for key in keys if key.active and (parts := labels.split(key.label))}
    for family in inventory.keys:
        if family not in active:
            yield Finding(family, "is not in the token; run `rizzpay keys init`")
    for key in keys:
        parts = labels.split(key.label)
        entry = inventory.keys.get(parts[0]) if parts else None
        if entry is None:
            yield Finding(key.label, "is in the token and not in the inventory")
            continue
        if key.has_secret:
            yield from _attributes(key, entry.kind)
        if key.active:
            yield from _age(key.label, key.created, entry.cryptoperiod_days, today)


def data_keys(
    inventory: Inventory, rows: Sequence[WrappedKey], hsm: HsmClient, today: date
) -> Iterator[Finding]:
    """Unwrap every data key, and compare presence and age with the inventory."""
    active = {row.purpose for row in rows if row.status == "active"}
    for purpose in Purpose:
        if purpose not in active:
            yield Finding(f"data key for {purpose}", "is missing; run `rizzpay keys init`")
    for row in rows:
        try:
            hsm.unwrap(row.kek_label, row.mechanism, row.wrapped)
        except HsmRefused as refused:
            yield Finding(f"{row.id} ({row.purpose})", f"does not unwrap: {refused.message}")
        if row.status == "active":
            days = inventory.data_keys[row.purpose].cryptoperiod_days
            created = row.created_at.date().isoformat()
            yield from _age(f"{row.id} ({row.purpose})", created, days, today)


def use(inventory: Inventory, hsm: HsmClient) -> Iterator[Finding]:
    """Wrap and unwrap, sign and verify once with every active key."""
    active = hsm.status().active
    for family, entry in inventory.keys.items():
        label = active.get(family)
        if label is None:
            continue
        try:
            works = _wraps(hsm, label) if entry.kind is Kind.WRAP else _signs(hsm, label)
        except HsmRefused as refused:
            yield Finding(label, f"does not work: {refused.message}")
        else:
            if not works:
                yield Finding(label, "gives wrong results")


def mechanisms(inventory: Inventory, hsm: HsmClient) -> Iterator[Finding]:
    """Tell which families have no mechanism that works in this token."""
    works = {row.name for row in hsm.mechanisms() if row.works}
    for family, entry in inventory.keys.items():
        if not works.intersection(entry.mechanisms):
            tried = ", ".join(entry.mechanisms)
            yield Finding(family, f"none of its mechanisms works in this token: {tried}")


def wrapped_elsewhere(rows: Sequence[WrappedKey], active_kek: str) -> list[WrappedKey]:
    """Return the data keys that an older version of the KEK wraps."""
    return [row for row in rows if row.kek_label != active_kek]


def unfinished(rows: Sequence[WrappedKey], active: dict[str, str]) -> Iterator[Finding]:
    """Tell that a rotation of the KEK was not finished."""
    left = wrapped_elsewhere(rows, active.get(DATA_KEK, ""))
    if left and DATA_KEK in active:
        told = f"{len(left)} data keys are still wrapped by an older version"
        yield Finding(active[DATA_KEK], f"{told}; run `rizzpay keys rotate {DATA_KEK}`")


def _attributes(key: KeyInfo, kind: Kind) -> Iterator[Finding]:
    for flag, wanted in FLAGS[kind].items():
        found = key.flags.get(flag)
        if found is None:
            yield Finding(key.label, f"the token does not tell whether it is {flag}")
        elif found is not wanted:
            yield Finding(key.label, f"{flag} is {str(found).lower()}")
    if kind is Kind.WRAP:
        may = {flag for flag in WRAPPING + ENCRYPTING if key.flags.get(flag)}
        if may not in (set(WRAPPING), set(ENCRYPTING)):
            yield Finding(key.label, f"may {', '.join(sorted(may)) or 'do nothing'}")
    if not key.check_value:
        yield Finding(key.label, "the token gives no check value for the custodians to compare")


def _age(subject: str, created: str, days_max: int, today: date) -> Iterator[Finding]:
    if not created:
        yield Finding(subject, "does not say when it was made: it was made by another tool")
        return
    days = (today - date.fromisoformat(created)).days
    if days > days_max:
        yield Finding(subject, f"is {days} days old, {days - days_max} more than its cryptoperiod")


def _wraps(hsm: HsmClient, label: str) -> bool:
    plain = secrets.token_bytes(KEY_BYTES)
    return hsm.unwrap(label, *hsm.wrap(label, Secret(plain))).reveal() == plain


def _signs(hsm: HsmClient, label: str) -> bool:
    message = secrets.token_bytes(KEY_BYTES)
    signature = hsm.sign(label, message)
    public = load_der_public_key(hsm.public_key(label))
    half = len(signature) // 2
    numbers = (int.from_bytes(part) for part in (signature[:half], signature[half:]))
    if not isinstance(public, ec.EllipticCurvePublicKey):
        return False
    try:
        public.verify(encode_dss_signature(*numbers), message, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True
