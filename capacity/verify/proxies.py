"""HAProxy's threads and connections against the plan, asked over its admin socket."""

import socket
from collections.abc import Iterator
from pathlib import Path

from capacity.errors import Unreachable
from capacity.render import files
from capacity.sizing.plan import Plan, setting
from capacity.verify.findings import Finding, Unchecked
from capacity.verify.kernels import Answer

TIMEOUT_S = 5
ANSWER_BYTES_MAX = 64 * 1024
ASKED = {"nbthread": "Nbthread", "maxconn": "Maxconn"}  # ours -> in `show info`


def compare(plan: Plan, admin_socket: Path | None) -> Iterator[Answer]:
    """Yield for each setting: a finding, not checked, or None. Raises Unreachable."""
    if admin_socket is None:
        yield Unchecked(what="haproxy", reason="no --haproxy-socket")
        return
    info = _info(admin_socket)
    for name, key in ASKED.items():
        wanted, found = str(setting(plan.settings.haproxy, name).value), info.get(key)
        if found is None:
            yield Unchecked(what=f"haproxy {name}", reason=f"`show info` has no {key}")
        elif found != wanted:
            yield Finding(
                setting=f"haproxy {name}",
                wanted=wanted,
                found=found,
                file=files.HAPROXY,
                where=f"show info on {admin_socket}",
            )
        else:
            yield None


def _info(admin_socket: Path) -> dict[str, str]:
    answer = bytearray()
    try:
        with socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(TIMEOUT_S)
            asked.connect(str(admin_socket))
            asked.sendall(b"show info\n")
            while len(answer) < ANSWER_BYTES_MAX and (part := asked.recv(8192)):
                answer += part
    except OSError as error:
        raise Unreachable(f"HAProxy does not answer on {admin_socket}: {error.strerror}") from None
    lines = answer.decode("utf-8", "replace").splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
