"""What we tell systemd, as sd_notify(3) describes it: ready, alive, stopping. Without it: nobody.

`rizzpay serve` becomes gunicorn, whose arbiter calls itself ready long before its worker is; so
that it stays silent the socket's name moves to a variable of our own, which the worker reads.
"""

import os
import socket
from contextlib import suppress

NOTIFY, OWN_NOTIFY = "NOTIFY_SOCKET", "RIZZPAY_NOTIFY_SOCKET"
WATCHDOG_US = "WATCHDOG_USEC"
SHARE = 3  # of the watchdog's time between two signs of life


def tell(state: str) -> None:
    """Send a state; a service manager that does not listen is not our trouble."""
    address = os.environ.get(OWN_NOTIFY) or os.environ.get(NOTIFY, "")
    if not address:
        return
    if address.startswith("@"):  # a name in the abstract namespace
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock, suppress(OSError):
        sock.sendto(state.encode(), address)


def keep_for_worker() -> None:
    """Hide the socket from gunicorn's arbiter, which this process is about to become."""
    if address := os.environ.pop(NOTIFY, ""):
        os.environ[OWN_NOTIFY] = address


def alive_every_s() -> float | None:
    """Return how often `WATCHDOG=1` has to be told; None when nobody watches."""
    try:
        return int(os.environ.get(WATCHDOG_US, "")) / 1e6 / SHARE
    except ValueError:
        return None
