"""One appliance a data directory: a lock that ends with its holder, however that dies."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rizzpay.core.errors import Misconfigured


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock file; raises Misconfigured naming the process that has it.

    The kernel drops the lock of a process that is gone, so the file and the process id in it
    may be left over from anything.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno != errno.EWOULDBLOCK:
                raise
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            raise Misconfigured(
                f"an appliance runs on {path.parent} already (process {holder}); "
                "stop it, or choose another place with --data"
            ) from None
        os.truncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
        os.truncate(descriptor, 0)
    finally:
        os.close(descriptor)
