"""The envelope: personal data and secrets sealed under data keys, which the HSM unwrapped once.

A sealed value is: version (1 byte, 1) | length of the key id (1 byte) | key id | nonce (12 bytes)
| AES-256-GCM. What is authenticated beside the text: version, key id, purpose and the caller's
context (`table|column|row id|merchant`), so that a value moved to another row, column or merchant
does not open.

A process unwraps its keys at start and keeps them; a token that is lost later stops nothing but
keys that nobody here has seen. The keys of one moment are one immutable value; `reload` replaces
it. Each process calls it every FRESH_S, so that after a rotation the new key seals; a key id that
is unknown nevertheless is looked for at once, but no oftener than every RELOAD_EVERY_S.

Nonces are random, so that no process needs to know of another: a data key must not seal more than
2^32 values (NIST SP 800-38D, 8.3). Rotating each year, that is 136 a second, all year; a busier
installation rotates `personal` and `answer` more often.
"""

import functools
import hashlib
import hmac
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rizzpay.core import clock
from rizzpay.core.errors import Misconfigured, RizzPayError
from rizzpay.core.secret import Secret
from rizzpay.infra import data_keys, log
from rizzpay.infra.data_keys import WrappedKey
from rizzpay.infra.database import Database
from rizzpay.infra.hsm.client import HsmClient
from rizzpay.infra.hsm.inventory import Purpose
from rizzpay.infra.hsm.protocol import HsmRefused

VERSION = 1
NONCE_BYTES = 12
TAG_BYTES = 16
BLOCK_BYTES = 64  # of SHA-256
INNER = bytes(byte ^ 0x36 for byte in range(256))  # ipad and opad of RFC 2104
OUTER = bytes(byte ^ 0x5C for byte in range(256))
INDEX_BYTES = 16  # 128 bits: no collision to speak of below 2^64 values
FRESH_S = 60.0  # how old the keys of a running process may be, as long as the HSM answers
RELOAD_EVERY_S = 5.0  # an unknown key id costs a query and a call to the HSM at most this often


class Unreadable(RizzPayError):
    """A sealed value does not open: altered, moved, or sealed under a key that is gone."""


@dataclass(frozen=True)
class DataKey:
    """One unwrapped key, with the cipher object made once."""

    id: str
    purpose: str
    active: bool
    secret: Secret[bytes]
    cipher: AESGCM = field(repr=False)

    @functools.cached_property
    def head(self) -> bytes:
        """Return how every value begins that this key seals."""
        return bytes((VERSION, len(self.id))) + self.id.encode()

    @functools.cached_property
    def bound(self) -> bytes:
        """Return what is authenticated beside the text, but for the context at its end."""
        return b"%b%b|" % (self.head, self.purpose.encode())


@dataclass(frozen=True, slots=True)
class Keys:
    """All data keys of one moment."""

    by_id: Mapping[str, DataKey]
    active: Mapping[str, DataKey]  # purpose → the key that seals


