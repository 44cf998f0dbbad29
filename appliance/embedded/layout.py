"""Where the appliance keeps things: a data directory that stays, a run directory that does not.

The run directory holds sockets. The path of a Unix socket has at most 107 characters, so it is
short and named after the data directory. A data directory is ours when it carries our marker;
nothing else is ever wiped.
"""

import hashlib
import os
import secrets
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from rizzpay.core.errors import Misconfigured

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_DATA = ROOT / "var" / "dev"
MARKER = ".rizzpay-embedded"
MARKER_TEXT = "Made by the embedded appliance of RizzPay; --fresh may delete this directory.\n"


@dataclass(frozen=True, slots=True)
class Layout:
    """The two directories and every path in them."""

    data: Path
    run: Path

    @property
    def log(self) -> Path:
        """Logs, one file a program."""
        return self.data / "log"

    @property
    def config(self) -> Path:
        """The service's settings."""
        return self.data / "rizzpay.toml"

    @property
    def credentials(self) -> Path:
        """What a client of this appliance needs."""
        return self.data / "credentials.json"

    @property
    def lock(self) -> Path:
        """Held while the appliance runs."""
        return self.data / "lock"

    @property
    def metrics(self) -> Path:
        """Metric files that processes share; emptied at start."""
        return self.run / "metrics"

    def secret(self, name: str) -> Path:
        """Return the file of a secret, made of 32 random bytes when it is not there yet."""
        path = self.data / "secrets" / name
        if not path.exists():
            write_private(path, secrets.token_urlsafe(32) + "\n")
        return path


def of(data: Path) -> Layout:
    """Return the layout for a data directory."""
    data = data.resolve()
    name = f"rizzpay-{hashlib.sha256(str(data).encode()).hexdigest()[:8]}"
    if os.geteuid() == 0:
        return Layout(data, Path("/run") / name)
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and os.access(runtime, os.W_OK):
        return Layout(data, Path(runtime) / name)
    return Layout(data, Path("/tmp") / f"{name}-{os.geteuid()}")  # noqa: S108 - owner is checked


def claim(layout: Layout) -> None:
    """Make the data directory, or recognise it as ours; raises Misconfigured when it is not."""
    data, marker = layout.data, layout.data / MARKER
    if data.exists() and not data.is_dir():
        raise Misconfigured(f"{data} is not a directory; choose another place with --data")
    if data.exists() and not marker.exists() and any(data.iterdir()):
        raise Misconfigured(
            f"{data} holds something that is not RizzPay's; choose another place with --data"
        )
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        data.chmod(0o711 if os.geteuid() == 0 else 0o700)  # PostgreSQL's user passes through
        marker.write_text(MARKER_TEXT)
    except OSError as error:
        raise Misconfigured(f"{data} cannot be used: {error.strerror}") from None


def wipe(layout: Layout) -> None:
    """Delete what the data directory holds, but for lock and marker. `claim` comes first."""
    for path in layout.data.iterdir():
        if path.name in {MARKER, layout.lock.name}:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def prepare(layout: Layout) -> None:
    """Make the directories inside, and an empty run directory."""
    for path in (layout.log, layout.data / "secrets"):
        path.mkdir(mode=0o700, exist_ok=True)
    _make_run_directory(layout.run)
    layout.metrics.mkdir(mode=0o700)


def leave(layout: Layout) -> None:
    """Remove the run directory that `prepare` made; what is in it means nothing any more."""
    shutil.rmtree(layout.run, ignore_errors=True)


def _make_run_directory(run: Path) -> None:
    """Make it empty and ours; somebody else's directory of that name is not touched."""
    if run.is_symlink() or run.exists():
        found = run.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise Misconfigured(f"{run} belongs to somebody else; have it removed")
        shutil.rmtree(run)
    run.mkdir(mode=0o700)
    run.chmod(0o711 if os.geteuid() == 0 else 0o700)


def write_private(path: Path, text: str) -> None:
    """Write a file that only we may read, whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    partial.replace(path)
