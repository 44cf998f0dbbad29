"""Asks every part and gathers what it says."""

from dataclasses import dataclass
from pathlib import Path

from capacity.probe.tree import Tree
from capacity.sizing.plan import Plan
from capacity.verify import databases, kernels, processes, proxies, services
from capacity.verify.findings import Finding, Unchecked, Verification

NOT_ASKED = [
    Unchecked(what="valkey", reason="its settings are the role's that installs it; not asked here"),
]


@dataclass(frozen=True, slots=True)
class Doors:
    """Where parts answer; None for those that are not asked."""

    root: Path
    database: str | None
    haproxy_socket: Path | None
    config: Path | None = None


def verify(plan: Plan, doors: Doors) -> Verification:
    """Compare. Raises Unreachable for a part that was named and does not answer."""
    tree = Tree(doors.root)
    answers = [
        *kernels.compare(plan, tree),
        *processes.compare(plan, tree),
        *proxies.compare(plan, doors.haproxy_socket),
        *services.compare(plan, doors.config),
    ]
    findings, unchecked, checked = databases.compare(plan, doors.database)
    return Verification(
        checked=checked + sum(not isinstance(answer, Unchecked) for answer in answers),
        findings=[*(one for one in answers if isinstance(one, Finding)), *findings],
        unchecked=[
            *(one for one in answers if isinstance(one, Unchecked)),
            *unchecked,
            *NOT_ASKED,
        ],
    )
