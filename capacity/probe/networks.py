"""Network cards, bonds and interrupts."""

import ctypes
import fcntl
import re
import socket
import struct
from typing import Literal

from capacity.machine import Bond, Irq, Member, Nic, Ring
from capacity.probe.tree import Tree

NET = "sys/class/net"
SIOCETHTOOL = 0x8946  # linux/sockios.h
ETHTOOL_GRINGPARAM = 0x10  # linux/ethtool.h: get ring parameters; anybody may
NAME_BYTES_MAX = 15  # IFNAMSIZ without its zero
IRQ_LINE = re.compile(r"^\s*(?P<number>\d+):\s+(?P<rest>.*)$")
BOND_MODES = {  # the kernel's sentence (drivers/net/bonding) -> the mode's name in settings
    "IEEE 802.3ad Dynamic link aggregation": "802.3ad",
    "fault-tolerance (active-backup)": "active-backup",
    "load balancing (round-robin)": "balance-rr",
    "load balancing (xor)": "balance-xor",
    "fault-tolerance (broadcast)": "broadcast",
    "transmit load balancing": "balance-tlb",
    "adaptive load balancing": "balance-alb",
}


def nics(tree: Tree) -> list[Nic]:
    """Describe the interfaces with a device behind them, not virtual ones."""
    names = [name for name in tree.names(NET) if tree.has(f"{NET}/{name}/device")]
    return [_nic(tree, name, f"nics.{at}") for at, name in enumerate(names)]


def bonds(tree: Tree) -> list[Bond]:
    """Describe the bonds."""
    return [
        _bond(tree, name, f"bonds.{at}") for at, name in enumerate(tree.names("proc/net/bonding"))
    ]


def irqs(tree: Tree) -> list[Irq]:
    """Describe the interrupts of devices that have names."""
    found: list[Irq] = []
    width = len((tree.text("proc/interrupts") or "").partition("\n")[0].split())
    for line in tree.lines("proc/interrupts"):
        head = IRQ_LINE.match(line)
        words = head["rest"].split() if head else []
        if head is None or len(words) <= width:
            continue
        number = int(head["number"])
        place = f"irqs.{len(found)}.cpus"
        affinity = tree.wanted(f"proc/irq/{number}/smp_affinity_list", place)
        count = sum(int(word) for word in words[:width] if word.isdigit())
        found.append(Irq(number=number, name=words[-1], cpus=affinity, count=count))
    return found


def _nic(tree: Tree, name: str, path: str) -> Nic:
    place = f"{NET}/{name}"
    queues = tree.names(f"{place}/queues")
    driver = tree.link(f"{place}/device/driver")
    if not driver:
        tree.gap(f"{path}.driver", f"/{place}/device/driver does not exist")
    rx_ring, tx_ring = _rings(tree, name, path)
    return Nic(
        name=name,
        driver=driver or None,
        state=tree.text(f"{place}/operstate") or "unknown",
        speed_mbps=_speed(tree, name, f"{path}.speed_mbps"),
        mtu=tree.wanted_number(f"{place}/mtu", f"{path}.mtu"),
        numa_node=tree.wanted_number(f"{place}/device/numa_node", f"{path}.numa_node"),
        queues_rx=sum(queue.startswith("rx-") for queue in queues),
        queues_tx=sum(queue.startswith("tx-") for queue in queues),
        rx_ring=rx_ring,
        tx_ring=tx_ring,
        irqs=_interrupts(tree, name),
        bond=tree.link(f"{place}/master") if tree.has(f"{place}/bonding_slave") else "",
    )


def _speed(tree: Tree, name: str, path: str) -> int | None:
    speed = tree.wanted_number(f"{NET}/{name}/speed", path)
    if speed is not None and speed <= 0:
        tree.gap(path, f"/{NET}/{name}/speed is {speed}: the link is down or does not say")
        return None
    return speed


def _interrupts(tree: Tree, name: str) -> list[int]:
    """Return the interrupts of a card: MSI numbers in sysfs, of virtio those of its parent."""
    found = set()
    device = tree.root / NET / name / "device"
    for place in (device, device.resolve().parent):
        directory = place / "msi_irqs"
        if directory.is_dir():
            found |= {int(entry.name) for entry in directory.iterdir() if entry.name.isdigit()}
            break
    return sorted(found)


def _rings(tree: Tree, name: str, path: str) -> tuple[Ring | None, Ring | None]:
    if not tree.is_live:
        return _no_rings(tree, name, path, "only the live machine's driver answers")
    try:
        rx_most, tx_most, rx_now, tx_now = _ask_rings(name)
    except OSError as error:
        return _no_rings(tree, name, path, str(error.strerror))
    return Ring(now=rx_now, most=rx_most), Ring(now=tx_now, most=tx_most)


def _no_rings(tree: Tree, name: str, path: str, reason: str) -> tuple[None, None]:
    for field in ("rx_ring", "tx_ring"):
        tree.gap(f"{path}.{field}", f"ethtool -g {name}: {reason}")
    return None, None


def _ask_rings(name: str) -> tuple[int, int, int, int]:
    """Return the rings' sizes: rx most, tx most, rx now, tx now. Raises OSError."""
    # struct ethtool_ringparam: cmd, then most and now of rx, rx_mini, rx_jumbo, tx
    buffer = bytearray(struct.pack("9I", ETHTOOL_GRINGPARAM, *[0] * 8))
    view = memoryview(buffer)
    address = ctypes.addressof(ctypes.c_char.from_buffer(view))
    request = struct.pack("16sP16x", name.encode()[:NAME_BYTES_MAX], address)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        fcntl.ioctl(asked, SIOCETHTOOL, request)
    values = struct.unpack("9I", view)
    return values[1], values[4], values[5], values[8]


def _bond(tree: Tree, name: str, path: str) -> Bond:
    paragraphs = _paragraphs(tree, name)
    members = [part for part in paragraphs if "Slave Interface" in part]
    head: dict[str, str] = {}
    for part in paragraphs:
        if "Slave Interface" in part:
            break
        head |= part
    partner = head.get("Partner Mac Address", "")
    sentence = head.get("Bonding Mode", "")
    miimon = head.get("MII Polling Interval (ms)", "")
    if not miimon.isdigit():
        tree.gap(f"{path}.miimon_ms", f"/proc/net/bonding/{name} does not say")
    return Bond(
        name=name,
        mode=BOND_MODES.get(sentence.partition(" (fail")[0], sentence),
        hash_policy=head.get("Transmit Hash Policy", "").partition(" ")[0],
        is_up=head.get("MII Status") == "up",
        miimon_ms=int(miimon) if miimon.isdigit() else None,
        partner=_partner(partner),
        members=[_member(tree, part, f"{path}.members.{at}") for at, part in enumerate(members)],
    )


def _partner(address: str) -> Literal["", "none", "present"]:
    if not address:
        return ""
    return "none" if set(address) <= set("0:") else "present"


def _paragraphs(tree: Tree, name: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = [{}]
    for line in tree.lines(f"proc/net/bonding/{name}"):
        key, _, value = line.strip().partition(": ")
        if not key:
            found.append({})
        elif value:
            found[-1].setdefault(key, value.strip())
    return found


def _member(tree: Tree, part: dict[str, str], path: str) -> Member:
    speed = part.get("Speed", "").partition(" ")[0]
    if not speed.isdigit():
        tree.gap(f"{path}.speed_mbps", f"the kernel says {part.get('Speed', 'nothing')!r}")
    return Member(
        name=part["Slave Interface"],
        is_up=part.get("MII Status") == "up",
        speed_mbps=int(speed) if speed.isdigit() else None,
    )
