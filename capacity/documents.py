"""Reads the JSON documents that the verbs hand to each other; what is wrong is one sentence."""

import json
import sys
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from capacity import machine
from capacity.errors import WrongUse
from capacity.machine import Machine

COLUMNS = 100
BYTES_MAX = 32 * 1024 * 1024  # a probe of 8,192 CPUs is below 4 MiB
Document = TypeVar("Document", bound=msgspec.Struct)


def read(path: Path, kind: type[Document]) -> Document:
    """Decode a document of this kind from a file, or from standard input for "-".

    Raises WrongUse, naming the file and the first field that is wrong.
    """
    raw = _bytes(path)
    verb = kind.__name__.lower()
    try:
        head = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WrongUse(f"{path}: not JSON: {error}") from None
    if not isinstance(head, dict):
        raise WrongUse(f"{path}: not a {verb}: a JSON object is needed")
    wanted = _format(kind)
    if wanted and head.get("format") != wanted:
        said = head.get("format")
        raise WrongUse(f"{path}: not a {verb}: format is {said!r}, needed is {wanted!r}")
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise WrongUse(f"{path}: not a valid {verb}: {error}") from None


def read_machine(path: Path) -> Machine:
    """Decode a machine and refuse one that contradicts itself."""
    found = read(path, Machine)
    if wrong := machine.faults(found):
        raise WrongUse(f"{path}: not a valid machine: {'; '.join(wrong[:3])}")
    return found


def pretty(document: msgspec.Struct) -> str:
    """Return the document as JSON for people and for git, with a line end."""
    return _lines(plain(document), 0) + "\n"


def plain(document: msgspec.Struct) -> Any:
    """Return the document as dictionaries, lists, texts, numbers and None."""
    return msgspec.to_builtins(document)


def write(document: msgspec.Struct, output: Path | None) -> None:
    """Write a document to a file, or to standard output."""
    if output is None:
        sys.stdout.write(pretty(document))
        return
    try:
        output.write_text(pretty(document))
    except OSError as error:
        raise WrongUse(f"{output}: {error.strerror}") from None


def _lines(value: Any, depth: int) -> str:
    """Write what fits into a line as one line, and anything else with a line for each part."""
    short = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or len(short) + depth <= COLUMNS:
        return short
    inner = "\n" + " " * (depth + 2)
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {_lines(part, depth + 2)}" for key, part in value.items()]
        return "{" + inner + f",{inner}".join(parts) + "\n" + " " * depth + "}"
    parts = [_lines(part, depth + 2) for part in value]
    return "[" + inner + f",{inner}".join(parts) + "\n" + " " * depth + "]"


def _format(kind: type[msgspec.Struct]) -> str:
    """Return the only value that the field `format` of this kind may have; "" without one."""
    for field in msgspec.structs.fields(kind):
        if field.name == "format":
            return str(field.type.__args__[0])
    return ""


def _bytes(path: Path) -> bytes:
    try:
        if str(path) == "-":
            raw = sys.stdin.buffer.read(BYTES_MAX + 1)
        else:
            with path.open("rb") as file:
                raw = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise WrongUse(f"{path}: {error.strerror}") from None
    if len(raw) > BYTES_MAX:
        raise WrongUse(f"{path}: more than {BYTES_MAX // 1024 // 1024} MiB is no document of ours")
    return raw
