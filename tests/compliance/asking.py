"""How controls ask a host: a command has to work, and what it says is taken apart here."""

import json
import re
from collections.abc import Iterable
from typing import Any

from testinfra.host import Host

NOT_RUN = (126, 127)  # exit statuses of a shell for a program that is not there


def told(host: Host, command: str, *arguments: str) -> str:
    """Return what a command prints; the control fails when the command does."""
    answer = host.run(command, *arguments)
    said = (answer.stderr or answer.stdout).strip()[:300]
    command = host.backend.quote(command, *arguments)
    assert answer.succeeded, f"`{command}` ended with {answer.exit_status}: {said}"
    return answer.stdout


def curl(host: Host, options: str) -> Any:
    """Return how curl ended, which may be in failure; a host without it shows nothing."""
    answer = host.run(f"curl {options}")
    assert answer.exit_status not in NOT_RUN, f"curl could not be run: {answer.stderr.strip()}"
    return answer


def lines(host: Host, command: str, *arguments: str) -> list[str]:
    """Return the lines that a command prints, without empty ones."""
    return [line for line in told(host, command, *arguments).splitlines() if line.strip()]


def nothing_is_said(host: Host, command: str, complaint: str) -> None:
    """Fail with the complaint and what the command printed, when it printed anything."""
    found = lines(host, command)
    assert not found, f"{complaint}: {', '.join(found[:10])}"


def settings(text: str) -> dict[str, str]:
    """Read lines of `name value` or `name = value`; names in lower case, the last one wins."""
    found = {}
    for line in text.splitlines():
        name, _, value = re.sub(r"\s*=\s*|\s+", " ", line.strip(), count=1).partition(" ")
        if name and not name.startswith(("#", ";")):
            found[name.lower()] = value.strip()
    return found


def sshd(host: Host) -> dict[str, str]:
    """Return what sshd would really do for a login from outside."""
    command = "/usr/sbin/sshd -T -C user=nobody,host=client,addr=203.0.113.1"
    return settings(told(host, command))


def weak(offered: str, allowed: Iterable[str]) -> set[str]:
    """Return what of a list with commas is not allowed."""
    return set(offered.split(",")) - set(allowed)


def in_container(host: Host) -> bool:
    """Tell whether the machine shares its kernel with another."""
    return host.run("systemd-detect-virt --container").succeeded


def kernel(host: Host, name: str) -> int | None:
    """Return a setting of the kernel, None when nothing sets it.

    A container runs on another's kernel: there the files are asked that set it at boot.
    """
    if in_container(host) and not name.startswith("net."):
        text = told(host, "systemd-analyze cat-config sysctl.d")
        value = settings(text).get(name, "")
    else:
        value = host.run("sysctl -n -- %s", name).stdout.strip()
    return int(value.split()[0]) if value else None


def handshake(host: Host, address: str, options: str) -> bool:
    """Tell whether a TLS handshake from the host to an address succeeds."""
    command = f"timeout 10 openssl s_client -connect {address} {options} </dev/null 2>&1"
    answer = host.run(command)
    return "Cipher is (NONE)" not in answer.stdout and "New, TLSv1" in answer.stdout


def rizzpay(host: Host, *words: str) -> dict[str, Any]:
    """Return what the command says in JSON; status 1 is an answer too."""
    command = f"/usr/local/sbin/rizzpay {' '.join(words)} --json"
    answer = host.run(command)
    ended = f"`{command}` ended with {answer.exit_status}: {answer.stderr.strip()[:300]}"
    assert answer.exit_status in {0, 1}, ended
    assert answer.stdout.startswith("{"), ended
    found: dict[str, Any] = json.loads(answer.stdout)
    return found
