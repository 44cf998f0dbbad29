"""The runs of a check: the target in open loop, then ladders of connections and of API workers.

The number of API workers is changed from outside, by draining them at HAProxy's admin socket, and
they are made ready again whatever happens. Without the socket that ladder is left out.
"""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from capacity.checking.judging import Goal, Measured
from capacity.errors import Unreachable
from capacity.load import running
from capacity.load.figures import Run
from capacity.load.running import Session, Wish

BACKEND = "api"
NAME_FIELD = 3  # of `show servers state`
CONNECTIONS = 64
Say = Callable[[str], None]


def measure(session: Session, goal: Goal, mix: str, levels: Sequence[int], say: Say) -> Measured:
    """Run everything; each step says what it found."""
    say(f"{mix}, open loop at {goal.wanted:g}/s")
    connections = running.connections_for(goal.wanted)
    wish = Wish(mix=mix, rate=goal.wanted, connections=connections, seconds=goal.seconds)
    at_target = running.run(session, wish)
    if at_target.interrupted:
        raise KeyboardInterrupt
    say(f"  {at_target.per_second:,.0f}/s")
    step = replace(wish, rate=None, seconds=max(1.0, goal.seconds / 4))
    ladder = [_closed(session, replace(step, connections=level), say) for level in levels]
    return Measured(at_target, ladder, _workers(session, step, say))


def _closed(session: Session, wish: Wish, say: Say) -> Run:
    found = running.run(session, wish)
    if found.interrupted:
        raise KeyboardInterrupt
    say(f"  {wish.connections} connections: {found.per_second:,.0f}/s")
    return found


def _workers(session: Session, step: Wish, say: Say) -> list[tuple[int, Run]]:
    settings = session.installation.settings["service"]
    path = Path(settings["run_dir"]) / "haproxy" / "admin.sock"
    if not path.exists():
        say(f"  no ladder of API workers: there is no {path}")
        return []
    servers = _servers(path)
    found = []
    for count in range(1, len(servers) + 1):
        with _only(path, servers, count):
            say(f"  with {count} of {len(servers)} API workers")
            found.append((count, _closed(session, replace(step, connections=CONNECTIONS), say)))
    return found


@contextmanager
def _only(path: Path, servers: Sequence[str], count: int) -> Iterator[None]:
    """Let the first `count` workers take requests; all of them afterwards."""
    try:
        for server in servers[count:]:
            _say(path, f"set server {BACKEND}/{server} state drain")
        yield
    finally:
        for server in servers[count:]:
            _say(path, f"set server {BACKEND}/{server} state ready")


def _servers(path: Path) -> list[str]:
    lines = [line.split() for line in _say(path, f"show servers state {BACKEND}").splitlines()]
    return [
        words[NAME_FIELD]
        for words in lines
        if len(words) > NAME_FIELD and words[1] == BACKEND and not words[0].startswith("#")
    ]


def _say(path: Path, command: str) -> str:
    """Give HAProxy a command; raises Unreachable."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(5)
            client.connect(str(path))
            client.sendall(f"{command}\n".encode())
            parts = []
            while part := client.recv(65_536):
                parts.append(part)
    except OSError as error:
        raise Unreachable(f"HAProxy's admin socket {path}: {error}") from None
    return b"".join(parts).decode(errors="replace")
