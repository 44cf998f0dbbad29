"""Block devices, software RAID, RAID controllers, and the file system of the data directory."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from capacity.machine import Controller, Disk, Measured, Raid, Storage
from capacity.probe.tree import Tree, choices, chosen

BLOCK = "sys/block"
SECTOR_BYTES = 512  # /sys/block/*/size counts these, whatever the disk's own sector is
NO_DISKS = ("loop", "ram", "zram", "sr", "fd", "nbd")
# Drivers in drivers/scsi of the kernel whose adapters make RAID sets themselves.
RAID_DRIVERS = ("megaraid_sas", "hpsa", "smartpqi", "aacraid", "mpt3sas", "arcmsr", "3w-9xxx")
MD_LINE = re.compile(r"^(?P<name>md\w+) : (?P<state>\w+)(?: \([\w-]+\))?(?P<rest>.*)$")
MD_COUNT = re.compile(r"\[(?P<total>\d+)/(?P<up>\d+)\]")
MOUNT_WORDS, MOUNT_TAIL_WORDS = 6, 2  # of /proc/PID/mountinfo, before and after its dash
SEEK_DEPTH_MAX = 8  # layers between a file system and the iron: dm on md on partition on disk


def disks(tree: Tree) -> list[Disk]:
    """Describe whole block devices of a size."""
    names = [name for name in tree.names(BLOCK) if not name.startswith(NO_DISKS)]
    found: list[Disk] = []
    for name in names:
        size_bytes = (tree.number(f"{BLOCK}/{name}/size") or 0) * SECTOR_BYTES
        if size_bytes:
            found.append(_disk(tree, name, size_bytes, f"disks.{len(found)}"))
    return found


def raids(tree: Tree) -> list[Raid]:
    """Describe the software RAIDs."""
    found: list[Raid] = []
    lines = list(tree.lines("proc/mdstat"))
    for index, line in enumerate(lines):
        if head := MD_LINE.match(line):
            found.append(_raid(tree, head, _paragraph(lines[index + 1 :])))
    return found


def controllers(tree: Tree) -> list[Controller]:
    """Return the RAID controllers that sysfs shows."""
    found: list[Controller] = []
    for host in tree.names("sys/class/scsi_host"):
        driver = tree.text(f"sys/class/scsi_host/{host}/proc_name") or ""
        if driver in RAID_DRIVERS:
            at = len(found)
            model = tree.wanted(f"sys/class/scsi_host/{host}/board_name", f"controllers.{at}.model")
            found.append(Controller(driver=driver, model=model))
    return found


def storage(tree: Tree, directory: Path, measured: Measured | None) -> Storage:
    """Describe the file system that holds a directory of the live machine."""
    sizes = os.statvfs(directory)
    device, filesystem, options = _mount(tree, directory)
    numbers = directory.stat().st_dev
    start = tree.link(f"sys/dev/block/{os.major(numbers)}:{os.minor(numbers)}")
    for name, value in (("device", device), ("filesystem", filesystem)):
        if value is None:
            tree.gap(f"storage.{name}", "no line of /proc/self/mountinfo holds the directory")
    return Storage(
        directory=str(directory),
        device=device,
        filesystem=filesystem,
        options=options,
        size_bytes=sizes.f_blocks * sizes.f_frsize,
        free_bytes=sizes.f_bavail * sizes.f_frsize,
        disks=_beneath(tree, start) if start else [],
        measured=measured,
    )


def _disk(tree: Tree, name: str, size_bytes: int, path: str) -> Disk:
    queue = f"{BLOCK}/{name}/queue"
    parts = tree.names(f"{BLOCK}/{name}/slaves")
    # a layer above disks has no queue, cache or node of its own that could be set
    scheduler = tree.wanted(f"{queue}/scheduler", f"{path}.scheduler")
    return Disk(
        name=name,
        kind=_kind(tree, name),
        size_bytes=size_bytes,
        scheduler=chosen(scheduler) if scheduler else None,
        schedulers=choices(scheduler) if scheduler else [],
        write_cache=tree.wanted(f"{queue}/write_cache", f"{path}.write_cache"),
        read_ahead_kib=tree.wanted_number(f"{queue}/read_ahead_kb", f"{path}.read_ahead_kib"),
        numa_node=tree.wanted_number(f"{BLOCK}/{name}/device/numa_node", f"{path}.numa_node"),
        parts=[_whole(tree, part) for part in parts],
    )


def _kind(tree: Tree, name: str) -> Literal["nvme", "ssd", "hdd", "virtual", "md", "dm"]:
    if name.startswith("nvme"):
        return "nvme"
    if name.startswith("md"):
        return "md"
    if name.startswith("dm-"):
        return "dm"
    if name.startswith(("vd", "xvd")):
        return "virtual"
    return "hdd" if tree.text(f"{BLOCK}/{name}/queue/rotational") == "1" else "ssd"


def _paragraph(lines: list[str]) -> str:
    kept = []
    for line in lines:
        if not line.startswith(" "):
            break
        kept.append(line)
    return "\n".join(kept)


def _raid(tree: Tree, head: re.Match[str], detail: str) -> Raid:
    words = [word for word in head["rest"].split() if not word.startswith("(")]
    members = [word.partition("[")[0] for word in words if "[" in word]
    levels = [word for word in words if "[" not in word]
    count = MD_COUNT.search(detail)
    total = int(count["total"]) if count else len(members)
    up = int(count["up"]) if count else len(members)
    state: Literal["clean", "degraded", "recovering", "inactive"] = "clean"
    if head["state"] != "active":
        state = "inactive"
    elif "recovery" in detail or "resync" in detail or "reshape" in detail:
        state = "recovering"
    elif up < total:
        state = "degraded"
    return Raid(
        name=head["name"],
        level=levels[0] if levels else "unknown",
        state=state,
        disks_total=total,
        disks_up=up,
        members=[_whole(tree, member) for member in sorted(members)],
    )


def _whole(tree: Tree, name: str) -> str:
    """Return the disk of a partition: nvme0n1p2 is on nvme0n1, sda1 on sda."""
    for disk in tree.names(BLOCK):
        if tree.has(f"{BLOCK}/{disk}/{name}"):
            return disk
    return name


def _beneath(tree: Tree, name: str) -> list[str]:
    """Return this device and everything below it, each once."""
    found: list[str] = []
    level = [_whole(tree, name)]
    for _ in range(SEEK_DEPTH_MAX):
        found += [disk for disk in level if disk not in found]
        level = [
            _whole(tree, part) for disk in level for part in tree.names(f"{BLOCK}/{disk}/slaves")
        ]
    return found


def _mount(tree: Tree, directory: Path) -> tuple[str | None, str | None, list[str]]:
    best: tuple[int, str, str, list[str]] | None = None
    for place, device, filesystem, options in _mounts(tree):
        holds = directory == place or place in directory.parents
        if holds and (best is None or len(place.parts) >= best[0]):
            best = (len(place.parts), device, filesystem, options)
    return (best[1], best[2], best[3]) if best else (None, None, [])


def _mounts(tree: Tree) -> Iterator[tuple[Path, str, str, list[str]]]:
    for line in tree.lines("proc/self/mountinfo"):
        left, _, right = line.partition(" - ")
        words, tail = left.split(), right.split()
        if len(words) >= MOUNT_WORDS and len(tail) >= MOUNT_TAIL_WORDS:
            yield Path(words[4].replace("\\040", " ")), tail[1], tail[0], words[5].split(",")
