"""Runs outside the machine: sends records one after the other and counts what is acknowledged.

Ends at SIGTERM and prints what it saw: how many records were acknowledged, over how many
connections, and the longest wait for an acknowledgement. A connection that breaks is opened
anew; the record that was not acknowledged is sent again. `python sender.py ADDRESS`.
"""

import json
import signal
import socket
import sys
import time
from dataclasses import asdict, dataclass

from tests.vm.recorder import PORT

PATIENCE_S = 120  # within one connection; a link that is cut for seconds must not end it
PAUSE_S = 0.1  # between two records: the emulated machine has other work too
PAYLOAD = "₹" * 1000  # 3 kB


@dataclass
class Seen:
    """What the sender saw."""

    acknowledged: int = 0
    connections: int = 0
    silence_s: float = 0.0


class Stopped(Exception):
    """SIGTERM came."""


def record(number: int) -> bytes:
    """Return the record with this number."""
    return f"{number} {PAYLOAD}\n".encode()


def send(address: str, seen: Seen) -> None:
    """Send over one connection until it breaks."""
    with socket.create_connection((address, PORT), timeout=PATIENCE_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        seen.connections += 1
        answers = connection.makefile("rb")
        last = time.monotonic()
        while True:
            connection.sendall(record(seen.acknowledged))
            if answers.readline() != b"%d\n" % seen.acknowledged:
                return
            seen.silence_s = max(seen.silence_s, time.monotonic() - last)
            seen.acknowledged += 1
            print(seen.acknowledged, file=sys.stderr, flush=True)
            time.sleep(PAUSE_S)
            last = time.monotonic()


def main() -> None:
    """Send until SIGTERM."""

    def stop(*_: object) -> None:
        raise Stopped

    signal.signal(signal.SIGTERM, stop)
    seen = Seen()
    try:
        while True:
            try:
                send(sys.argv[1], seen)
            except OSError:
                time.sleep(0.2)
    except Stopped:
        print(json.dumps(asdict(seen)))


if __name__ == "__main__":
    main()
