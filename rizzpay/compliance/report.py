"""The report: one document with everything, from which the other forms are made; pure.

`report.json` is this struct. It holds the catalogue's rows that were tried, so that it can be read
years later without the release that made it.
"""

import hashlib
from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct

from rizzpay.compliance import model
from rizzpay.compliance.model import (
    Catalogue,
    Collected,
    Control,
    Host,
    Result,
    Status,
    Waiver,
)

FORMAT = "rizzpay-compliance-report-v1"


class Changed(Struct, frozen=True):
    """A verdict that is another than in the report before; empty where there was none."""

    control: str
    host: str
    before: str
    after: str


class Comparison(Struct, frozen=True):
    """Against which report, and what is different."""

    report: str
    changed: tuple[Changed, ...]


class Report(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that one run found."""

    format: Literal["rizzpay-compliance-report-v1"]
    id: str
    made_at: str
    started_at: str
    finished_at: str
    inventory: str
    limit: str
    catalogue_sha256: str
    tools: dict[str, str]
    hosts: tuple[Host, ...]
    clean: bool
    summary: dict[Status, int]
    controls: dict[str, Control]
    results: tuple[Result, ...]
    waivers: tuple[Waiver, ...] = ()
    compared: Comparison | None = None


def build(
    collected: Collected,
    controls: Catalogue,
    waivers: tuple[Waiver, ...],
    now: datetime,
    inventory: str,
) -> Report:
    """Judge what was collected; `controls` are the rows of the catalogue that were asked for."""
    results = model.judge(controls, collected, waivers, now.date())
    return Report(
        format="rizzpay-compliance-report-v1",
        id=f"{now:%Y%m%dT%H%M%SZ}",
        made_at=f"{now:%Y-%m-%dT%H:%M:%SZ}",
        started_at=collected.started_at,
        finished_at=collected.finished_at,
        inventory=inventory,
        limit=collected.limit,
        catalogue_sha256=digest_of(controls),
        tools=collected.tools,
        hosts=collected.hosts,
        clean=model.is_clean(results),
        summary=model.counts(results),
        controls=dict(controls),
        results=results,
        waivers=waivers,
    )


def digest_of(controls: Catalogue) -> str:
    """Return the digest by which two reports show that they demanded the same."""
    return hashlib.sha256(msgspec.json.encode(controls, order="sorted")).hexdigest()


def compare(report: Report, before: Report) -> Report:
    """Return the report with what changed since the one before."""
    found = model.changes(before.results, report.results)
    changed = tuple(
        Changed(one.control, one.host, one.before or "", one.after or "") for one in found
    )
    return msgspec.structs.replace(report, compared=Comparison(before.id, changed))


def encode(report: Report) -> bytes:
    """Return the bytes of report.json."""
    return msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n"


def decode(raw: bytes) -> Report:
    """Read report.json; raises msgspec.DecodeError."""
    return msgspec.json.decode(raw, type=Report)
