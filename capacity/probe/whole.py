"""Puts the parts of a probe together."""

import datetime as dt
from pathlib import Path

from capacity.machine import FORMAT, Machine, Storage
from capacity.probe import disks, memories, networks, processors, storages, systems
from capacity.probe.tree import Tree

SOURCES = ("proc/meminfo", "sys/devices/system/cpu/online")


def probe(root: Path, data_dir: Path | None) -> Machine:
    """Describe the machine whose /proc and /sys are below `root`.

    With a `data_dir` on the live machine, its file system is described and its disk measured.
    """
    tree = Tree(root)
    memory = memories.memory(tree)
    storage = _storage(tree, data_dir)
    return Machine(
        format=FORMAT,
        taken_at=_taken_at(tree),
        system=systems.system(tree),
        processor=processors.processor(tree),
        nodes=processors.nodes(tree, memory.total_bytes),
        memory=memory,
        disks=disks.disks(tree),
        raids=disks.raids(tree),
        controllers=disks.controllers(tree),
        storage=storage,
        nics=networks.nics(tree),
        bonds=networks.bonds(tree),
        irqs=networks.irqs(tree),
        clock=systems.clock(tree),
        limits=memories.limits(tree),
        unread=tree.gaps,
    )


def missing(root: Path) -> list[str]:
    """Return what has to be below a root and is not."""
    return [source for source in SOURCES if not (root / source).is_file()]


def _storage(tree: Tree, data_dir: Path | None) -> Storage | None:
    if data_dir is None:
        tree.gap("storage", "not asked for: --no-io, or a root that is not /")
        return None
    return disks.storage(tree, data_dir, storages.measure(data_dir))


def _taken_at(tree: Tree) -> str | None:
    if tree.is_live:
        return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    tree.gap("taken_at", "a recording does not say when it was made")
    return None
