"""Signatures of webhooks: Standard Webhooks 1.0 (symmetric, `v1`) and a plain one beside it.

Signed is `id.timestamp.body` with HMAC-SHA256; several signatures stand in one header, parted by
blanks, while an old secret is still valid. Source: standard-webhooks/standard-webhooks,
spec/standard-webhooks.md. This module knows no database and no HTTP.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec

from rizzpay.core.clock import unix_s
from rizzpay.core.secret import Secret

PREFIX = "whsec_"
SECRET_BYTES = 32  # the standard allows 24 to 64
TOLERANCE_S = 300  # what the public libraries accept as the age of a message
HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


def new_secret() -> Secret[str]:
    """Return a fresh secret in the form that merchants get: whsec_ and base64."""
    return Secret(PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode())


def key_of(secret: Secret[str]) -> bytes:
    """Return the key behind a secret; raises ValueError when it is not one of ours."""
    text = secret.reveal()
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not text.startswith(PREFIX) or not key:
        raise ValueError("a webhook secret is whsec_ and base64")
    return key


def sign(using: Sequence[Secret[str]], message_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of webhook-signature: one `v1,…` for each secret, in their order."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return " ".join(
        "v1," + base64.b64encode(hmac.digest(key_of(secret), signed, hashlib.sha256)).decode()
        for secret in using
    )


def sign_plain(secret: Secret[str], body: bytes) -> str:
    """Return the hex HMAC-SHA256 of the body alone, for receivers written for such gateways.

    The key is the secret's text as shown, with `whsec_`: that is what those receivers paste in.
    It protects against forgery but not against repetition; webhook-signature does both.
    """
    return hmac.digest(secret.reveal().encode(), body, hashlib.sha256).hex()


def headers(
    using: Sequence[Secret[str]], message_id: str, at: datetime, body: bytes
) -> dict[str, str]:
    """Return the signature headers of one attempt; the first secret is the current one."""
    timestamp = unix_s(at)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(using, message_id, timestamp, body),
        "X-RizzPay-Signature": sign_plain(using[0], body),
    }


class Finding(StrEnum):
    """What a look at a received webhook can end in."""

    GENUINE = "genuine"
    HEADER_MISSING = "header_missing"
    TOO_OLD = "too_old"
    TOO_NEW = "too_new"
    BODY_REWRITTEN = "body_rewritten"
    NO_MATCH = "no_match"


@dataclass(frozen=True, slots=True)
class Verified:
    """The finding, and a sentence that tells the receiver's developer what to do."""

    finding: Finding
    advice: str


def verify(
    secret: Secret[str],
    received: Mapping[str, str],
    body: bytes,
    now: datetime,
    tolerance_s: int = TOLERANCE_S,
) -> Verified:
    """Check a received webhook as a receiver should, and say why it does not pass."""
    lower = {name.lower(): value.strip() for name, value in received.items()}
    missing = [name for name in HEADERS if not lower.get(name)]
    if missing:
        return Verified(
            Finding.HEADER_MISSING,
            f"The header {missing[0]} is missing; a proxy may have dropped it.",
        )
    stamp = lower["webhook-timestamp"]
    if not (stamp.isascii() and stamp.isdigit()):
        return Verified(Finding.NO_MATCH, "webhook-timestamp is not a number of seconds.")
    age_s = unix_s(now) - int(stamp)
    if age_s > tolerance_s:
        return Verified(Finding.TOO_OLD, f"It was signed {age_s} seconds ago; check the clock.")
    if age_s < -tolerance_s:
        return Verified(Finding.TOO_NEW, f"It is signed {-age_s} seconds ahead; check the clock.")
    return _compare(secret, lower, body)


def _compare(secret: Secret[str], lower: Mapping[str, str], body: bytes) -> Verified:
    if _matches(secret, lower, body):
        return Verified(Finding.GENUINE, "The signature is right.")
    if any(_matches(secret, lower, other) for other in _originals(body)):
        return Verified(
            Finding.BODY_REWRITTEN,
            "The body was parsed and written again before it was checked. "
            "Verify the raw bytes of the request, before any JSON parser sees them.",
        )
    return Verified(
        Finding.NO_MATCH,
        "No signature matches. Is it this endpoint's secret, and is the body complete?",
    )


def _matches(secret: Secret[str], lower: Mapping[str, str], body: bytes) -> bool:
    expected = sign([secret], lower["webhook-id"], int(lower["webhook-timestamp"]), body)
    return any(
        hmac.compare_digest(expected.encode(), one.encode())
        for one in lower["webhook-signature"].split()
    )


def _originals(body: bytes) -> list[bytes]:
    """Return what `body` may have been before a JSON library or an editor wrote it again."""
    guesses = [body.rstrip(b"\r\n"), body.replace(b"\r\n", b"\n")]
    try:
        parsed = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return guesses
    guesses.append(msgspec.json.encode(parsed))
    if isinstance(parsed, dict) and "data" in parsed:
        order = ("id", "type", "timestamp", "livemode", "sequence", "object_sequence")
        data = msgspec.Raw(msgspec.json.encode(parsed["data"], order="sorted"))
        known = {name: parsed[name] for name in order if name in parsed}
        guesses.append(msgspec.json.encode({**known, "data": data}))
    return guesses
