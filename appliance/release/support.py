"""Collects on one host what support needs, and leaves out what nobody else may see.

    python -m appliance.release.support --since "24 hours ago" /var/tmp/support.tar.gz

States, versions and logs are collected; credentials, keys and tables are not even opened. Every
line of text is redacted once more: values of settings that are secret by name, long random words,
card numbers, mail addresses and payment addresses. MANIFEST, the archive's first file, lists what
is inside with its size and how many redactions there were.
"""

import argparse
import io
import re
import subprocess
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path

COMMAND_S = 60.0
TEXT_MAX_BYTES = 20 * 1024 * 1024
UNITS = (
    *("rizzpay-*", "haproxy*", "patroni*", "etcd*"),
    *("valkey*", "keepalived*", "chrony*", "rsyslog*"),
)
COMMANDS: dict[str, Sequence[str]] = {
    "system/uname": ["uname", "-a"],
    "system/uptime": ["uptime"],
    "system/memory": ["free", "-m"],
    "system/disks": ["df", "-hT"],
    "system/addresses": ["ip", "-brief", "address"],
    "system/listening": ["ss", "-Hltnp"],
    "system/packages": ["dpkg-query", "-W"],
    "system/clock": ["timedatectl", "status"],
    "units/failed": ["systemctl", "--no-pager", "list-units", "--failed"],
    "units/all": ["systemctl", "--no-pager", "status", *UNITS],
    "rizzpay/health": ["/usr/local/sbin/rizzpay", "health"],
    "rizzpay/audit": ["/usr/local/sbin/rizzpay", "audit", "status"],
    "rizzpay/partitions": ["/usr/local/sbin/rizzpay", "partitions"],
    "database/cluster": ["patronictl", "-c", "/etc/patroni/config.yml", "list"],
}
FILES = (
    "/etc/rizzpay/rizzpay.toml",
    "/etc/rizzpay/plan/plan.json",
    "/etc/rizzpay/plan/machine.json",
    "/etc/os-release",
    "/proc/mdstat",
)
REDACTED = "[redacted]"
PATTERNS = (
    # name = value, where the name says that it is a secret; a file's name is none
    re.compile(
        r"(?i)((?:password|passwd|secret|token|pin|key|credential)(?!\w*_file\b)[\w-]*[\"']?"
        r"\s*[:=]\s*)([\"']?)[^\s\"',}]+"
    ),
    re.compile(r"\b\d(?:[ -]?\d){11,18}\b"),  # card and account numbers
    re.compile(r"\b[\w.+-]+@[\w.-]+\b"),  # mail addresses and VPAs
    re.compile(r"\b(?=\w*\d)(?=\w*[A-Za-z])[A-Za-z0-9_-]{32,}\b"),  # random words
)


def redact(text: str) -> tuple[str, int]:
    """Return a text without what nobody else may see, and how much that was."""
    first, *others = PATTERNS
    text, count = first.subn(rf"\1\2{REDACTED}", text)
    for pattern in others:
        text, more = pattern.subn(REDACTED, text)
        count += more
    return text, count


def collect(since: str) -> dict[str, str]:
    """Return the texts by their names in the archive."""
    texts = {name: _said(command) for name, command in COMMANDS.items()}
    for unit in UNITS:
        command = ["journalctl", "--no-pager", "-o", "short-iso", "--since", since, "-u", unit]
        texts[f"logs/{unit.rstrip('*-')}"] = _said(command)
    for path in FILES:
        try:
            texts[f"files{path}"] = Path(path).read_text(errors="replace")
        except OSError as error:
            texts[f"files{path}"] = f"{error.strerror}\n"
    return texts


def pack(texts: dict[str, str], archive: Path) -> None:
    """Redact and write the archive, readable by its owner alone."""
    redacted = {name: redact(text[-TEXT_MAX_BYTES:]) for name, text in texts.items()}
    lines = [
        f"{len(text.encode()):>10} bytes {count:>6} redactions  {name}"
        for name, (text, count) in redacted.items()
    ]
    archive.touch(mode=0o600)
    archive.chmod(0o600)
    with tarfile.open(archive, "w:gz") as packed:
        _add(packed, "MANIFEST", "\n".join(lines) + "\n")
        for name, (text, _) in redacted.items():
            _add(packed, name, text)


def _add(packed: tarfile.TarFile, name: str, text: str) -> None:
    data = text.encode()
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = len(data), 0o600, int(time.time())
    packed.addfile(entry, io.BytesIO(data))


def _said(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            timeout=COMMAND_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{type(error).__name__}\n"
    return done.stdout.decode(errors="replace")


def main() -> None:
    """Collect into the archive that the command line names."""
    parser = argparse.ArgumentParser(description="Collect what support needs, redacted.")
    parser.add_argument("archive", type=Path)
    parser.add_argument("--since", default="24 hours ago")
    chosen = parser.parse_args()
    pack(collect(chosen.since), chosen.archive)


if __name__ == "__main__":
    main()
