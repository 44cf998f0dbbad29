"""Payments a second and CPU per payment of a running appliance, beside its cheapest request.

    python -m capacity.first_figures --credentials var/dev/credentials.json

Closed loop: each client sends its next request when it has the answer to the last one, over TLS
through the front door. The same clients first ask for /health/live, which costs the proxy, the
HTTP server and nothing else, so that the machine of the day is in the figures. CPU is user and
system time from /proc of each component's processes. Everything runs on one machine, the clients
too: read ratios, not absolute figures. Durability is what the appliance has; nothing is switched
off here.
"""

import argparse
import base64
import http.client
import json
import os
import secrets
import ssl
import statistics
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
COMPONENTS = ("haproxy", "api", "postgres", "worker", "valkey", "sandbox", "hsmd")


@dataclass
class Run:
    """What the clients saw in one run."""

    name: str
    latencies_ms: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    seconds: float = 0.0
    cpu_s: dict[str, float] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, status: int, latency_ms: float) -> None:
        """Count one answer."""
        with self.lock:
            self.latencies_ms.append(latency_ms)
            self.statuses[status] = self.statuses.get(status, 0) + 1

    def figures(self) -> dict[str, Any]:
        """Return the run as plain data."""
        done = len(self.latencies_ms)
        cuts = statistics.quantiles(self.latencies_ms, n=100)
        return {
            "name": self.name,
            "answers": done,
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "per_second": round(done / self.seconds, 1),
            "latency_ms": {"p50": round(cuts[49], 1), "p99": round(cuts[98], 1)},
            "cpu_us_each": {
                name: round(seconds / done * 1_000_000) for name, seconds in self.cpu_s.items()
            },
        }


class Client:
    """One connection that is kept."""

    def __init__(self, credentials: dict[str, Any]) -> None:
        """Connect when the first request is sent."""
        where = urlsplit(credentials["base_url"])
        context = ssl.create_default_context(cafile=credentials["ca_file"])
        self.connection = http.client.HTTPSConnection(
            where.hostname or "", where.port, context=context, timeout=30
        )
        pair = f"{credentials['key_id']}:{credentials['key_secret']}".encode()
        self.headers = {
            "Authorization": "Basic " + base64.b64encode(pair).decode(),
            "Content-Type": "application/json",
        }

    def live(self) -> int:
        """Ask whether a worker lives."""
        return self._send("GET", "/health/live", None, {})

    def pay(self) -> int:
        """Take a card payment."""
        body = b'{"amount": 12300, "method": {"type": "card", "token": "tok_approve"}}'
        return self._send("POST", "/v1/payments", body, {"Idempotency-Key": secrets.token_hex(12)})

    def _send(self, method: str, path: str, body: bytes | None, more: dict[str, str]) -> int:
        self.connection.request(method, path, body=body, headers=self.headers | more)
        answer = self.connection.getresponse()
        answer.read()
        return answer.status


def cpu_of(pids: dict[str, Any]) -> dict[str, float]:
    """Return user and system seconds of each component with its children, and of ourselves."""
    parents = _parents()
    used = {}
    for name in COMPONENTS:
        roots = pids.get(name, [])
        family = _family(roots if isinstance(roots, list) else [roots], parents)
        used[name] = sum(_ticks(pid) for pid in family) / TICKS_A_SECOND
    mine = os.times()
    used["clients"] = mine.user + mine.system
    return used


def _parents() -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(after_name[1]), []).append(int(path.parent.name))
    return children


def _family(roots: list[int], children: dict[int, list[int]]) -> list[int]:
    found, todo = [], list(roots)
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


def _ticks(pid: int) -> int:
    """Return the clock ticks of a process and of its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(int(fields[number]) for number in (11, 12, 13, 14))


def measure(name: str, credentials: dict[str, Any], clients: int, seconds: float, call: str) -> Run:
    """Let `clients` call until the time is over."""
    run = Run(name)
    gate = threading.Barrier(clients + 1)
    end = [0.0]

    def work() -> None:
        client = Client(credentials)
        send = getattr(client, call)
        send()  # connects; not counted
        gate.wait()
        while time.monotonic() < end[0]:
            began = time.monotonic()
            status = send()
            run.note(status, (time.monotonic() - began) * 1000)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    end[0] = time.monotonic() + 60  # set anew below; nobody starts before the gate opens
    while gate.n_waiting < clients:
        time.sleep(0.01)
    before = cpu_of(credentials["pids"])
    began = time.monotonic()
    end[0] = began + seconds
    gate.wait()
    for thread in threads:
        thread.join(seconds + 60)
    run.seconds = time.monotonic() - began
    after = cpu_of(credentials["pids"])
    run.cpu_s = {part: after[part] - before[part] for part in after}
    return run


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Payments a second and CPU per payment.")
    parser.add_argument("--credentials", type=Path, default=Path("var/dev/credentials.json"))
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rounds", type=int, default=3, help="both kinds in turn; medians count")
    parser.add_argument("--json", action="store_true", dest="as_json")
    asked = parser.parse_args()
    credentials = json.loads(asked.credentials.read_text())
    rounds = []
    for number in range(1, asked.rounds + 1):
        for name, call in (("live", "live"), ("payment", "pay")):
            print(f"round {number}: {name} …", file=sys.stderr, flush=True)
            run = measure(name, credentials, asked.clients, asked.seconds, call)
            rounds.append(run.figures())
    if asked.as_json:
        print(json.dumps(rounds, indent=2))
        return 0
    for name in ("live", "payment"):
        _print([figures for figures in rounds if figures["name"] == name])
    return 0


def _print(rounds: list[dict[str, Any]]) -> None:
    """Print the median of the rounds, and how far they lie apart."""
    rates = [figures["per_second"] for figures in rounds]
    p50 = statistics.median(figures["latency_ms"]["p50"] for figures in rounds)
    p99 = statistics.median(figures["latency_ms"]["p99"] for figures in rounds)
    print(
        f"{rounds[0]['name']:8} {statistics.median(rates):8.0f}/s "
        f"[{min(rates):.0f}..{max(rates):.0f}]  p50 {p50} ms  p99 {p99} ms  "
        f"answers {rounds[-1]['statuses']}"
    )
    for part in (*COMPONENTS, "clients"):
        each = statistics.median(figures["cpu_us_each"][part] for figures in rounds)
        print(f"         {part:9} {each:7.0f} µs CPU each")


if __name__ == "__main__":
    sys.exit(main())
