"""Bytes become plain values here, strictly; schemas.py makes types of them.

Refused before any schema is asked: more than 256 KiB, other media types, malformed JSON, duplicate
keys, NaN, broken surrogates, deep nesting, control and bidirectional characters, decimals, card
numbers, CVVs. Messages name the field and never repeat its value.
"""

import json
import re
import string
from dataclasses import dataclass
from typing import Any, Protocol

import falcon
import msgspec

from rizzpay.core import sensitive
from rizzpay.core.errors import Refused

BODY_MAX = 262_144  # bytes; the largest request that makes sense has a few thousand
DEPTH_MAX = 16
NODES_MAX = 1_000  # values in a body; keeps the walk under a millisecond or two
TEXT_MAX = 16_384  # characters of all texts and keys together; the same reason

LONGEST_NUMBER = 10**40  # longer ones hold no card number, and writing them out is slow

# Characters that make a text look different from what it is (Unicode TR 36), and controls.
_BIDI = "\u202a-\u202e\u2066-\u2069"
_CONTROLS = re.compile(f"[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f{_BIDI}]")
_BREAKS = re.compile("[\t\r\n\u2028\u2029]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_FIELD = re.compile(r"[A-Za-z_]{1,40}(\[[a-z]{0,3}\])?")
_PLACE = re.compile(r"[0-9]{1,3}")
FREE_TEXT = frozenset({"metadata", "notes"})  # may have line breaks
# Names of our own fields: an object with none but these needs no look at its names.
ORDINARY = frozenset(
    {
        "amount", "currency", "method", "type", "token", "flow", "vpa", "bank", "wallet",
        "capture_method", "reference", "description", "customer", "name", "email", "phone",
        "metadata", "notes", "return_url", "final", "reason", "payment_id", "label", "scopes",
        "allowed_cidrs", "expires_at", "url", "event_types", "status", "endpoint_id",
    }
)  # fmt: skip
# Letters in small, everything but letters, digits and quotes gone: `"C.V.V"` as `"cvv"`.
_SMALL = bytes(range(256)).lower()
_NO_NAME = bytes(set(range(256)) - set(b'"' + (string.ascii_letters + string.digits).encode()))
_CVV = re.compile(
    rf'{"|".join(sensitive.CVV_PARTS)}|"(?:{"|".join(sorted(sensitive.CVV_NAMES))})"'.encode()
)


class _Unreadable(ValueError):
    """A hook of json.loads met something that we do not take; the text is for the client."""


@dataclass(frozen=True, slots=True)
class _Decimal:
    """A JSON number with a fraction or an exponent, as it was written."""

    text: str


@dataclass(frozen=True, slots=True)
class _Node:
    """A value of the body and where it stands; keys stand there too, as texts."""

    path: tuple[str, ...]
    value: Any
    is_key: bool = False


class Readable(Protocol):
    """What we need of a WSGI input."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes; fewer only at the end."""
        ...


def read(req: falcon.Request) -> bytes:
    """Return the raw body, at most BODY_MAX bytes; raises Refused(body_too_large)."""
    stream: Readable = req.env["wsgi.input"]
    length = req.content_length
    if length is None:  # chunked, where the server ends it, or no body
        raw = stream.read(BODY_MAX + 1) if req.env.get("wsgi.input_terminated") else b""
        if len(raw) > BODY_MAX:
            raise Refused("body_too_large")
        return raw
    if length > BODY_MAX:
        raise Refused("body_too_large")
    raw = stream.read(length)
    if len(raw) < length:
        raise Refused("malformed_request", "The body ended before its Content-Length.")
    return raw


def read_json(req: falcon.Request, *, optional: bool) -> dict[str, Any]:
    """Return the JSON object of a request; an `optional` body that is empty is {}."""
    raw = read(req)
    if not raw and optional:
        return {}
    _require_json(req)
    return decode(raw)


def decode(raw: bytes) -> dict[str, Any]:
    """Return the object in `raw`; raises Refused for everything that is not plainly fine."""
    fine = _plainly_fine(raw)
    if fine and (quick := _quick(raw)) is not None:
        return quick
    reader = _Reader()
    value = _loads(raw, reader)
    if reader.suspicious or not fine:
        nodes = _walk(value)
        for node in nodes:
            _refuse_card_data(node)
        for node in nodes:
            _refuse_bad_text(node)
    if not isinstance(value, dict):
        raise Refused("invalid_request", "The body must be a JSON object.")
    return value


def refuse_card_data_in(text: str, param: str | None) -> None:
    """Raise Refused when a header, path or query string carries card data."""
    if text.isascii() and not sensitive.may_be_card_data(text.encode()):
        return
    if sensitive.has_card_number(text):
        raise Refused("pan_not_accepted", param=param)
    if sensitive.has_spoken_cvv(text):
        raise Refused("cvv_not_accepted", param=param)


def dotted(path: tuple[str, ...]) -> str | None:
    """Write a path for `param`, as far as it consists of plain names."""
    names: list[str] = []
    for name in path:
        if not _FIELD.fullmatch(name) and not _PLACE.fullmatch(name):
            break
        names.append(name)
    return ".".join(names) or None


def _require_json(req: falcon.Request) -> None:
    if req.content_type == "application/json" and "HTTP_CONTENT_ENCODING" not in req.env:
        return
    media_type, _, options = (req.content_type or "").partition(";")
    charset = options.strip().lower().replace('"', "")
    if (
        media_type.strip().lower() != "application/json"
        or charset not in {"", "charset=utf-8"}
        or req.get_header("Content-Encoding", default="identity").lower() != "identity"
    ):
        raise Refused("unsupported_media_type")


class _Reader:
    """The hooks of json.loads; `suspicious` when the values have to be looked at one by one."""

    def __init__(self) -> None:
        self.suspicious = False

    def pairs(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """Make an object; raises _Unreadable when a field appears twice."""
        found = dict(pairs)
        if len(found) != len(pairs):
            raise _Unreadable("A field appears twice in one object.")
        if any(sensitive.is_cvv_name(name) for name in found.keys() - ORDINARY):
            self.suspicious = True
        return found

    def decimal(self, text: str) -> _Decimal:
        """Keep a number that is no integer as it was written."""
        self.suspicious = True
        return _Decimal(text)


def _loads(raw: bytes, reader: _Reader) -> Any:
    try:
        return json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=reader.pairs,
            parse_constant=_no_constant,
            parse_float=reader.decimal,
        )
    except _Unreadable as error:
        raise Refused("malformed_json", str(error)) from None
    except UnicodeDecodeError:
        raise Refused("malformed_json", "The body is not UTF-8.") from None
    except RecursionError:
        raise Refused("malformed_json", "The body is nested too deeply.") from None
    except ValueError:  # syntax, or an integer of thousands of digits
        raise Refused("malformed_json") from None


def _no_constant(_: str) -> None:
    raise _Unreadable("NaN and Infinity are not JSON.")


def _quick(raw: bytes) -> dict[str, Any] | None:
    """Read a plainly fine body in C; None when anything in it asks for a closer look.

    There are no backslashes, so every quote begins or ends a text, and the names that a field
    must not have are found in all texts at once. A field that came twice is missing when the
    object is written again.
    """
    plain = raw.translate(_SMALL, _NO_NAME)
    if _CVV.search(plain):
        return None
    try:
        value: dict[str, Any] = _READER.decode(raw)
    except msgspec.DecodeError:  # the close look finds the words for it
        return None
    return value if msgspec.json.encode(value).count(b'"') == plain.count(b'"') else None


def _no_decimal(_: str) -> None:
    raise ValueError


_READER = msgspec.json.Decoder(dict[str, Any], float_hook=_no_decimal)


def _plainly_fine(raw: bytes) -> bool:
    """Tell whether a body is so small and plain that nothing in it can be refused by the walk."""
    return (
        len(raw) <= TEXT_MAX
        and raw.isascii()
        and b"\\" not in raw
        and b"\x7f" not in raw
        and raw.count(b"{") + raw.count(b"[") <= DEPTH_MAX
        and raw.count(b",") <= NODES_MAX // 4
        and not sensitive.may_be_card_data(raw)
    )


def _walk(root: Any) -> list[_Node]:
    """List every value and key, breadth first; raises Refused when there are too many."""
    nodes = [_Node((), root)]
    text = 0
    for node in nodes:  # grows while it is read
        if len(node.path) > DEPTH_MAX:
            raise Refused("malformed_json", "The body is nested too deeply.")
        if isinstance(node.value, str):
            text += len(node.value)
        elif isinstance(node.value, dict | list):
            if len(nodes) + len(node.value) > NODES_MAX:
                raise _too_much()
            nodes.extend(_children(node))
    if text > TEXT_MAX:
        raise _too_much()
    return nodes


def _too_much() -> Refused:
    return Refused("invalid_request", "The body has more in it than any request needs.")


def _children(node: _Node) -> list[_Node]:
    if isinstance(node.value, dict):
        names = [_Node((*node.path, name), name, is_key=True) for name in node.value]
        return names + [_Node((*node.path, name), value) for name, value in node.value.items()]
    if isinstance(node.value, list):
        return [_Node((*node.path, str(place)), part) for place, part in enumerate(node.value)]
    return []


def _refuse_card_data(node: _Node) -> None:
    value = node.value
    if isinstance(value, _Decimal):
        value = value.text
    elif isinstance(value, int) and abs(value) < LONGEST_NUMBER:
        value = str(value)
    if not isinstance(value, str):
        return
    param = dotted(node.path)
    if node.is_key and sensitive.is_cvv_name(value):
        raise Refused("cvv_not_accepted", param=dotted(node.path[:-1]))
    refuse_card_data_in(value, param)


def _refuse_bad_text(node: _Node) -> None:
    param = dotted(node.path)
    if isinstance(node.value, _Decimal):
        raise Refused("invalid_request", no_decimals(node.path), param=param)
    if not isinstance(node.value, str):
        return
    if _SURROGATES.search(node.value):
        raise Refused("malformed_json", "A text contains half of a surrogate pair.", param=param)
    free = bool(node.path) and node.path[0] in FREE_TEXT and not node.is_key
    refuse_bad_text(node.value, param, may_break=free)


def refuse_bad_text(text: str, param: str | None, *, may_break: bool = False) -> None:
    """Raise Refused for control and bidirectional characters; `may_break` lets line ends pass."""
    if _CONTROLS.search(text) or (not may_break and _BREAKS.search(text)):
        raise Refused(
            "invalid_request",
            "The text contains control or bidirectional formatting characters.",
            param=param,
        )


AMOUNT_MESSAGE = "The amount must be an integer in minor units (paise)."


def no_decimals(path: tuple[str, ...]) -> str:
    """Return the sentence for a number that is not an integer."""
    if path[-1:] == ("amount",):
        return AMOUNT_MESSAGE
    return "Numbers must be integers: no fraction and no exponent."
