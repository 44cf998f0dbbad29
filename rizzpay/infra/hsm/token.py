"""The token: log-in, which keys there are, and who of them may do what.

Not thread-safe, on purpose: python-pkcs11 0.10.1 calls C_Initialize without locking and releases
the GIL in every call; with two native threads it hangs or crashes (measured). One thread of
rizzpay-hsmd owns this object. `token.py` and `cryptoki.py` are the only importers of pkcs11.

Tokens word their errors differently (SoftHSM 2.6 answers CKR_GENERAL_ERROR both to a forged
wrapped key and when it is gone), so after any error the token is asked whether it is still there.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pkcs11
from pkcs11 import Attribute, KeyType, ObjectClass
from pkcs11.exceptions import (
    NoSuchToken,
    PinExpired,
    PinIncorrect,
    PinInvalid,
    PinLenRange,
    PinLocked,
    PKCS11Error,
    UserPinNotInitialized,
)
from pkcs11.util.ec import encode_ec_public_key

from rizzpay.config import HsmSettings, read_secret
from rizzpay.core import clock
from rizzpay.infra.hsm import cryptoki
from rizzpay.infra.hsm import inventory as labels
from rizzpay.infra.hsm.inventory import Inventory, Kind
from rizzpay.infra.hsm.protocol import (
    KEY_BYTES,
    HsmRefused,
    KeyInfo,
    KeyList,
    MechanismRow,
    Signed,
    Wrapped,
)

PIN_REFUSALS = (
    PinExpired,
    PinIncorrect,
    PinInvalid,
    PinLenRange,
    PinLocked,
    UserPinNotInitialized,
)
CLASS_OF = {Kind.WRAP: ObjectClass.SECRET_KEY, Kind.SIGN: ObjectClass.PRIVATE_KEY}
FLAGS = (
    Attribute.SENSITIVE,
    Attribute.ALWAYS_SENSITIVE,
    Attribute.EXTRACTABLE,
    Attribute.NEVER_EXTRACTABLE,
    Attribute.LOCAL,
    Attribute.PRIVATE,
    Attribute.MODIFIABLE,
    Attribute.WRAP,
    Attribute.UNWRAP,
    Attribute.ENCRYPT,
    Attribute.DECRYPT,
    Attribute.SIGN,
    Attribute.DERIVE,
)
Result = TypeVar("Result")


class Lost(Exception):
    """The token is not there, or does not let us in; the text says which."""


class LibraryStuck(Exception):
    """The module cannot be finalized: only a new process can load it again."""


class Token:
    """One token, logged in to while it is there."""

    def __init__(self, settings: HsmSettings, inventory: Inventory) -> None:
        """Keep the settings; nothing is loaded before `connect`."""
        self.inventory = inventory
        self.model = ""
        self.logins = 0
        self.mechanisms: tuple[MechanismRow, ...] = ()
        self._settings = settings
        self._lib: Any = None
        self._session: Any = None
        self._objects: dict[tuple[str, ObjectClass], Any] = {}
        self._refused_pin_mtime_ns = 0

    # ------------------------------------------------------------------------------ presence

    def connect(self) -> None:
        """Load the module anew and log in; raises Lost, and LibraryStuck.

        A PIN that was refused is not tried again before its file changes: tokens count.
        """
        self.disconnect()
        try:
            pin_mtime_ns = Path(self._settings.pin_file).stat().st_mtime_ns
        except OSError as error:
            raise Lost(f"PIN file: {error.strerror}") from None
        if pin_mtime_ns == self._refused_pin_mtime_ns:
            raise Lost("the token refused the PIN; correct the PIN file")
        try:
            self._log_in()
        except PIN_REFUSALS as error:
            self._refused_pin_mtime_ns = pin_mtime_ns
            raise Lost(f"the token refused the PIN: {type(error).__name__}") from None
        except NoSuchToken:
            raise Lost(f"no token has the label {self._settings.token_label}") from None
        except PKCS11Error as error:
            raise Lost(f"no log-in: {type(error).__name__}") from None
        self.logins += 1

    def disconnect(self) -> None:
        """Log out by finalizing the module; raises LibraryStuck when it does not let go."""
        self._session = None
        self._objects = {}
        if self._lib is not None and self._lib.initialized:
            try:
                self._lib.finalize()
            except PKCS11Error as error:
                raise LibraryStuck(type(error).__name__) from None

    def alive(self) -> bool:
        """Ask the token whether it is there and we are logged in."""
        if self._session is None:
            return False
        known = next((key for key in self._objects if key[1] in CLASS_OF.values()), None)
        try:
            if self._session.token.slot.get_token().label != self._settings.token_label:
                return False
            if known is None:
                return True
            wanted = {Attribute.LABEL: known[0], Attribute.CLASS: known[1]}
            return bool(list(self._session.get_objects(wanted)))
        except PKCS11Error:
            return False

    def run(self, work: Callable[[], Result], otherwise: str = "token_refused") -> Result:
        """Do `work`; if the token was lost meanwhile, log in again and do it once more.

        Raises Lost, or HsmRefused; an error of a token that is there has the code `otherwise`.
        """
        if self._session is None:
            raise Lost("not logged in")
        try:
            return work()
        except PKCS11Error as error:
            if self.alive():
                raise HsmRefused(otherwise, f"the token said {type(error).__name__}") from None
        self.connect()
        try:
            return work()
        except PKCS11Error as error:
            raise HsmRefused(otherwise, f"the token said {type(error).__name__}") from None

    # ------------------------------------------------------------------------------ what is there

    def active(self) -> dict[str, str]:
        """Return family → label of the newest version that has its secret part."""
        newest: dict[str, int] = {}
        for label, kind in self._objects:
            parts = labels.split(label)
            if parts and kind in CLASS_OF.values():
                newest[parts[0]] = max(newest.get(parts[0], 0), parts[1])
        return {family: labels.label_of(family, version) for family, version in newest.items()}

    def wrap_mechanism(self, family: str) -> str:
        """Return how the active version wraps; "" when there is none, or no mechanism works."""
        kek = self._objects.get((self.active().get(family, ""), ObjectClass.SECRET_KEY))
        return next((name for name in self._working(family) if cryptoki.serves(kek, name)), "")

    def list_keys(self) -> KeyList:
        """Return every key of the token, also one that is not ours."""
        self._scan()
        active = set(self.active().values())
        names = sorted({label for label, _ in self._objects}, key=_by_version)
        return KeyList(tuple(self._describe(label, active=label in active) for label in names))

    def public_key(self, label: str) -> bytes:
        """Return the public part as DER SubjectPublicKeyInfo."""
        return encode_ec_public_key(self._get(label, ObjectClass.PUBLIC_KEY))

    # ------------------------------------------------------------------------------ key life

    def generate(self, label: str) -> None:
        """Make the next version of a family of the inventory."""
        self._scan()
        family, version = self._ours(label)
        versions = [_by_version(known) for known, _ in self._objects]
        newest = max((number for name, number in versions if name == family), default=0)
        if version != newest + 1:
            raise HsmRefused("wrong_use", f"the next version is {family}-v{newest + 1}")
        stored = {"id": f"{label} {clock.now():%Y-%m-%d}".encode(), "label": label, "store": True}
        if self.inventory.keys[family].kind is Kind.SIGN:
            cryptoki.generate_pair(self._session, stored)
        else:
            working = self._working(family)
            if not working:
                raise HsmRefused("no_mechanism", f"no mechanism of {family} passed its trial")
            cryptoki.generate_kek(self._session, working[0], stored)
        self._scan()

    def destroy(self, label: str) -> None:
        """Destroy the secret part of a version that is no longer active."""
        self._scan()
        family, _ = self._ours(label)
        if self.active().get(family) == label:
            raise HsmRefused("wrong_use", f"{label} is the active version")
        self._get(label, CLASS_OF[self.inventory.keys[family].kind]).destroy()
        self._scan()

    # ------------------------------------------------------------------------------ key use

    def sign(self, label: str, message: bytes) -> Signed:
        """Sign with the active version; `label` may name it, or only its family."""
        label = self.active().get(label, label)
        if label in self.inventory.keys:
            raise HsmRefused("no_such_key", f"there is no {label} key; run `rizzpay keys init`")
        self._require_active(label, Kind.SIGN)
        key = self._get(label, ObjectClass.PRIVATE_KEY)
        return Signed(label, cryptoki.sign(key, hashlib.sha256(message).digest()))

    def new_data_key(self, kek_label: str) -> Wrapped:
        """Make a data key in the token and return it wrapped."""
        kek, mechanism = self._active_kek(kek_label)
        return Wrapped(mechanism, cryptoki.wrap_new(self._session, kek, mechanism))

    def wrap(self, kek_label: str, plain: bytes) -> Wrapped:
        """Wrap the caller's 32 bytes under the active version."""
        kek, mechanism = self._active_kek(kek_label)
        return Wrapped(mechanism, cryptoki.wrap(self._session, kek, mechanism, plain))

    def unwrap(self, kek_label: str, mechanism: str, wrapped: bytes) -> bytes:
        """Return the 32 bytes of a data key, wrapped by any version."""
        plain = cryptoki.unwrap(self._kek(kek_label, mechanism), mechanism, wrapped)
        if len(plain) != KEY_BYTES:
            raise HsmRefused("bad_wrapped_key", "this is not a data key of 32 bytes")
        return plain

    def rewrap(self, kek_label: str, mechanism: str, wrapped: bytes, new_label: str) -> Wrapped:
        """Wrap a data key anew under the active version; it does not leave this process."""
        new, new_mechanism = self._active_kek(new_label)
        old = self._kek(kek_label, mechanism)
        if cryptoki.GCM in {mechanism, new_mechanism}:
            return self.wrap(new_label, self.unwrap(kek_label, mechanism, wrapped))
        fresh = cryptoki.rewrap((old, mechanism), wrapped, (new, new_mechanism))
        if fresh is None:
            raise HsmRefused("token_refused", "the key came back different")
        return Wrapped(new_mechanism, fresh)

    # ------------------------------------------------------------------------------ inside

    def _log_in(self) -> None:
        self._lib = pkcs11.lib(self._settings.module)
        found = self._lib.get_token(token_label=self._settings.token_label)
        session = found.open(rw=True, user_pin=read_secret(self._settings.pin_file).reveal())
        names = [name for entry in self.inventory.keys.values() for name in entry.mechanisms]
        self.mechanisms = tuple(cryptoki.trials(session, list(dict.fromkeys(names))))
        self.model = found.model
        self._session = session
        self._scan()

    def _scan(self) -> None:
        """Learn what keys there are; handles stay good until the next log-in."""
        found = {}
        for kind in (*CLASS_OF.values(), ObjectClass.PUBLIC_KEY):
            wanted = {Attribute.CLASS: kind, Attribute.TOKEN: True}
            for key in list(self._session.get_objects(wanted)):
                found[key[Attribute.LABEL], kind] = key
        self._objects = found

    def _get(self, label: str, kind: ObjectClass) -> Any:
        if (label, kind) not in self._objects:
            self._scan()
        try:
            return self._objects[label, kind]
        except KeyError:
            raise HsmRefused("no_such_key", f"the token has no key {label!r}") from None

    def _kek(self, label: str, mechanism: str) -> Any:
        """Return any version of a KEK that was made for this mechanism of the inventory."""
        family, _ = self._ours(label)
        entry = self.inventory.keys[family]
        if entry.kind is not Kind.WRAP or mechanism not in entry.mechanisms:
            raise HsmRefused("wrong_use", f"{label} does not wrap by {mechanism!r}")
        kek = self._get(label, ObjectClass.SECRET_KEY)
        if not cryptoki.serves(kek, mechanism):
            raise HsmRefused("wrong_use", f"{label} was not made for {mechanism}")
        return kek

    def _active_kek(self, label: str) -> tuple[Any, str]:
        """Return the active KEK and how it wraps."""
        family = self._require_active(label, Kind.WRAP)
        mechanism = self.wrap_mechanism(family)
        if not mechanism:
            raise HsmRefused("no_mechanism", f"no mechanism of {family} works with {label}")
        return self._kek(label, mechanism), mechanism

    def _working(self, family: str) -> list[str]:
        """Return the family's mechanisms that passed their trial, in order of preference."""
        works = {row.name for row in self.mechanisms if row.works}
        return [name for name in self.inventory.keys[family].mechanisms if name in works]

    def _ours(self, label: str) -> tuple[str, int]:
        parts = labels.split(label)
        if parts is None or parts[0] not in self.inventory.keys:
            raise HsmRefused("no_such_key", f"{label!r} is not in the inventory")
        return parts

    def _require_active(self, label: str, kind: Kind) -> str:
        """Return the family; only the active version wraps and signs."""
        family, _ = self._ours(label)
        if self.inventory.keys[family].kind is not kind:
            raise HsmRefused("wrong_use", f"{label} is not of kind {kind}")
        self._get(label, CLASS_OF[kind])
        if self.active().get(family) != label:
            raise HsmRefused("wrong_use", f"{label} is not the active version")
        return family

    def _describe(self, label: str, *, active: bool) -> KeyInfo:
        public = self._objects.get((label, ObjectClass.PUBLIC_KEY))
        secrets = [self._objects.get((label, kind)) for kind in CLASS_OF.values()]
        secret = next((key for key in secrets if key is not None), None)
        key = public if secret is None else secret
        if public is not None:
            check = hashlib.sha256(encode_ec_public_key(public)).hexdigest()[:16]
        else:
            check = _attribute(key, Attribute.CHECK_VALUE, b"").hex()
        made = _attribute(key, Attribute.ID, b"").decode("ascii", "replace").partition(" ")
        return KeyInfo(
            label=label,
            kind=_attribute(key, Attribute.KEY_TYPE, KeyType.AES).name,
            active=active,
            has_secret=secret is not None,
            created=made[2] if made[0] == label else "",
            check_value=check,
            flags={flag.name.lower(): _attribute(key, flag, None) for flag in FLAGS},
        )


def _by_version(label: str) -> tuple[str, int]:
    return labels.split(label) or (label, 0)


def _attribute(key: Any, attribute: Attribute, otherwise: Any) -> Any:
    """Return an attribute; tokens leave out some that the standard has."""
    try:
        return key[attribute]
    except PKCS11Error:
        return otherwise
