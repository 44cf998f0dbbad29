"""Reads the catalogue and the waivers, which people write in TOML, and refuses what is unclear."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import msgspec
from msgspec import Struct

from rizzpay.compliance.model import GROUPS, Catalogue, Control, Waiver, waiver_faults
from rizzpay.core.errors import Misconfigured

CONTROL_ID = re.compile(r"RP-[A-Z]{2,6}-\d{3}")
STANDARDS = ("PCI DSS 4.0.1 ", "CIS Debian 12 ", "RBI PA baseline: ", "CERT-In 2022: ")


class _Page(Struct, frozen=True, forbid_unknown_fields=True):
    controls: dict[str, Control]


class _Waivers(Struct, frozen=True, forbid_unknown_fields=True):
    waivers: tuple[Waiver, ...] = ()


def catalogue(directory: Path) -> Catalogue:
    """Read every page of the catalogue; raises Misconfigured with one sentence."""
    controls: dict[str, Control] = {}
    pages = sorted(directory.glob("*.toml"))
    if not pages:
        raise Misconfigured(f"{directory} holds no catalogue of controls")
    for page in pages:
        try:
            read = msgspec.toml.decode(page.read_bytes(), type=_Page)
        except (OSError, msgspec.DecodeError) as error:
            raise Misconfigured(f"{page}: {error}") from None
        for control_id, control in read.controls.items():
            faults = list(_faults(control_id, control))
            if control_id in controls:
                faults.append("the id is taken")
            if faults:
                raise Misconfigured(f"{page}: {control_id}: {faults[0]}")
            controls[control_id] = control
    return dict(sorted(controls.items()))


def _faults(control_id: str, control: Control) -> Iterator[str]:
    if not CONTROL_ID.fullmatch(control_id):
        yield "an id reads RP-AREA-000"
    texts = {"title": control.title, "rationale": control.rationale, "remedy": control.remedy}
    for name, text in texts.items():
        if not text.strip():
            yield f"it has no {name}"
    if not control.refs:
        yield "it refers to no standard"
    for ref in control.refs:
        if not ref.startswith(STANDARDS):
            yield f"{ref!r} is of no standard that we know"
    if not control.groups or not set(control.groups) <= set(GROUPS):
        yield f"groups are {', '.join(GROUPS)}"


def waivers(path: Path, known: Catalogue, today: date) -> tuple[Waiver, ...]:
    """Read a file of waivers; raises Misconfigured with one sentence."""
    try:
        read = msgspec.toml.decode(path.read_bytes(), type=_Waivers).waivers
    except OSError as error:
        raise Misconfigured(f"waivers {path}: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise Misconfigured(f"waivers {path}: {error}") from None
    for fault in waiver_faults(read, known, today):
        raise Misconfigured(f"waivers {path}: {fault}")
    return read
