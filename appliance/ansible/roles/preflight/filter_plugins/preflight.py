"""What the role preflight makes of what it saw: rows of PASS, WARN and FAIL, and their table.

Pure: what was seen, limits and waivers in, rows out. A waiver turns a FAIL into a WARN until its
day; after it the check fails again, and says so.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Row = dict[str, str]
Seen = Mapping[str, Any]
Finding = tuple[str, str, str, str]  # check, verdict, found, wanted
SUPPORTED = {"12", "13"}


def preflight_rows(
    seen: Seen, limits: Seen, waivers: Sequence[Mapping[str, str]], host: str, today: str
) -> list[Row]:
    """Judge a host; `today` as 2026-11-21."""
    rows = [
        {"check": check, "verdict": verdict, "found": found, "wanted": wanted}
        for look in LOOKS
        for check, verdict, found, wanted in look(seen, limits)
    ]
    return [_waived(row, waivers, host, today) for row in rows]


def preflight_table(rows: Sequence[Row], host: str) -> list[str]:
    """Return the lines of a table."""
    head = {"check": "check", "verdict": host, "found": "found", "wanted": "wanted"}
    widths = {name: max(len(row[name]) for row in [head, *rows]) for name in head}
    lines = [
        "  ".join(row[name].ljust(width) for name, width in widths.items()).rstrip()
        for row in [head, *rows]
    ]
    return [lines[0], "-" * max(map(len, lines)), *lines[1:]]


def _waived(row: Row, waivers: Sequence[Mapping[str, str]], host: str, today: str) -> Row:
    if row["verdict"] != "FAIL":
        return row
    for waiver in waivers:
        if waiver["check"] == row["check"] and waiver.get("host") in {None, host}:
            until = str(waiver["until"])
            if until >= today:
                told = f"{row['wanted']}; waived until {until}: {waiver['reason']}"
                return {**row, "verdict": "WARN", "wanted": told}
            return {**row, "wanted": f"{row['wanted']}; the waiver ended on {until}"}
    return row


def _verdict(good: object) -> str:
    return "PASS" if good else "FAIL"


def _system(seen: Seen, _: Seen) -> Iterator[Finding]:
    good = seen["is_debian"] and seen["debian"] in SUPPORTED
    yield "system", _verdict(good), f"Debian {seen['debian']}", "Debian 12 or 13"
    if seen["virtual"]:
        told = "a virtual machine or container"
        yield "hardware", "WARN", told, "the host's own cores, disks and flushes"


def _sizes(seen: Seen, limits: Seen) -> Iterator[Finding]:
    for check, name, unit in (
        ("cores", "cores", "cores"),
        ("memory", "memory_gib", "GiB"),
        ("disk", "disk_free_gib", "GiB free"),
    ):
        found, wanted = float(seen[name]), float(limits[name])
        yield check, _verdict(found >= wanted), f"{found:.0f} {unit}", f"{wanted:.0f} or more"
    found, most = float(seen["fsync_p99_ms"]), float(limits["fsync_p99_ms"])
    yield "fsync", _verdict(found <= most), f"{found:.2f} ms at p99", f"{most:g} ms or less"


def _raid(seen: Seen, limits: Seen) -> Iterator[Finding]:
    raid, levels = seen["raid"], " or ".join(limits["raid_levels"])
    if raid is None:
        yield "raid", "FAIL", "none that the kernel shows", levels
        return
    found = f"{raid['name']} {raid['level']}, {raid['up']} of {raid['disks']} disks"
    good = raid["level"] in limits["raid_levels"] and raid["up"] == raid["disks"]
    yield "raid", _verdict(good), found, f"{levels}, every disk up"


def _network(seen: Seen, limits: Seen) -> Iterator[Finding]:
    network = seen["network"]
    if network is None:
        yield "address", "FAIL", "no interface has it", "the host's rizzpay_address"
        return
    least, speed = int(limits["nic_mbps"]), network["mbps"] or 0
    found = f"{network['name']} {speed} Mbit/s" if speed > 0 else f"{network['name']}, unknown"
    yield "nic", _verdict(speed >= least), found, f"{least} Mbit/s or more"
    bond, links = network["bond"], int(limits["bond_links"])
    if bond is None:
        yield "bond", "FAIL", f"{network['name']} is none", f"{links} links or more"
    else:
        good = bond["up"] >= links and bond["up"] == bond["links"]
        found = f"{bond['up']} of {bond['links']} links, {bond['mode']}"
        yield "bond", _verdict(good), found, f"{links} links or more, every one up"


def _clock(seen: Seen, limits: Seen) -> Iterator[Finding]:
    clock, most = seen["clock"], float(limits["clock_offset_ms"])
    off = "" if clock["ms"] is None else f", {clock['ms']:.1f} ms off"
    word = "synchronised" if clock["synchronised"] else "not synchronised"
    good = clock["synchronised"] and abs(clock["ms"] or 0) <= most
    # before the first installation nothing keeps the time yet
    verdict = "PASS" if good else "FAIL" if clock["by"] == "chrony" else "WARN"
    yield "clock", verdict, f"{word}{off} ({clock['by']})", f"{most:g} ms or less"


def _names(seen: Seen, _: Seen) -> Iterator[Finding]:
    unknown = [name for name, address in seen["names"].items() if address is None]
    found = f"unknown: {', '.join(unknown)}" if unknown else "every host is known"
    # role base writes them into /etc/hosts
    yield "names", "WARN" if unknown else "PASS", found, "every host of the inventory"
    taken = [f"{port} by {program}" for port, program in seen["strangers"].items()]
    yield "ports", _verdict(not taken), ", ".join(taken) or "free or ours", "free or ours"


def _hsm(seen: Seen, limits: Seen) -> Iterator[Finding]:
    if limits["hsm"] == "softhsm":
        yield "hsm", "FAIL", "SoftHSM: keys in files", "a vendor's HSM"
    elif limits["hsm"] == "vendor":
        module = limits["hsm_module"]
        yield (
            "hsm",
            _verdict(seen["has_hsm_module"]),
            module or "hsm_vendor_module is not set",
            "its library",
        )


LOOKS: tuple[Callable[[Seen, Seen], Iterator[Finding]], ...] = (
    _system,
    _sizes,
    _raid,
    _network,
    _clock,
    _names,
    _hsm,
)


class FilterModule:
    """Ansible looks for this name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"preflight_rows": preflight_rows, "preflight_table": preflight_table}
