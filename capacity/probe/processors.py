"""CPUs, their caches and the memory of each NUMA node."""

from typing import Literal

from capacity import cpus
from capacity.machine import Cache, Node, Processor, Thread
from capacity.probe.tree import Tree

CPU = "sys/devices/system/cpu"
NODE = "sys/devices/system/node"
KIB = 1024
KINDS: dict[str, Literal["Data", "Instruction", "Unified"]] = {
    "Data": "Data",
    "Instruction": "Instruction",
    "Unified": "Unified",
}


def processor(tree: Tree) -> Processor:
    """Describe the CPUs that are online."""
    online = cpus.parse(tree.text(f"{CPU}/online") or "")
    homes = _homes(tree)
    return Processor(
        model=_model(tree),
        mhz_max=_mhz(tree),
        governor=_governor(tree),
        isolated=cpus.text(cpus.parse(tree.text(f"{CPU}/isolated") or "")),
        threads=[_thread(tree, cpu, homes.get(cpu, 0)) for cpu in online],
        caches=_caches(tree, online),
    )


def nodes(tree: Tree, memory_bytes: int) -> list[Node]:
    """Describe the NUMA nodes; a kernel without NUMA is one node with everything."""
    numbers = cpus.parse(tree.text(f"{NODE}/online") or "")
    if not numbers:
        online = tree.text(f"{CPU}/online") or ""
        return [Node(node=0, cpus=online, memory_bytes=memory_bytes, distances=[10])]
    return [
        Node(
            node=number,
            cpus=tree.text(f"{NODE}/node{number}/cpulist") or "",
            memory_bytes=_node_memory(tree, number),
            distances=[int(n) for n in (tree.text(f"{NODE}/node{number}/distance") or "").split()],
        )
        for number in numbers
    ]


def _homes(tree: Tree) -> dict[int, int]:
    return {
        cpu: number
        for number in cpus.parse(tree.text(f"{NODE}/online") or "")
        for cpu in cpus.parse(tree.text(f"{NODE}/node{number}/cpulist") or "")
    }


def _thread(tree: Tree, cpu: int, node: int) -> Thread:
    topology = f"{CPU}/cpu{cpu}/topology"
    return Thread(
        cpu=cpu,
        socket=max(tree.number(f"{topology}/physical_package_id") or 0, 0),
        core=tree.number(f"{topology}/core_id") or 0,
        node=node,
        siblings=tree.text(f"{topology}/thread_siblings_list") or str(cpu),
    )


def _caches(tree: Tree, online: tuple[int, ...]) -> list[Cache]:
    found: dict[tuple[int, str, str], Cache] = {}
    for cpu in online:
        for index in tree.names(f"{CPU}/cpu{cpu}/cache"):
            place = f"{CPU}/cpu{cpu}/cache/{index}"
            kind = KINDS.get(tree.text(f"{place}/type") or "")
            size = tree.text(f"{place}/size") or ""
            level = tree.number(f"{place}/level")
            shared = tree.text(f"{place}/shared_cpu_list") or ""
            if kind and level and size.endswith("K"):
                size_bytes = int(size[:-1]) * KIB
                cache = Cache(level=level, kind=kind, size_bytes=size_bytes, cpus=shared)
                found[level, kind, shared] = cache
    return list(found.values())


def _model(tree: Tree) -> str | None:
    for line in tree.lines("proc/cpuinfo"):
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return " ".join(value.split())
    tree.gap("processor.model", "/proc/cpuinfo has no line `model name`")
    return None


def _mhz(tree: Tree) -> int | None:
    khz = tree.wanted_number(f"{CPU}/cpu0/cpufreq/cpuinfo_max_freq", "processor.mhz_max")
    return khz // 1000 if khz else None


def _governor(tree: Tree) -> str | None:
    return tree.wanted(f"{CPU}/cpu0/cpufreq/scaling_governor", "processor.governor")


def _node_memory(tree: Tree, number: int) -> int:
    for line in tree.lines(f"{NODE}/node{number}/meminfo"):
        _, is_total, size = line.partition("MemTotal:")  # Node 0 MemTotal: 16384 kB
        if is_total and size.split():
            return int(size.split()[0]) * KIB
    return 0
