"""Reads the files of /proc and /sys below a root, and remembers what could not be read and why.

The root is "/" on the live machine; a recording or a test gives a directory. What only a system
call answers (ring buffers, clock offset) is asked only on the live machine.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from capacity.machine import Unread

BYTES_MAX = 4 * 1024 * 1024  # /proc/interrupts of 512 CPUs is about 1 MiB

CHUNK_BYTES = 64 * 1024


@dataclass(slots=True)
class Tree:
    """The files of a machine."""

    root: Path
    gaps: list[Unread] = field(default_factory=list)

    @property
    def is_live(self) -> bool:
        """Tell whether system calls answer for the same machine."""
        return self.root == Path("/")

    def gap(self, path: str, reason: str) -> None:
        """Say why the field at this path of the document is null."""
        self.gaps.append(Unread(path=path, reason=reason))

    def text(self, file: str) -> str | None:
        """Return a file's text without the space round it, or None when there is none."""
        try:
            return _read(self.root / file)
        except OSError:
            return None

    def wanted(self, file: str, path: str) -> str | None:
        """Return a file's text; without one, say that the field at `path` is null for that."""
        try:
            return _read(self.root / file)
        except OSError as error:
            self.gap(path, f"/{file}: {error.strerror}")
            return None

    def number(self, file: str) -> int | None:
        """Return a file's whole number, or None when there is none."""
        try:
            return int(self.text(file) or "")
        except ValueError:
            return None

    def wanted_number(self, file: str, path: str) -> int | None:
        """Return a file's whole number; without one, say why the field at `path` is null."""
        text = self.wanted(file, path)
        if text is None:
            return None
        try:
            return int(text)
        except ValueError:
            self.gap(path, f"/{file}: {text[:40]!r} is no whole number")
            return None

    def names(self, directory: str) -> list[str]:
        """Return the names in a directory, sorted; of none, nothing."""
        try:
            return sorted(entry.name for entry in (self.root / directory).iterdir())
        except OSError:
            return []

    def has(self, file: str) -> bool:
        """Tell whether there is such a file or directory."""
        return (self.root / file).exists()

    def link(self, file: str) -> str:
        """Return the last part of where a symbolic link leads, or "" without one."""
        try:
            return (self.root / file).readlink().name
        except OSError:
            return ""

    def lines(self, file: str) -> Iterator[str]:
        """Yield the lines of a file that may be missing."""
        yield from (self.text(file) or "").splitlines()


def _read(path: Path) -> str:
    """Return a file's text in small reads: some files of /proc refuse a large buffer (ENOMEM)."""
    kept = bytearray()
    with path.open("rb", buffering=0) as opened:
        while len(kept) < BYTES_MAX and (part := opened.read(CHUNK_BYTES)):
            kept += part
    return kept.decode("utf-8", "replace").strip()


def chosen(text: str) -> str:
    """Return what stands in brackets: "always [madvise] never" is madvise."""
    return text.partition("[")[2].partition("]")[0] or text.strip()


def choices(text: str) -> list[str]:
    """Return everything that could be chosen."""
    return text.replace("[", "").replace("]", "").split()