class Envelope:
    """Seals and opens; may be shared by threads and greenlets."""

    def __init__(self, read: Callable[[Keys | None], Keys]) -> None:
        """Take the keys once; `read` gets those we have and returns those there are."""
        self._read = read
        self._reloading = threading.Lock()
        self._next_reload_s = 0.0
        self._columns: dict[tuple[str, str], bytes] = {}
        self._peppers: dict[str, tuple[hashlib._Hash, hashlib._Hash]] = {}
        self._keys = read(None)

    def seal(self, purpose: str, plain: bytes, context: str) -> bytes:
        """Seal under the purpose's active key; only the same purpose and context open it."""
        return self.seal_all(purpose, [(plain, context)])[0]

    def seal_all(self, purpose: str, values: Sequence[tuple[bytes, str]]) -> list[bytes]:
        """Seal (plain, context) pairs; the nonces of all are one call to the kernel."""
        key = self._keys.active[purpose]
        encrypt, head = key.cipher.encrypt, key.head
        nonces = os.urandom(NONCE_BYTES * len(values))
        sealed = []
        for place, (plain, context) in enumerate(values):
            nonce = nonces[place * NONCE_BYTES : (place + 1) * NONCE_BYTES]
            sealed.append(head + nonce + encrypt(nonce, plain, key.bound + context.encode()))
        return sealed

    def open(self, purpose: str, sealed: bytes, context: str) -> bytes:
        """Return what was sealed; raises Unreadable, and Unavailable for a key not yet seen."""
        size = 2 + (sealed[1] if len(sealed) > 1 else 0)
        if len(sealed) < size + NONCE_BYTES + TAG_BYTES or sealed[0] != VERSION:
            raise Unreadable("this is not a sealed value")
        head, body = sealed[:size], sealed[size:]
        key = self._key(head[2:].decode("ascii", "replace"))
        if key.purpose != purpose:
            raise Unreadable(f"a value of {key.purpose} stands where {purpose} is expected")
        try:
            return key.cipher.decrypt(
                body[:NONCE_BYTES], body[NONCE_BYTES:], key.bound + context.encode()
            )
        except InvalidTag:
            raise Unreadable(f"a value of {purpose} was altered or moved") from None

    def blind_index(self, column: str, value: str) -> bytes:
        """Return 16 bytes by which equal values of a column are found; the caller normalises."""
        return self._index(self._keys.active[Purpose.BLIND_INDEX], column, value)

    def blind_indexes(self, column: str, value: str) -> list[bytes]:
        """Return the index under every key that rows may carry, the active one first."""
        keys = [key for key in self._keys.by_id.values() if key.purpose == Purpose.BLIND_INDEX]
        keys.sort(key=lambda key: not key.active)
        return [self._index(key, column, value) for key in keys]

    def pepper_digest(self, pepper_id: str | None, secret: str) -> tuple[str, bytes]:
        """Return (pepper id, HMAC-SHA256 of an API secret); None takes the active pepper.

        Raises Unreadable when there is no such pepper.
        """
        pepper = self._keys.active[Purpose.API_PEPPER] if pepper_id is None else None
        if pepper is None:
            pepper = self._key(pepper_id or "")
            if pepper.purpose != Purpose.API_PEPPER:
                raise Unreadable("this key is not a pepper")
        inner, outer = self._peppers.get(pepper.id) or self._prepare(pepper)
        inner, outer = inner.copy(), outer.copy()
        inner.update(secret.encode())
        outer.update(inner.digest())
        return pepper.id, outer.digest()

    def has(self, key_id: str) -> bool:
        """Tell whether this process has a key."""
        return key_id in self._keys.by_id

    def key_ids(self) -> frozenset[str]:
        """Return the ids of the keys that this process has."""
        return frozenset(self._keys.by_id)

    def reload(self) -> None:
        """Take up new keys and drop retired ones; raises Unavailable and then changes nothing."""
        with self._reloading:
            self._next_reload_s = clock.monotonic_s() + RELOAD_EVERY_S
            self._keys = self._read(self._keys)

    def _prepare(self, pepper: DataKey) -> tuple["hashlib._Hash", "hashlib._Hash"]:
        """Begin both hashes of HMAC-SHA256 (RFC 2104); copying them is half its price."""
        block = pepper.secret.reveal().ljust(BLOCK_BYTES, b"\0")
        if len(block) > BLOCK_BYTES:
            raise ValueError("a pepper is longer than a block of SHA-256")
        begun = hashlib.sha256(block.translate(INNER)), hashlib.sha256(block.translate(OUTER))
        self._peppers[pepper.id] = begun
        return begun

    def _key(self, key_id: str) -> DataKey:
        key = self._keys.by_id.get(key_id)
        if key is None:
            self._look_for(key_id)
            key = self._keys.by_id.get(key_id)
        if key is None:
            raise Unreadable("sealed under a data key that is gone")
        return key

    def _look_for(self, key_id: str) -> None:
        """Reload for a key that another process made; at most once in RELOAD_EVERY_S."""
        with self._reloading:
            now_s = clock.monotonic_s()
            if key_id in self._keys.by_id or now_s < self._next_reload_s:
                return
            self._next_reload_s = now_s + RELOAD_EVERY_S
            self._keys = self._read(self._keys)

    def _index(self, key: DataKey, column: str, value: str) -> bytes:
        """Digest under the column's own key, so that columns cannot be compared."""
        derived = self._columns.get((key.id, column))
        if derived is None:
            derived = hmac.digest(key.secret.reveal(), b"column|" + column.encode(), "sha256")
            self._columns[key.id, column] = derived
        return hmac.digest(derived, value.encode(), "sha256")[:INDEX_BYTES]


def load(database: Database, hsm: HsmClient) -> Envelope:
    """Unwrap every data key once; any role.

    Raises Unavailable when database or HSM do not answer, Misconfigured when a purpose has no key.
    """

    def read(known: Keys | None) -> Keys:
        with database.transaction() as conn:
            rows = data_keys.load(conn)
        return _unwrapped(rows, hsm, known)

    return Envelope(read)


def _unwrapped(rows: Sequence[WrappedKey], hsm: HsmClient, known: Keys | None) -> Keys:
    """Return the keys of these rows; asks the HSM only for those that are not known."""
    taken = [key for row in rows if (key := _take(row, hsm, known)) is not None]
    by_id = {key.id: key for key in taken}
    active = {key.purpose: key for key in taken if key.active}
    missing = sorted(set(Purpose) - set(active))
    if missing:
        raise Misconfigured(f"no data key for {', '.join(missing)}; run `rizzpay keys init`")
    fresh = sorted(set(by_id) - set(known.by_id if known else ()))
    if fresh:
        log.get(__name__).info("data_keys.loaded", ids=fresh)
    return Keys(by_id, active)


def _take(row: WrappedKey, hsm: HsmClient, known: Keys | None) -> DataKey | None:
    """Unwrap a key; an old one that is damaged is left out, so that everything else runs."""
    before = known.by_id.get(row.id) if known else None
    active = row.status == "active"
    if before is not None:
        return replace(before, active=active)
    try:
        secret = hsm.unwrap(row.kek_label, row.mechanism, row.wrapped)
    except HsmRefused as refused:
        if active:
            raise
        log.get(__name__).error("data_keys.unusable", id=row.id, code=refused.code)
        return None
    return DataKey(row.id, row.purpose, active, secret, AESGCM(secret.reveal()))
