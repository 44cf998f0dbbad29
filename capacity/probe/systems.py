"""Kernel, virtualisation, mitigations, steal, and the clock."""

import ctypes
import os
import shutil
import subprocess

from capacity.machine import Clock, System
from capacity.probe.tree import Tree, choices

CLOCK = "sys/devices/system/clocksource/clocksource0"
VULNERABILITIES = "sys/devices/system/cpu/vulnerabilities"
STEAL_COLUMN = 7  # of the line `cpu` in /proc/stat: user nice system idle iowait irq softirq steal
COUNTED = 8  # guest time is in user time already
TIME_ERROR = 5  # sys/timex.h: the clock is not synchronised
ASK_TIMEOUT_S = 5
CHRONY_OFFSET, CHRONY_LEAP = 4, 13  # columns of `chronyc -c tracking`


class Timex(ctypes.Structure):
    """struct timex of sys/timex.h; `modes` 0 only reads. The tail is padding for the rest."""

    _fields_ = (  # type: ignore[mutable-override]  # ctypes reads it once
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_long * 32),
    )


def system(tree: Tree) -> System:
    """Describe the system."""
    return System(
        kernel=tree.wanted("proc/sys/kernel/osrelease", "system.kernel"),
        architecture=os.uname().machine if tree.is_live else _architecture(tree),
        distribution=_distribution(tree),
        virtualization=_virtualization(tree),
        steal_percent=_steal(tree),
        mitigations={
            name: tree.text(f"{VULNERABILITIES}/{name}") or ""
            for name in tree.names(VULNERABILITIES)
        },
    )


def clock(tree: Tree) -> Clock:
    """Describe the clock; chrony knows its offset best, the kernel has an opinion of its own."""
    source = tree.wanted(f"{CLOCK}/current_clocksource", "clock.source")
    sources = choices(tree.text(f"{CLOCK}/available_clocksource") or "")
    if not tree.is_live:
        for name in ("is_synchronised", "offset_ms", "error_max_ms"):
            tree.gap(f"clock.{name}", "only the live machine's kernel answers")
        return Clock(
            source=source, sources=sources, is_synchronised=None, offset_ms=None, error_max_ms=None
        )
    timex = Timex(modes=0)
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    if state < 0:
        reason = f"adjtimex: {os.strerror(ctypes.get_errno())}"
        for name in ("is_synchronised", "error_max_ms"):
            tree.gap(f"clock.{name}", reason)
    return Clock(
        source=source,
        sources=sources,
        is_synchronised=None if state < 0 else state != TIME_ERROR,
        offset_ms=_offset_ms(tree),
        error_max_ms=None if state < 0 else timex.maxerror / 1000,
    )


def _architecture(tree: Tree) -> str:
    return "x86_64" if "flags\t" in (tree.text("proc/cpuinfo") or "") else "unknown"


def _distribution(tree: Tree) -> str | None:
    values = {}
    for line in tree.lines("etc/os-release"):
        name, _, value = line.partition("=")
        values[name] = value.strip('"')
    if "ID" not in values:
        tree.gap("system.distribution", "/etc/os-release has no ID")
        return None
    return f"{values['ID']} {values.get('VERSION_ID', '')}".strip()


def _virtualization(tree: Tree) -> str | None:
    """Tell what lies below: the kernel's own hint, then the CPU's flag."""
    hypervisor = tree.text("sys/hypervisor/type")
    vendor = (tree.text("sys/class/dmi/id/sys_vendor") or "").lower()
    cpuinfo = tree.text("proc/cpuinfo")
    if cpuinfo is None:
        tree.gap("system.virtualization", "/proc/cpuinfo cannot be read")
        return None
    if hypervisor:
        return hypervisor
    for word, name in (("qemu", "kvm"), ("vmware", "vmware"), ("microsoft", "hyperv")):
        if word in vendor:
            return name
    if " hypervisor " not in cpuinfo.replace("\n", " "):
        return "none"
    sources = tree.text(f"{CLOCK}/available_clocksource") or ""
    return "kvm" if "kvm-clock" in sources else "vm"


def _steal(tree: Tree) -> float | None:
    words = (tree.text("proc/stat") or "").partition("\n")[0].split()[1:]
    if len(words) <= STEAL_COLUMN:
        tree.gap("system.steal_percent", "/proc/stat has no column of steal")
        return None
    ticks = [int(word) for word in words[:COUNTED]]
    return round(100 * ticks[STEAL_COLUMN] / max(sum(ticks), 1), 2)


def _offset_ms(tree: Tree) -> float | None:
    program = shutil.which("chronyc")
    if program is None:
        tree.gap("clock.offset_ms", "chronyc is not installed; nothing else knows the offset")
        return None
    asked = subprocess.run(  # noqa: S603 - no part of the command comes from outside
        [program, "-c", "tracking"],
        capture_output=True,
        text=True,
        timeout=ASK_TIMEOUT_S,
        check=False,
    )
    columns = asked.stdout.strip().split(",")
    if asked.returncode != 0 or len(columns) <= CHRONY_LEAP:
        tree.gap("clock.offset_ms", f"chronyc -c tracking: {asked.stdout.strip()[:80]}")
        return None
    if columns[CHRONY_LEAP] == "Not synchronised":
        tree.gap("clock.offset_ms", "chronyc -c tracking: not synchronised")
        return None
    return round(float(columns[CHRONY_OFFSET]) * 1000, 6)
