"""An audit entry, its canonical bytes, and the hash chain over them; pure.

docs/audit.md describes the same for an outside verifier, and a test runs the verifier printed
there. Two rules make the bytes the same everywhere: an entry's detail holds no floats and only
plain keys (`check_detail`), and a stored row is read as the text that PostgreSQL makes of it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from rizzpay.core.money import AMOUNT_MAX
from rizzpay.core.tenant import Tenant
from rizzpay.core.values import value

GENESIS = bytes(32)  # what stands before the first link
DETAIL_DEPTH_MAX = 8
CHECKPOINT_DOMAIN = "rizzpay-audit-checkpoint-v1"  # so that the signature cannot mean anything else

_DECODER = msgspec.json.Decoder()
_ENCODER = msgspec.json.Encoder(order="sorted")


@value
class Entry(Struct, frozen=True, gc=False):
    """Who did what to which object. `detail` holds no secret and no personal data."""

    at: datetime
    actor: str  # key id, "worker", "operator:NAME", "gateway:NAME"
    action: str  # subject.verb: payment.captured
    object_id: str
    detail: dict[str, Any]
    tenant: Tenant | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A stored entry as the chain sees it; `at` and `detail` are texts made by PostgreSQL."""

    id: int
    xid: int
    at: str  # 2026-11-21T09:22:43.123456Z
    merchant_id: str | None
    livemode: bool | None
    actor: str
    action: str
    object_id: str
    request_id: str | None
    detail: str  # JSON


@dataclass(frozen=True, slots=True)
class Head:
    """The last link of the chain; position 0 and GENESIS when it is empty."""

    position: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Link:
    """One position of the chain: which row it seals, and the hash up to here."""

    position: int
    audit_id: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed head. `signed_at` as in Row.at; the signature is r and s, 32 bytes each."""

    position: int
    hash: bytes
    signed_at: str
    key_label: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class Status:
    """How far sealing has come; ages in whole seconds, None when there is nothing."""

    head: Head
    unsealed: int
    oldest_unsealed_s: int | None
    checkpoint: Checkpoint | None


def moment_text(at: datetime) -> str:
    """Write a moment as the chain does: UTC, microseconds, Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def fields(row: Row) -> dict[str, Any]:
    """Return the fields that are hashed; raises ValueError when the detail is not JSON.

    RecursionError too: nothing that we wrote is nested that deeply.
    """
    return _fields(row, json.loads(row.detail))


def _fields(row: Row, detail: object) -> dict[str, Any]:
    return {
        "action": row.action,
        "actor": row.actor,
        "at": row.at,
        "detail": detail,
        "id": row.id,
        "livemode": row.livemode,
        "merchant_id": row.merchant_id,
        "object_id": row.object_id,
        "request_id": row.request_id,
        "xid": row.xid,
    }


def canonical(row: Row) -> bytes | None:
    """Return the bytes that are hashed: RFC 8785 JSON of the row's fields.

    None when the detail is not JSON that we could have written: then it was altered. In C, for
    sealing does it to every row; a test compares it with `_json`, which a verifier would write.
    """
    try:
        return _ENCODER.encode(_fields(row, _DECODER.decode(row.detail)))
    except (ValueError, RecursionError):
        return None


def export_line(link: Link, row: Row | None, checkpoint: Checkpoint | None) -> str:
    """Return one position of the chain as a line of JSON for an outside verifier.

    `row` is null when it is gone, and its detail the stored text when that is not JSON.
    """
    shown: dict[str, Any] = {"position": link.position, "hash": link.hash.hex(), "row": None}
    if row is not None:
        try:
            shown["row"] = fields(row)
        except (ValueError, RecursionError):
            shown["row"] = fields(replace(row, detail="null")) | {"detail": row.detail}
    if checkpoint is not None:
        shown["checkpoint"] = {
            "hash": checkpoint.hash.hex(),
            "signed_at": checkpoint.signed_at,
            "key_label": checkpoint.key_label,
            "signature": checkpoint.signature.hex(),
        }
    return json.dumps(shown, ensure_ascii=False)


def link_hash(previous: bytes, content: bytes) -> bytes:
    """Return the hash of a link: SHA-256 of the previous hash and the row's canonical bytes."""
    return hashlib.sha256(previous + content).digest()


def checkpoint_message(position: int, head: bytes, signed_at: str) -> bytes:
    """Return what the HSM signs: a domain line, then RFC 8785 JSON of the head."""
    body = _json({"hash": head.hex(), "position": position, "signed_at": signed_at})
    return f"{CHECKPOINT_DOMAIN}\n{body}".encode()


def check_detail(detail: Mapping[str, Any]) -> None:
    """Refuse a detail whose JSON would not be the same bytes for everybody; raises ValueError."""
    if not all(_is_plain_name(key) and _is_plain(value) for key, value in detail.items()):
        _check(detail, 0)


def _is_plain_name(key: object) -> bool:
    return isinstance(key, str) and key.isascii() and key.isidentifier()


def _is_plain(value: object) -> bool:
    """Tell at once what is fine without a closer look, as nearly everything is."""
    if isinstance(value, str):
        return value.isascii() and "\0" not in value
    return value is None or (isinstance(value, int) and abs(value) <= AMOUNT_MAX)


def _json(value: Mapping[str, Any]) -> str:
    # Sorting by code point is RFC 8785's order as long as keys are ASCII: check_detail sees to it.
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _check(value: object, depth: int) -> None:
    if depth > DETAIL_DEPTH_MAX:
        raise ValueError("an audit detail is nested too deeply")
    if isinstance(value, Mapping):
        _check_keys(value)
        value = list(value.values())
    if isinstance(value, list | tuple):
        for part in value:
            _check(part, depth + 1)
    elif isinstance(value, str):
        _check_text(value)
    elif value is not None and not isinstance(value, bool):
        _check_number(value)


def _check_keys(value: Mapping[object, object]) -> None:
    for key in value:
        if not (isinstance(key, str) and key.isascii() and key.isprintable()):
            raise ValueError("keys of an audit detail are printable ASCII")


def _check_text(text: str) -> None:
    if "\0" in text:
        raise ValueError("PostgreSQL keeps no NUL in a text")
    text.encode()  # a lone surrogate raises UnicodeEncodeError, which is a ValueError


def _check_number(value: object) -> None:
    if not isinstance(value, int) or abs(value) > AMOUNT_MAX:
        raise ValueError("numbers of an audit detail are integers up to 2**53 - 1")
