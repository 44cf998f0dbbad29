"""Who is at the other end: address and credentials as the request shows them; nothing is checked.

X-Forwarded-For is believed only when the peer is a Unix socket, which only our own HAProxy can
reach, and then only its last entry, which is the one that HAProxy wrote.
"""

import base64
import binascii
import functools
from collections.abc import Mapping
from typing import Any

from rizzpay.core.secret import Secret
from rizzpay.merchants.model import Address, parse_address

CREDENTIALS_MAX = 512  # characters; ours have about a hundred


def address(env: Mapping[str, Any]) -> Address | None:
    """Return the client's address; None when nobody trustworthy told it."""
    peer = env.get("REMOTE_ADDR") or ""
    if peer and not peer.startswith(("/", "unix:")):
        return parse_address(peer)
    return _last_of(env.get("HTTP_X_FORWARDED_FOR", ""))


@functools.lru_cache(maxsize=4096)  # clients come again
def _last_of(forwarded: str) -> Address | None:
    return parse_address(forwarded.rsplit(",", 1)[-1].strip())


def credentials(header: str | None) -> tuple[str, Secret[str]] | None:
    """Return key id and secret of HTTP Basic (RFC 7617); None for anything else."""
    scheme, _, encoded = (header or "").partition(" ")
    if scheme.lower() != "basic" or len(encoded) > CREDENTIALS_MAX:
        return None
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
    key_id, colon, secret = text.partition(":")
    return (key_id, Secret(secret)) if colon else None
