"""Messages between rizzpay-hsmd and its clients: four bytes of length, then MessagePack.

One request, one answer, in order. Both sides refuse a frame above FRAME_MAX before they read it.
A message that carries a key prints nothing but its name.

    HsmRefused       the daemon said no, and asking again will not help; `code` is below
    Unavailable      (core.errors) no daemon, no token, or no answer in time
"""

import struct
from typing import Annotated

import msgspec

from rizzpay.core.errors import RizzPayError

FRAME_MAX = 64 * 1024  # bytes; the largest honest message is one to sign
MESSAGE_MAX = 32 * 1024  # bytes to sign; longer things are hashed first
KEY_BYTES = 32  # every data key is AES-256
LENGTH = struct.Struct(">I")

Label = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
KeyBytes = Annotated[bytes, msgspec.Meta(min_length=KEY_BYTES, max_length=KEY_BYTES)]
Blob = Annotated[bytes, msgspec.Meta(min_length=1, max_length=512)]


class HsmRefused(RizzPayError):
    """The daemon refused: code is one of CODES, the message is for a human and names no secret."""

    def __init__(self, code: str, message: str) -> None:
        """Keep both; `code` is stable."""
        super().__init__(f"hsm: {message}")
        self.code = code
        self.message = message


CODES = {
    "unavailable": "the token is not there, or not logged in to; becomes Unavailable",
    "malformed": "the frame is not one of the messages below",
    "not_allowed": "this user may not call, or not this",
    "no_such_key": "the token has no key of this label",
    "wrong_use": "the key is there, but not for this: another kind, or an old version",
    "bad_wrapped_key": "the wrapped key was altered, or another key wrapped it",
    "no_mechanism": "the token offers none of the inventory's mechanisms",
    "token_refused": "the token answered with an error of its own",
}


class Status(msgspec.Struct, frozen=True, tag="status"):
    """Ask how the token is; answered even when it is away."""


class ListKeys(msgspec.Struct, frozen=True, tag="list_keys"):
    """Ask for every key with its attributes."""


class Mechanisms(msgspec.Struct, frozen=True, tag="mechanisms"):
    """Ask which mechanisms the token has, and which of them really worked."""


class PublicKey(msgspec.Struct, frozen=True, tag="public_key"):
    """Ask for the public part of a signing key, of any version."""

    label: Label


class NewDataKey(msgspec.Struct, frozen=True, tag="new_data_key"):
    """Have a data key made in the token; only its wrapped form comes out."""

    kek_label: Label


class Wrap(msgspec.Struct, frozen=True, tag="wrap"):
    """Wrap a data key that the caller has."""

    kek_label: Label
    plain: KeyBytes

    def __repr__(self) -> str:
        return "Wrap(…)"


class Unwrap(msgspec.Struct, frozen=True, tag="unwrap"):
    """Unwrap a data key for the caller."""

    kek_label: Label
    mechanism: Label
    wrapped: Blob


class Rewrap(msgspec.Struct, frozen=True, tag="rewrap"):
    """Wrap a data key anew under the active version; it does not leave the token."""

    kek_label: Label
    mechanism: Label
    wrapped: Blob
    new_kek_label: Label


class Sign(msgspec.Struct, frozen=True, tag="sign"):
    """Sign with the active version of a family: ECDSA P-256 over SHA-256."""

    label: Label
    message: Annotated[bytes, msgspec.Meta(max_length=MESSAGE_MAX)]


class Generate(msgspec.Struct, frozen=True, tag="generate"):
    """Make a key of the inventory in the token; only for root and the daemon's own user."""

    label: Label


class Destroy(msgspec.Struct, frozen=True, tag="destroy"):
    """Destroy the secret part of an old version; only for root and the daemon's own user."""

    label: Label


Use = NewDataKey | Wrap | Unwrap | Rewrap | Sign
Request = Status | ListKeys | Mechanisms | PublicKey | Generate | Destroy | Use


class HsmStatus(msgspec.Struct, frozen=True, tag="hsm_status"):
    """How the token is; `active` maps a family to the label of its active version."""

    ready: bool
    detail: str
    token_label: str
    model: str = ""
    wrap_mechanism: str = ""
    active: dict[str, str] = {}
    logins: int = 0  # since the daemon started; more than one means that it came back
    operations: dict[str, int] = {}
    failures: dict[str, int] = {}
    busy_s: float = 0.0  # spent inside PKCS#11


class KeyInfo(msgspec.Struct, frozen=True):
    """One key of the token; `flags` are its boolean attributes, None where it does not tell."""

    label: str
    kind: str
    active: bool
    has_secret: bool  # False: a retired signing key of which only the public part is left
    created: str  # YYYY-MM-DD, empty when the key was not made by us
    check_value: str  # AES: the token's key check value; EC: start of the SHA-256 of the public key
    flags: dict[str, bool | None]


class KeyList(msgspec.Struct, frozen=True, tag="key_list"):
    """Answer to ListKeys, sorted by family and version."""

    keys: tuple[KeyInfo, ...]


class MechanismRow(msgspec.Struct, frozen=True):
    """One mechanism that we could use: what the token lists, and what a trial showed."""

    name: str
    listed: bool
    works: bool
    note: str


class MechanismList(msgspec.Struct, frozen=True, tag="mechanism_list"):
    """Answer to Mechanisms."""

    rows: tuple[MechanismRow, ...]


class Bytes(msgspec.Struct, frozen=True, tag="bytes"):
    """Answer to PublicKey and Unwrap."""

    value: bytes

    def __repr__(self) -> str:
        return "Bytes(…)"


class Wrapped(msgspec.Struct, frozen=True, tag="wrapped"):
    """Answer to NewDataKey, Wrap and Rewrap."""

    mechanism: str
    wrapped: bytes


class Signed(msgspec.Struct, frozen=True, tag="signed"):
    """Answer to Sign: raw r and s, 32 bytes each."""

    label: str
    signature: bytes


class Done(msgspec.Struct, frozen=True, tag="done"):
    """Answer to Generate and Destroy."""

    label: str


class Failure(msgspec.Struct, frozen=True, tag="failure"):
    """The daemon said no; `code` is one of CODES."""

    code: str
    message: str


Answer = HsmStatus | KeyList | MechanismList | Bytes | Wrapped | Signed | Done | Failure

_ENCODER = msgspec.msgpack.Encoder()
_REQUESTS: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_ANSWERS: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def frame(message: Request | Answer) -> bytes:
    """Return the bytes of one message with its length in front."""
    body = _ENCODER.encode(message)
    if len(body) > FRAME_MAX:
        raise HsmRefused("malformed", "the message is too long")
    return LENGTH.pack(len(body)) + body


def read_request(body: bytes) -> Request:
    """Read a request; raises HsmRefused with code malformed."""
    try:
        return _REQUESTS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise HsmRefused("malformed", "this is not a request") from None


def read_answer(body: bytes) -> Answer:
    """Read an answer; raises HsmRefused with code malformed."""
    try:
        return _ANSWERS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise HsmRefused("malformed", "this is not an answer") from None
