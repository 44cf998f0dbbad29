"""Sets of CPUs as the kernel writes them: "0-3,8" is 0, 1, 2, 3 and 8. Pure.

The same text stands in /sys, in systemd's CPUAffinity= and in HAProxy's cpu-map, so a plan can be
read beside any of them.
"""

import re
from collections.abc import Iterable

CPU_MAX = 8191  # CONFIG_NR_CPUS of Debian's kernel is 8192
_LIST = re.compile(r"(\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*)?")


def parse(text: str) -> tuple[int, ...]:
    """Return the CPUs of a list in ascending order. Raises ValueError for anything else."""
    if not _LIST.fullmatch(text.strip()):
        raise ValueError(f"{text!r} is not a list of CPUs like 0-3,8")
    found: set[int] = set()
    for part in text.strip().split(","):
        if part:
            first, _, last = part.partition("-")
            low, high = int(first), int(last or first)
            if low > high or high > CPU_MAX:
                raise ValueError(f"{part!r} is not a range of CPUs")
            found.update(range(low, high + 1))
    return tuple(sorted(found))


def text(numbers: Iterable[int]) -> str:
    """Return the shortest list of these CPUs; of none, the empty text."""
    parts: list[str] = []
    begin = end = -2
    for number in [*sorted(set(numbers)), -1]:
        if number == end + 1:
            end = number
            continue
        if begin >= 0:
            parts.append(str(begin) if begin == end else f"{begin}-{end}")
        begin = end = number
    return ",".join(parts)


def mask(numbers: Iterable[int]) -> str:
    """Return the hexadecimal mask that /proc/irq/default_smp_affinity takes: words of 32 bits."""
    value = sum(1 << number for number in set(numbers))
    words = []
    while True:
        words.append(f"{value & 0xFFFF_FFFF:08x}" if value >> 32 else f"{value:x}")
        value >>= 32
        if not value:
            return ",".join(reversed(words))
