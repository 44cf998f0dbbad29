"""What preflight needs to know of a host, as JSON. Reads only; one unnamed file is written to.

    look.py DATA_DIRECTORY ADDRESS HSM_MODULE NAME…

Standard library and Python 3.11: it runs on a host on which nothing is installed yet.
"""

import fcntl
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

GIB = 1024**3
FLUSHES = 100
PAGE = b"\0" * 8192  # as PostgreSQL's
PORTS = {"443", "2379", "2380", "5000", "5432", "6379", "8008", "8443", "26379"}
# What holds them where RizzPay is installed; the kernel cuts names after 15 letters.
OURS = {
    *("etcd", "haproxy", "patroni", "postgres", "python3"),
    *("redis-sentinel", "redis-server", "valkey-check-rd", "valkey-sentinel", "valkey-server"),
}
SIOCGIFADDR = 0x8915  # linux/sockios.h
TRACKING_STRATUM, TRACKING_OFFSET = 2, 4  # fields of `chronyc -c tracking`


def read(path: Path) -> str | None:
    """Return a file's text, None when there is none."""
    try:
        return path.read_text().strip()
    except OSError:
        return None


def said(*command: str) -> str:
    """Return what a program prints; empty when it is not there or fails."""
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def cores() -> int:
    """Return the physical cores that this host may use."""
    found = set()
    for cpu in os.sched_getaffinity(0):
        topology = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology")
        found.add((read(topology / "physical_package_id"), read(topology / "core_id") or cpu))
    return len(found)


def flush_p99_ms(directory: Path) -> float:
    """Return how long the slowest but one of a hundred flushes of a page took."""
    times = []
    with tempfile.TemporaryFile(dir=directory) as file:
        for _ in range(FLUSHES):
            began_s = time.perf_counter()
            file.write(PAGE)
            file.flush()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began_s)
    return sorted(times)[-2] * 1000


def below(device: Path) -> set[str]:
    """Return the names of a device and of all it stands on: a volume, its array, its disks."""
    found = {device.name}
    for slave in device.glob("slaves/*"):
        found |= below(slave.resolve())
    if (device / "partition").exists():
        found |= below(device.parent)
    return found


def raid(directory: Path) -> dict[str, Any] | None:
    """Return level, disks and disks that work of the array below a directory; None for none."""
    number = directory.stat().st_dev
    device = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    for name in sorted(below(device.resolve())) if device.exists() else []:
        array = Path("/sys/block") / name / "md"
        if level := read(array / "level"):
            disks = int(read(array / "raid_disks") or 0)
            up = disks - int(read(array / "degraded") or 0)
            return {"name": name, "level": level, "disks": disks, "up": up}
    return None


def interface_of(address: str) -> str | None:
    """Return the name of the interface that has an address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name[:15].encode())
            try:
                answer = fcntl.ioctl(sock.fileno(), SIOCGIFADDR, request)
            except OSError:
                continue
            if socket.inet_ntoa(answer[20:24]) == address:
                return name
    return None


def network(address: str) -> dict[str, Any] | None:
    """Return interface, speed and bond of the host's address."""
    name = interface_of(address)
    if name is None:
        return None
    bond = None
    if text := read(Path("/proc/net/bonding") / name):
        links = re.findall(r"Slave Interface: (\S+)\nMII Status: (\S+)", text)
        mode = re.search(r"Bonding Mode: (.+)", text)
        up = sum(status == "up" for _, status in links)
        bond = {"mode": mode[1] if mode else "", "links": len(links), "up": up}
    speed = read(Path("/sys/class/net") / name / "speed")
    return {"name": name, "mbps": int(speed) if speed else None, "bond": bond}


def clock() -> dict[str, Any]:
    """Return whether the clock is synchronised, by whom, and how far it is off."""
    if tracking := said("chronyc", "-c", "tracking"):
        fields = tracking.split(",")
        is_synchronised = fields[TRACKING_STRATUM] not in {"0", ""}
        offset_ms = float(fields[TRACKING_OFFSET]) * 1000
        return {"by": "chrony", "synchronised": is_synchronised, "ms": offset_ms}
    told = said("timedatectl", "show", "--property=NTPSynchronized", "--value")
    return {"by": "timedatectl", "synchronised": told == "yes", "ms": None}


def resolved(names: list[str]) -> dict[str, str | None]:
    """Return the address of each name, None for one that nobody knows."""
    found: dict[str, str | None] = {}
    for name in names:
        try:
            found[name] = socket.gethostbyname(name)
        except OSError:
            found[name] = None
    return found


def strangers() -> dict[str, str]:
    """Return our ports that a program holds which is not one of ours."""
    found = {}
    for line in said("ss", "-Hltnp").splitlines():
        port = line.split()[3].rpartition(":")[2]
        program = re.search(r'users:\(\("([^"]+)"', line)
        if port in PORTS and program and program[1] not in OURS:
            found[port] = program[1]
    return found


def main() -> None:
    """Print what was seen."""
    data, address, module, *names = sys.argv[1:]
    directory = Path(data)
    lines = (read(Path("/etc/os-release")) or "").splitlines()
    release = dict(line.split("=", 1) for line in lines if "=" in line)
    seen = {
        "is_debian": release.get("ID") == "debian",
        "debian": release.get("VERSION_ID", "").strip('"'),
        "virtual": said("systemd-detect-virt") not in {"", "none"},
        "cores": cores(),
        "memory_gib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB,
        "disk_free_gib": shutil.disk_usage(directory).free / GIB,
        "fsync_p99_ms": flush_p99_ms(directory),
        "raid": raid(directory),
        "network": network(address),
        "clock": clock(),
        "names": resolved(names),
        "strangers": strangers(),
        "has_hsm_module": bool(module) and Path(module).exists(),
    }
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
