"""What we ask of PKCS#11: templates of our keys, wrapping, trials of mechanisms. No state.

A data key is wrapped and unwrapped by C_WrapKey and C_UnwrapKey with a session object in between,
which is destroyed at once. What goes to a client is read from such an object, unwrapped as not
sensitive; a key that is made or re-wrapped here is sensitive even as a session object and does
not come out. A token that has no wrapping mechanism wraps by AES-GCM encryption, its nonce in
front; the nonce is drawn by the token.

Which mechanisms work is found out by doing it: what a token lists, and the flags it gives, are
not reliable (SoftHSM 2.6 returns uninitialised memory as flags).
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pkcs11 import Attribute, GCMParams, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.exceptions import PKCS11Error
from pkcs11.util.ec import encode_named_curve_parameters

from rizzpay.infra.hsm.protocol import KEY_BYTES, MechanismRow

KEY_BITS = KEY_BYTES * 8
GCM = "AES_GCM"
SIGNATURE_BYTES = 64  # r and s of P-256
GCM_NONCE_BYTES = 12  # NIST SP 800-38D, 8.2
KEPT = {
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.PRIVATE: True,
    Attribute.MODIFIABLE: False,
}


@contextmanager
def borrowed(key: Any) -> Iterator[Any]:
    """Destroy a session object at the end: tokens hold only so many."""
    try:
        yield key
    finally:
        with suppress(PKCS11Error):
            key.destroy()


def generate_kek(session: Any, mechanism: str, stored: dict[str, Any]) -> Any:
    """Make an AES-256 key that can do what `mechanism` needs, and nothing else."""
    if mechanism == GCM:
        allowed = MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT
    else:
        allowed = MechanismFlag.WRAP | MechanismFlag.UNWRAP
    return session.generate_key(
        KeyType.AES, KEY_BITS, capabilities=allowed, template=KEPT, **stored
    )


def serves(kek: Any, mechanism: str) -> bool:
    """Tell whether a key's usage flags allow it to wrap by `mechanism`; None serves nothing."""
    return hasattr(kek, "encrypt" if mechanism == GCM else "wrap_key")


def generate_pair(session: Any, stored: dict[str, Any]) -> tuple[Any, Any]:
    """Make a P-256 pair that signs, and nothing else; returns public and private key."""
    curve = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
    domain = session.create_domain_parameters(KeyType.EC, curve, local=True)
    public, private = domain.generate_keypair(
        capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
        public_template={Attribute.MODIFIABLE: False},
        private_template=KEPT,
        **stored,
    )
    return public, private


def sign(private: Any, digest: bytes) -> bytes:
    """Return r and s over a SHA-256 digest; plain CKM_ECDSA is what every token has."""
    return bytes(private.sign(digest, mechanism=Mechanism.ECDSA))


def wrap_new(session: Any, kek: Any, mechanism: str) -> bytes:
    """Make a data key in the token and return it wrapped."""
    if mechanism == GCM:
        return wrap(session, kek, mechanism, session.generate_random(KEY_BITS))
    template = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: True}
    made = session.generate_key(KeyType.AES, KEY_BITS, store=False, template=template)
    with borrowed(made):
        return bytes(kek.wrap_key(made, mechanism=Mechanism[mechanism]))


def wrap(session: Any, kek: Any, mechanism: str, plain: bytes) -> bytes:
    """Return a data key that we have, wrapped."""
    if mechanism == GCM:
        nonce = session.generate_random(GCM_NONCE_BYTES * 8)
        return bytes(nonce + kek.encrypt(plain, **_gcm(nonce)))
    template = {
        Attribute.CLASS: ObjectClass.SECRET_KEY,
        Attribute.KEY_TYPE: KeyType.AES,
        Attribute.VALUE: plain,
        Attribute.TOKEN: False,
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: True,
    }
    with borrowed(session.create_object(template)) as given:
        return bytes(kek.wrap_key(given, mechanism=Mechanism[mechanism]))


def unwrap(kek: Any, mechanism: str, wrapped: bytes) -> bytes:
    """Return the value of a data key."""
    if mechanism == GCM:
        nonce, sealed = wrapped[:GCM_NONCE_BYTES], wrapped[GCM_NONCE_BYTES:]
        return bytes(kek.decrypt(sealed, **_gcm(nonce)))
    with _unwrapped(kek, mechanism, wrapped, sensitive=False) as key:
        return bytes(key[Attribute.VALUE])


def rewrap(old: tuple[Any, str], wrapped: bytes, new: tuple[Any, str]) -> bytes | None:
    """Wrap a data key anew, from one (KEK, wrapping mechanism) to another, inside the token.

    None when what came out does not unwrap to the same key: key wrapping is deterministic
    (RFC 3394, RFC 5649), so the same key has the same old wrapping.
    """
    with _unwrapped(*old, wrapped, sensitive=True) as key:
        fresh = bytes(new[0].wrap_key(key, mechanism=Mechanism[new[1]]))
    with _unwrapped(*new, fresh, sensitive=True) as key:
        again = bytes(old[0].wrap_key(key, mechanism=Mechanism[old[1]]))
    return fresh if again == wrapped else None


def trials(session: Any, names: list[str]) -> Iterator[MechanismRow]:
    """Try each mechanism with throw-away session keys and say what came of it."""
    listed = {getattr(found, "name", "") for found in session.token.slot.get_mechanisms()}
    for name in names:
        attempt = _try_signing if name == Mechanism.ECDSA.name else _try_wrapping
        note = _outcome(attempt, session, name)
        yield MechanismRow(name, listed=name in listed, works=not note, note=note)


def _outcome(attempt: Callable[[Any, str], bool], session: Any, name: str) -> str:
    if name not in Mechanism.__members__:
        return "unknown name"
    try:
        return "" if attempt(session, name) else "gave back something else"
    except (PKCS11Error, TypeError) as error:
        return type(error).__name__


def _try_wrapping(session: Any, name: str) -> bool:
    plain = secrets.token_bytes(KEY_BYTES)
    with borrowed(generate_kek(session, name, {"store": False})) as kek:
        return unwrap(kek, name, wrap(session, kek, name, plain)) == plain


def _try_signing(session: Any, _: str) -> bool:
    public, private = generate_pair(session, {"store": False})
    with borrowed(public), borrowed(private):
        digest = secrets.token_bytes(KEY_BYTES)
        signature = sign(private, digest)
        verified = public.verify(digest, signature, mechanism=Mechanism.ECDSA)
        return bool(verified) and len(signature) == SIGNATURE_BYTES


@contextmanager
def _unwrapped(kek: Any, mechanism: str, wrapped: bytes, *, sensitive: bool) -> Iterator[Any]:
    key = kek.unwrap_key(
        ObjectClass.SECRET_KEY,
        KeyType.AES,
        wrapped,
        mechanism=Mechanism[mechanism],
        store=False,
        template={Attribute.SENSITIVE: sensitive, Attribute.EXTRACTABLE: True},
    )
    with borrowed(key):
        yield key


def _gcm(nonce: bytes) -> dict[str, Any]:
    return {"mechanism": Mechanism.AES_GCM, "mechanism_param": GCMParams(nonce)}
