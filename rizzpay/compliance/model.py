"""Controls, what was found, and the verdict on it; pure.

A control is one demand with an id that never changes its meaning. A check is one control tried on
one host, with the evidence for it. `judge` turns checks into results: it never lets pass what was
not shown. A person's word is not a check, so a control that needs one says so and never passes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from msgspec import Struct

WAIVER_MAX = timedelta(days=366)  # an exception is looked at again at least once a year
EVERY_HOST = "all"
GROUPS = (EVERY_HOST, "loadbalancers", "databases", "apis", "monitoring", "backup")
NO_HOST = "-"  # the host of a result that is about none


class Severity(StrEnum):
    """How bad it is when the control does not hold."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Status(StrEnum):
    """What a control came to on a host."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"  # it could not be tried, so nothing is known
    WAIVED = "waived"
    NOT_APPLICABLE = "not-applicable"
    NEEDS_ATTESTATION = "needs-attestation"


OPEN = frozenset({Status.FAILED, Status.ERROR})  # what keeps a report from being clean


class Control(Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the catalogue. `attestation` says what a person has to look at instead."""

    title: str
    severity: Severity
    rationale: str
    refs: tuple[str, ...]
    remedy: str
    groups: tuple[str, ...] = (EVERY_HOST,)
    attestation: str = ""


Catalogue = Mapping[str, Control]


class Evidence(Struct, frozen=True):
    """One command that was run on the host; the digest is of all it printed, before redaction."""

    command: str
    exit_status: int
    sha256: str
    excerpt: str


class Check(Struct, frozen=True):
    """One control, tried on one host. `reason` says why it did not pass or does not apply."""

    control: str
    host: str
    status: Status
    reason: str
    at: str
    duration_ms: int
    evidence: tuple[Evidence, ...] = ()


class Host(Struct, frozen=True):
    """What was learnt of a machine; `release` is RizzPay's, empty where it is not installed."""

    name: str
    groups: tuple[str, ...]
    system: str
    kernel: str
    release: str


class Collected(Struct, frozen=True, forbid_unknown_fields=True):
    """All that one run brought home."""

    started_at: str
    finished_at: str
    tools: dict[str, str]
    hosts: tuple[Host, ...]
    checks: tuple[Check, ...]
    limit: str = ""


class Waiver(Struct, frozen=True, forbid_unknown_fields=True):
    """A dated exception for one control on one host, or on all of them (`host = "all"`)."""

    control: str
    host: str
    until: date
    reason: str
    approved_by: str


class Result(Struct, frozen=True):
    """The verdict on one control for one host."""

    control: str
    host: str
    status: Status
    reason: str
    at: str = ""
    duration_ms: int = 0
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """A control whose verdict on a host is another than in the report before."""

    control: str
    host: str
    before: Status | None
    after: Status | None


def judge(
    catalogue: Catalogue, collected: Collected, waivers: Sequence[Waiver], today: date
) -> tuple[Result, ...]:
    """Return a verdict for every control and host, in the order of the catalogue."""
    found = {(check.control, check.host): check for check in collected.checks}
    results: list[Result] = []
    for control_id, control in catalogue.items():
        if control.attestation:
            reason = control.attestation
            results.append(Result(control_id, NO_HOST, Status.NEEDS_ATTESTATION, reason))
            continue
        hosts = [host.name for host in collected.hosts if concerns(control, host.groups)]
        if not hosts:
            where = " or ".join(control.groups)
            among = f"of --limit {collected.limit}" if collected.limit else "of the inventory"
            reason = f"no host {among} is in {where}"
            results.append(Result(control_id, NO_HOST, Status.NOT_APPLICABLE, reason))
        for host in hosts:
            check = found.get((control_id, host))
            results.append(_verdict(control_id, host, check, waivers, today))
    return tuple(results)


def concerns(control: Control, groups: Iterable[str]) -> bool:
    """Tell whether a control is about a host of these groups."""
    return EVERY_HOST in control.groups or not set(control.groups).isdisjoint(groups)


def _verdict(
    control: str, host: str, check: Check | None, waivers: Sequence[Waiver], today: date
) -> Result:
    if check is None:
        return Result(control, host, Status.ERROR, "the control was not tried on this host")
    status, reason = check.status, check.reason
    if status is Status.PASSED and not check.evidence:
        status, reason = Status.ERROR, "it passed without looking at the host"
    elif status is Status.NOT_APPLICABLE and not reason.strip():
        status, reason = Status.ERROR, "it was called not applicable without a reason"
    elif status is Status.FAILED:
        status, reason = _excused(check, waivers, today)
    return Result(control, host, status, reason, check.at, check.duration_ms, check.evidence)


def _excused(check: Check, waivers: Sequence[Waiver], today: date) -> tuple[Status, str]:
    mine = [w for w in waivers if w.control == check.control and w.host in {check.host, EVERY_HOST}]
    if not mine:
        return Status.FAILED, check.reason
    waiver = max(mine, key=lambda one: one.until)
    if waiver.until < today:
        return Status.FAILED, f"{check.reason} (its waiver ended on {waiver.until})"
    text = f"waived until {waiver.until} by {waiver.approved_by}: {waiver.reason}; {check.reason}"
    return Status.WAIVED, text


def waiver_faults(waivers: Iterable[Waiver], catalogue: Catalogue, today: date) -> Iterator[str]:
    """Say what is wrong with waivers before anything is run."""
    for waiver in waivers:
        if waiver.control not in catalogue:
            yield f"{waiver.control}: there is no such control"
        elif catalogue[waiver.control].attestation:
            yield f"{waiver.control}: it needs a person's word, which nobody can waive"
        if not (waiver.reason.strip() and waiver.approved_by.strip()):
            yield f"{waiver.control}: a waiver has a reason and somebody who approved it"
        if waiver.until > today + WAIVER_MAX:
            yield f"{waiver.control}: a waiver lasts at most {WAIVER_MAX.days} days"


def counts(results: Iterable[Result]) -> dict[Status, int]:
    """Return how many results there are of every status."""
    found = dict.fromkeys(Status, 0)
    for result in results:
        found[result.status] += 1
    return found


def is_clean(results: Iterable[Result]) -> bool:
    """Tell whether nothing failed and nothing was left untried."""
    return not any(result.status in OPEN for result in results)


def changes(before: Iterable[Result], after: Iterable[Result]) -> list[Change]:
    """Return whose status differs, those that got worse first."""
    old = {(one.control, one.host): one.status for one in before}
    new = {(one.control, one.host): one.status for one in after}
    found = [
        Change(*key, old.get(key), new.get(key))
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]
    return sorted(found, key=lambda change: change.after not in OPEN)
