"""Main memory, huge pages, and the limits of the control group."""

from capacity import cpus
from capacity.machine import HugePages, Limit, Memory
from capacity.probe.tree import Tree, chosen

KIB = 1024
HUGE = "sys/kernel/mm/hugepages"
GROUPS = "sys/fs/cgroup"
UNLIMITED_BYTES = 1 << 60  # version 1 writes a huge number for "no limit"


def memory(tree: Tree) -> Memory:
    """Describe main memory."""
    sizes = _meminfo(tree)
    available = sizes.get("MemAvailable")
    if available is None:
        tree.gap("memory.available_bytes", "/proc/meminfo has no MemAvailable")
    transparent = tree.wanted("sys/kernel/mm/transparent_hugepage/enabled", "memory.transparent")
    return Memory(
        total_bytes=sizes.get("MemTotal", 0),
        available_bytes=available,
        swap_bytes=sizes.get("SwapTotal", 0),
        huge_pages=[_huge(tree, name) for name in tree.names(HUGE)],
        transparent=chosen(transparent) if transparent else None,
    )


def limits(tree: Tree) -> list[Limit]:
    """Return what the control group of this process allows; the narrowest of its ancestors'."""
    found: dict[str, Limit] = {}
    for line in tree.lines("proc/self/cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0":
            candidates = _unified(tree, path)
        else:
            candidates = [
                limit for name in controllers.split(",") for limit in _legacy(tree, name, path)
            ]
        for limit in candidates:
            if limit.resource not in found or limit.value < found[limit.resource].value:
                found[limit.resource] = limit
    return sorted(found.values(), key=lambda limit: limit.resource)


def _meminfo(tree: Tree) -> dict[str, int]:
    sizes = {}
    for line in tree.lines("proc/meminfo"):
        name, _, value = line.partition(":")
        words = value.split()
        if words[1:] == ["kB"]:
            sizes[name] = int(words[0]) * KIB
    return sizes


def _huge(tree: Tree, name: str) -> HugePages:
    return HugePages(
        size_bytes=int(name.removeprefix("hugepages-").removesuffix("kB")) * KIB,
        total=tree.number(f"{HUGE}/{name}/nr_hugepages") or 0,
        free=tree.number(f"{HUGE}/{name}/free_hugepages") or 0,
    )


def _ancestors(path: str) -> list[str]:
    parts = [part for part in path.split("/") if part and part != ".."]
    return ["/".join(["", *parts[:count]]) for count in range(len(parts), -1, -1)]


def _unified(tree: Tree, path: str) -> list[Limit]:
    found = []
    for group in _ancestors(path):
        place = f"{GROUPS}{group}"
        quota, _, period = (tree.text(f"{place}/cpu.max") or "max 1").partition(" ")
        if quota != "max" and period:
            cores = int(quota) / int(period)
            found.append(Limit(resource="cpu", value=cores, cpus="", file=f"/{place}/cpu.max"))
        found += _plain(tree, f"{place}/memory.max", f"{place}/pids.max")
        found += _cpuset(tree, f"{place}/cpuset.cpus")
    return found


def _legacy(tree: Tree, controller: str, path: str) -> list[Limit]:
    found = []
    for group in _ancestors(path):
        place = f"{GROUPS}/{controller}{group}"
        quota = tree.number(f"{place}/cpu.cfs_quota_us") or -1
        period = tree.number(f"{place}/cpu.cfs_period_us") or 0
        if controller == "cpu" and quota > 0 and period > 0:
            file = f"/{place}/cpu.cfs_quota_us"
            found.append(Limit(resource="cpu", value=quota / period, cpus="", file=file))
        if controller == "memory":
            found += _plain(tree, f"{place}/memory.limit_in_bytes", "")
        if controller == "pids":
            found += _plain(tree, "", f"{place}/pids.max")
        if controller == "cpuset":
            found += _cpuset(tree, f"{place}/cpuset.cpus")
    return found


def _plain(tree: Tree, memory_file: str, pids_file: str) -> list[Limit]:
    found = []
    memory_bytes = tree.number(memory_file) if memory_file else None
    if memory_bytes is not None and memory_bytes < UNLIMITED_BYTES:
        file = f"/{memory_file}"
        found.append(Limit(resource="memory", value=memory_bytes, cpus="", file=file))
    pids = tree.number(pids_file) if pids_file else None
    if pids is not None:
        found.append(Limit(resource="pids", value=pids, cpus="", file=f"/{pids_file}"))
    return found


def _cpuset(tree: Tree, file: str) -> list[Limit]:
    allowed = cpus.parse(tree.text(file) or "")
    online = cpus.parse(tree.text("sys/devices/system/cpu/online") or "")
    if not allowed or set(allowed) >= set(online):
        return []
    text = cpus.text(allowed)
    return [Limit(resource="cpuset", value=len(allowed), cpus=text, file=f"/{file}")]
