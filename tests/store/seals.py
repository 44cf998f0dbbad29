"""An envelope whose keys live in memory: the real sealing, without a token behind it."""

import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rizzpay.core.secret import Secret
from rizzpay.infra.envelope import DataKey, Envelope, Keys
from rizzpay.infra.hsm.inventory import Purpose


def _key(purpose, name, *, active=True):
    secret = os.urandom(32)
    return DataKey(f"dek_{purpose}_{name}", purpose, active, Secret(secret), AESGCM(secret))


class Keyring:
    """Data keys that can be rotated: every purpose has one active key."""

    def __init__(self):
        self.keys = [_key(purpose, "1") for purpose in Purpose]

    def rotate(self, purpose):
        old = [key for key in self.keys if key.purpose == purpose]
        self.keys = [key for key in self.keys if key.purpose != purpose]
        for key in old:
            self.keys.append(DataKey(key.id, key.purpose, False, key.secret, key.cipher))
        self.keys.append(_key(purpose, str(len(old) + 1)))

    def read(self, _known):
        return Keys(
            {key.id: key for key in self.keys},
            {key.purpose: key for key in self.keys if key.active},
        )

    def envelope(self):
        return Envelope(self.read)
