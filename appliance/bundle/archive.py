"""The file itself: a tar of which the first member lists all others and the second signs the first.

    manifest.json    what the archive is, and for each file its path, size and SHA-256, in order
    manifest.sig     Ed25519 signature of manifest.json, 64 bytes
    …                the files, in the order of the manifest

Nothing of the file is believed before the signature is checked, and nothing is written before every
byte is. It depends on the standard library and on cryptography alone, so that one can read it.
"""

import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

FORMAT = 1
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
MANIFEST_MAX_BYTES = 16 * 1024 * 1024  # some thousand files take one hundredth of it
SIGNATURE_BYTES = 64


class Refused(Exception):
    """The archive is not what somebody with the key has signed; the text says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the archive."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive is and holds; `about` is for people and for the installation."""

    about: Mapping[str, str]
    files: tuple[Entry, ...]


def write(file: Path, root: Path, about: Mapping[str, str], key: Ed25519PrivateKey) -> Manifest:
    """Write everything below `root` into `file`; the same content gives the same bytes."""
    paths = sorted(path for path in root.rglob("*") if not path.is_dir())
    manifest = Manifest(dict(about), tuple(entry_of(path, root) for path in paths))
    text = _encode(manifest)
    new = file.with_name(f"{file.name}.new")
    with new.open("wb") as out:
        _add(out, MANIFEST, text)
        _add(out, SIGNATURE, key.sign(text))
        for entry in manifest.files:
            _add(out, entry.path, (root / entry.path).read_bytes())
        end = out.tell() + 2 * tarfile.BLOCKSIZE
        out.write(bytes(end + -end % tarfile.RECORDSIZE - out.tell()))
    new.replace(file)
    return manifest


def verify(file: Path, key: Ed25519PublicKey) -> Manifest:
    """Read the whole archive and return its manifest; raises Refused. Writes nothing."""
    with file.open("rb") as stream:
        manifest, contents = _open(stream, key)
        for _ in contents:
            pass
        return manifest


def unpack(file: Path, key: Ed25519PublicKey, directory: Path) -> Manifest:
    """Verify the archive, then write its files to `directory`, which must not exist yet.

    The second reading is checked as the first one was: a file that was exchanged in between is
    refused. `directory` appears complete or not at all.
    """
    if directory.exists():
        raise FileExistsError(f"{directory} is there already")
    verify(file, key)
    partial = directory.with_name(f".{directory.name}.partial-{os.getpid()}")
    partial.mkdir(parents=True)
    try:
        with file.open("rb") as stream:
            manifest, contents = _open(stream, key)
            for entry, content in contents:
                path = partial / entry.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        partial.rename(directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return manifest


def _open(
    stream: IO[bytes], key: Ed25519PublicKey
) -> tuple[Manifest, Iterator[tuple[Entry, bytes]]]:
    """Return the manifest, with its signature checked, and an iterator that checks the files.

    Apart from the manifest's size, no header is read: what it has to be is known, and compared.
    """
    text = _content(stream, MANIFEST, _size_of_manifest(stream))
    _expect(stream, SIGNATURE, SIGNATURE_BYTES)
    signature = _content(stream, SIGNATURE, SIGNATURE_BYTES)
    try:
        key.verify(signature, text)
    except InvalidSignature:
        raise Refused(
            "its signature is not of this key, or its list of files was changed"
        ) from None
    manifest = _decode(text)
    return manifest, _contents(stream, manifest)


def _contents(stream: IO[bytes], manifest: Manifest) -> Iterator[tuple[Entry, bytes]]:
    """Yield each file with its content, once that is what the manifest says."""
    for entry in manifest.files:
        _expect(stream, entry.path, entry.size)
        content = _content(stream, entry.path, entry.size)
        if hashlib.sha256(content).hexdigest() != entry.sha256:
            raise Refused(f"{entry.path} was changed")
        yield entry, content
    end = bytes(2 * tarfile.BLOCKSIZE)
    end += bytes(-(stream.tell() + len(end)) % tarfile.RECORDSIZE)
    rest = stream.read(len(end) + 1)
    if rest.strip(b"\0"):
        raise Refused(f"{_name_in(rest)} is not in its list of files")
    if rest != end:
        raise Refused("its end is not where it should be")


def _size_of_manifest(stream: IO[bytes]) -> int:
    try:
        first = tarfile.TarInfo.frombuf(stream.read(tarfile.BLOCKSIZE), "utf-8", "strict")
    except (tarfile.TarError, UnicodeDecodeError):
        raise Refused("it is no bundle of ours: it is no tar file") from None
    if first.name != MANIFEST or not 0 < first.size <= MANIFEST_MAX_BYTES:
        raise Refused(f"it is no bundle of ours: it does not begin with {MANIFEST}")
    stream.seek(0)
    _expect(stream, MANIFEST, first.size)
    return first.size


def _expect(stream: IO[bytes], name: str, size: int) -> None:
    """Read a file's header, which has to be the one that `write` makes."""
    wanted = _header(name, size)
    found = stream.read(len(wanted))
    if not found.strip(b"\0"):
        raise Refused(f"{name} is missing: the file ends too early")
    if found != wanted:
        raise Refused(f"{name} is missing or changed: {_name_in(found)} stands in its place")


def _content(stream: IO[bytes], name: str, size: int) -> bytes:
    content = stream.read(size)
    padding = bytes(-size % tarfile.BLOCKSIZE)
    behind = stream.read(len(padding))
    if len(content) + len(behind) != size + len(padding):
        raise Refused(f"{name} is cut off: the file ends too early")
    if behind != padding:
        raise Refused(f"something stands behind {name}")
    return content


def _name_in(block: bytes) -> str:
    """Return the name in a header that is not the right one, as far as there is one."""
    try:
        return repr(tarfile.TarInfo.frombuf(block[: tarfile.BLOCKSIZE], "utf-8", "replace").name)
    except tarfile.TarError:
        return "something"


def _add(out: IO[bytes], name: str, content: bytes) -> None:
    out.write(_header(name, len(content)))
    out.write(content)
    out.write(bytes(-len(content) % tarfile.BLOCKSIZE))


def entry_of(path: Path, root: Path) -> Entry:
    """Return what the manifest says about a file below `root`."""
    name = path.relative_to(root).as_posix()
    if path.is_symlink() or not path.is_file():
        raise ValueError(f"{name} is no plain file")
    with path.open("rb") as content:
        return Entry(name, path.stat().st_size, hashlib.file_digest(content, "sha256").hexdigest())


def _header(name: str, size: int) -> bytes:
    """Return a header without owner, time or mode of the machine that builds."""
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o644
    return member.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict")


def _encode(manifest: Manifest) -> bytes:
    files = [asdict(entry) for entry in manifest.files]
    value = {"format": FORMAT, "about": dict(manifest.about), "files": files}
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def _decode(text: bytes) -> Manifest:
    """Return the manifest that was signed; a path that leads outside is refused all the same."""
    value: dict[str, Any] = json.loads(text)
    if value.get("format") != FORMAT:
        raise Refused(f"its format is {value.get('format')}; this program knows {FORMAT}")
    files = tuple(Entry(**one) for one in value["files"])
    for entry in files:
        path = PurePosixPath(entry.path)
        if path.is_absolute() or ".." in path.parts or str(path) != entry.path:
            raise Refused(f"the path {entry.path!r} leads out of the archive")
    if len({entry.path for entry in files}) != len(files):
        raise Refused("it lists a file twice")
    return Manifest(value["about"], files)
