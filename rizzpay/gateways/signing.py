"""HMAC-SHA-256 with a key that is used again and again: what gateways sign messages with. Pure.

RFC 2104 hashes the key twice before every message; both states are kept here instead, which halves
the time of a short message.

A callback's secret is changed without losing a callback: for a while the new one and the one before
it are both believed (`old_callback_secret_file`), then the old one is taken out of the settings.
"""

import base64
import hashlib
import hmac

from rizzpay.core.secret import Secret

BLOCK_BYTES = 64  # of SHA-256; FIPS 180-4
INNER, OUTER = 0x36, 0x5C  # RFC 2104, section 2


class HmacSha256:
    """Signs with one key; shows nothing of it."""

    def __init__(self, secret: Secret[str]) -> None:
        """Prepare both states."""
        key = secret.reveal().encode()
        if len(key) > BLOCK_BYTES:
            key = hashlib.sha256(key).digest()
        key = key.ljust(BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ INNER for byte in key))
        self._outer = hashlib.sha256(bytes(byte ^ OUTER for byte in key))

    def hexdigest(self, message: bytes) -> str:
        """Return the signature in 64 small hexadecimal digits."""
        return self._signed(message).hexdigest()

    def base64(self, message: bytes) -> str:
        """Return the signature in 44 characters of base64."""
        return base64.b64encode(self._signed(message).digest()).decode()

    def _signed(self, message: bytes) -> "hashlib._Hash":
        inner = self._inner.copy()
        inner.update(message)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer


class CallbackSecrets:
    """What callbacks are signed with: the secret of today first, then what is still believed."""

    def __init__(self, *secrets: Secret[str]) -> None:
        """Take one secret or more."""
        self.signers = tuple(HmacSha256(secret) for secret in secrets)

    def signed(self, message: bytes, given: str) -> bool:
        """Tell whether `given` is the hexadecimal signature of a message, by any secret."""
        return any(same(signer.hexdigest(message), given) for signer in self.signers)

    def signed_base64(self, message: bytes, given: str) -> bool:
        """Tell the same of a signature in base64."""
        return any(same(signer.base64(message), given) for signer in self.signers)


def same(expected: str, given: str) -> bool:
    """Compare what must not be guessed, in a time that does not depend on where they differ."""
    return hmac.compare_digest(expected.encode(), given.encode(errors="replace"))
