"""Measures the disk below a directory with one bounded file that is removed again.

Each part stops at its time or at its count, whichever comes first: all of it is under five
seconds on a disk that answers. The file is small, so caches of a RAID controller or of the
hypervisor's host may serve it: take throughput for the most that can be, and fdatasync for what
it is, because a commit meets the same caches.
"""

import contextlib
import mmap
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from capacity.errors import WrongUse
from capacity.machine import Latency, Measured

FILE_BYTES = 64 * 1024 * 1024
FREE_BYTES_MIN = 4 * FILE_BYTES
CHUNK_BYTES = 1024 * 1024
BLOCK_BYTES = 8192  # PostgreSQL's page, and what a small commit writes
PART_S = 0.8
OPERATIONS_MAX = 20_000
OPERATIONS_MIN = 20  # below them a p99 would be an anecdote; they are done whatever it takes
DEPTH = 8
MB = 1_000_000


@dataclass(slots=True)
class Scratch:
    """The file that is measured. With `direct` the page cache is left out."""

    descriptor: int
    direct: bool
    buffer: mmap.mmap  # page-aligned, as O_DIRECT wants it

    def write_all(self) -> float:
        """Write the file from front to back, flush it, and return the seconds."""
        begin = time.monotonic()
        for at in range(0, FILE_BYTES, CHUNK_BYTES):
            os.pwritev(self.descriptor, [memoryview(self.buffer)[:CHUNK_BYTES]], at)
        os.fdatasync(self.descriptor)
        return time.monotonic() - begin

    def read_all(self) -> float:
        """Read the file from front to back and return the seconds."""
        self.forget()
        begin = time.monotonic()
        for at in range(0, FILE_BYTES, CHUNK_BYTES):
            os.preadv(self.descriptor, [memoryview(self.buffer)[:CHUNK_BYTES]], at)
        return time.monotonic() - begin

    def commit(self) -> None:
        """Overwrite a page and flush: what a commit costs the disk."""
        os.pwritev(self.descriptor, [memoryview(self.buffer)[:BLOCK_BYTES]], _place())
        os.fdatasync(self.descriptor)

    def forget(self) -> None:
        """Ask the kernel to drop its copies, where the file is not opened without them."""
        if not self.direct:
            os.posix_fadvise(self.descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def measure(directory: Path) -> Measured:
    """Measure the disk below a directory. Raises WrongUse when that cannot be done there."""
    try:
        sizes = os.statvfs(directory)
        if sizes.f_bavail * sizes.f_frsize < FREE_BYTES_MIN:
            needed = FREE_BYTES_MIN // 1024 // 1024
            raise WrongUse(f"{directory}: less than {needed} MiB are free; use --no-io")
        with _scratch(directory) as scratch:
            return _figures(scratch)
    except OSError as error:
        raise WrongUse(f"{directory}: {error.strerror}; use --data-dir or --no-io") from None


def _figures(scratch: Scratch) -> Measured:
    write_s = scratch.write_all()
    read_s = scratch.read_all()
    commits = _timed(scratch.commit)
    scratch.forget()
    reads = _timed(_reader(scratch))
    return Measured(
        file_bytes=FILE_BYTES,
        direct=scratch.direct,
        fdatasync=_latency(commits),
        sequential_write_mb_s=round(FILE_BYTES / write_s / MB, 1),
        sequential_read_mb_s=round(FILE_BYTES / read_s / MB, 1),
        random_read=_latency(reads),
        random_read_per_s=round(_reads_per_second(scratch), 1),
    )


@contextlib.contextmanager
def _scratch(directory: Path) -> Iterator[Scratch]:
    """Give a file without a name where the file system can, so that even SIGKILL leaves none."""
    buffer = mmap.mmap(-1, CHUNK_BYTES)
    buffer.write(secrets.token_bytes(CHUNK_BYTES))  # nothing that a disk could compress
    descriptor, direct = _open(directory)
    try:
        os.posix_fallocate(descriptor, 0, FILE_BYTES)
        yield Scratch(descriptor, direct, buffer)
    finally:
        os.close(descriptor)


def _open(directory: Path) -> tuple[int, bool]:
    for direct in (os.O_DIRECT, 0):
        with contextlib.suppress(OSError):
            return os.open(directory, os.O_RDWR | os.O_TMPFILE | direct, 0o600), bool(direct)
    descriptor, name = tempfile.mkstemp(prefix=".rizzpay-capacity-", dir=directory)
    Path(name).unlink()
    return descriptor, False


def _place() -> int:
    """Return where a random page of the file begins."""
    return secrets.randbelow(FILE_BYTES // BLOCK_BYTES) * BLOCK_BYTES


def _reader(scratch: Scratch) -> Callable[[], None]:
    """Return a function that reads a random page into memory of its own."""
    memory = mmap.mmap(-1, BLOCK_BYTES)

    def read() -> None:
        os.preadv(scratch.descriptor, [memory], _place())

    return read


def _timed(operation: Callable[[], None]) -> list[float]:
    """Repeat for PART_S and return each operation's seconds."""
    taken: list[float] = []
    begin = last = time.monotonic()
    while len(taken) < OPERATIONS_MAX:
        if last - begin > PART_S and len(taken) >= OPERATIONS_MIN:
            break
        operation()
        now = time.monotonic()
        taken.append(now - last)
        last = now
    return taken


def _reads_per_second(scratch: Scratch) -> float:
    """Read random pages from DEPTH threads; the kernel works while Python waits."""
    begin = time.monotonic()
    with ThreadPoolExecutor(DEPTH) as pool:
        jobs = [pool.submit(_timed, _reader(scratch)) for _ in range(DEPTH)]
        done = sum(len(job.result()) for job in jobs)
    return done / (time.monotonic() - begin)


def _latency(seconds: list[float]) -> Latency:
    cuts = statistics.quantiles(seconds, n=100)
    return Latency(
        p50_us=round(cuts[49] * 1e6, 1), p99_us=round(cuts[98] * 1e6, 1), operations=len(seconds)
    )
