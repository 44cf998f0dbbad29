"""Which CPUs the running services may use, against the plan."""

from collections.abc import Iterator

from capacity import cpus
from capacity.probe.tree import Tree
from capacity.render import files
from capacity.sizing.plan import Plan, Unit
from capacity.verify.findings import Finding, Unchecked
from capacity.verify.kernels import Answer


def compare(plan: Plan, tree: Tree) -> Iterator[Answer]:
    """Yield for each unit of the plan: a finding, not running, or None for agreement."""
    running = _running(tree)
    for unit in plan.units:
        yield _unit(tree, unit, _processes(unit, running))


def _running(tree: Tree) -> dict[int, str]:
    """Return the control group of each process."""
    return {
        int(name): tree.text(f"proc/{name}/cgroup") or ""
        for name in tree.names("proc")
        if name.isdigit()
    }


def _processes(unit: Unit, running: dict[int, str]) -> list[int]:
    """Return the processes of a unit; of a template, of all its instances."""
    begin, is_template, _ = unit.name.partition("@.")
    if is_template:
        return [pid for pid, group in running.items() if f"/{begin}@" in group]
    return [pid for pid, group in running.items() if f"/{unit.name}" in group]


def _unit(tree: Tree, unit: Unit, pids: list[int]) -> Answer:
    wanted = cpus.parse(unit.cpus)
    allowed = {pid: _allowed(tree, pid) for pid in pids}
    allowed = {pid: found for pid, found in allowed.items() if found}
    if not allowed:
        return Unchecked(what=f"{unit.name} CPUAffinity", reason="no process of it runs here")
    wrong = {pid: found for pid, found in allowed.items() if found != wanted}
    if not wrong:
        return None
    pid, found = next(iter(wrong.items()))
    return Finding(
        setting=f"{unit.name} CPUAffinity",
        wanted=unit.cpus,
        found=f"{cpus.text(found)} ({len(wrong)} of {len(allowed)} processes)",
        file=files.DROP_IN.format(unit=unit.name),
        where=f"/proc/{pid}/status",
    )


def _allowed(tree: Tree, pid: int) -> tuple[int, ...]:
    """Return the CPUs of a process; of one that has just ended, none."""
    for line in tree.lines(f"proc/{pid}/status"):
        name, _, value = line.partition(":")
        if name == "Cpus_allowed_list":
            return cpus.parse(value.strip())
    return ()
