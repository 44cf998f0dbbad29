"""What a verification says. Types and comparisons; nothing is read here."""

from capacity.machine import Part

UNITS = {  # bytes, or microseconds
    "B": 1,
    "kB": 1024,
    "8kB": 8192,
    "MB": 1024**2,
    "16MB": 16 * 1024**2,
    "GB": 1024**3,
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "min": 60_000_000,
}


class Finding(Part, frozen=True):
    """A difference; `file` is where it is put right, `where` where it was seen."""

    setting: str
    wanted: str
    found: str
    file: str
    where: str


class Unchecked(Part, frozen=True):
    """What could not be compared, and why: silence would look like agreement."""

    what: str
    reason: str


class Verification(Part, frozen=True):
    """The whole answer."""

    checked: int
    findings: list[Finding]
    unchecked: list[Unchecked]


def same(wanted: float | str, wanted_unit: str, found: str, found_unit: str) -> bool:
    """Tell whether two values with units mean the same: 2 GB is 262144 of 8kB."""
    try:
        left = float(wanted) * UNITS.get(wanted_unit, 1)
        right = float(found) * UNITS.get(found_unit, 1)
    except ValueError:
        return str(wanted) == found
    return abs(left - right) <= 1e-9 * max(abs(left), abs(right))


def same_mask(left: str, right: str) -> bool:
    """Tell whether two masks of CPUs mean the same: the kernel writes leading zeros."""
    return left.replace(",", "").lstrip("0") == right.replace(",", "").lstrip("0")
