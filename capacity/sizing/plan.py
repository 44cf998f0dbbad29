"""What a plan is: the document that `plan` writes and `render` and `verify` read. Types only.

Every value is a `Setting` with its unit, its reason and the page that it rests on, so that an
auditor can follow it. Nothing else in the project decides a size.
"""

from typing import Final, Literal

import msgspec

from capacity.machine import Part

FORMAT: Final = "rizzpay-capacity plan 1"

Role = Literal["housekeeping", "irq", "haproxy", "postgresql", "api", "worker", "reserve"]
Component = Literal["haproxy", "api", "postgresql", "worker"]
Value = int | float | str


class Setting(Part, frozen=True):
    """One value. `name` is what the program that reads it calls it; `unit` "" is a plain number."""

    name: str
    value: Value
    unit: str
    why: str
    source: str


class Costs(Part, frozen=True):
    """CPU microseconds that one payment costs each component, from authorisation to captured."""

    haproxy: float
    api: float
    postgresql: float
    worker: float
    wal_bytes: int  # bytes of write-ahead log a payment
    source: str


class Target(Part, frozen=True):
    """What is asked for: payments a second on an ordinary day, and the festival's multiple."""

    tps: int
    peak: float
    peak_tps: int
    debian: Literal[12, 13]
    api_hosts: int = 1  # hosts like this one whose service uses the same database


class Summary(Part, frozen=True):
    """What the plan took the machine for."""

    model: str | None
    sockets: int
    nodes: int
    cores: int  # physical, that may be used
    threads: int
    cores_effective: float  # after a control group's quota and steal
    memory_bytes: int
    virtualization: str | None


class Demand(Part, frozen=True):
    """What a component needs at the peak, and what it gets; cores."""

    component: Component
    us_per_payment: float
    busy: float
    needed: int
    given: int


class CoreRoles(Part, frozen=True):
    """What one physical core does; more than one role means that they share it."""

    cpus: str
    node: int
    roles: list[Role]


class Unit(Part, frozen=True):
    """A service of systemd and the CPUs on which it may run."""

    name: str
    cpus: str
    node: int | None  # where its memory should be; null when it runs on several nodes


class Share(Part, frozen=True):
    """A part of the main memory."""

    name: str
    size_bytes: int


class Notice(Part, frozen=True):
    """A warning, or a reason to refuse; `code` is stable."""

    code: str
    text: str


class Settings(Part, frozen=True):
    """All values, by who reads them."""

    service: list[Setting]
    postgresql: list[Setting]
    haproxy: list[Setting]
    valkey: list[Setting]
    sysctl: list[Setting]
    kernel: list[Setting]  # files of /sys
    disks: list[Setting]
    network: list[Setting]
    irqs: list[Setting]


class Plan(Part, frozen=True):
    """The whole document. With refusals, the settings are for `peak_tps_held`, not for the peak."""

    format: Literal["rizzpay-capacity plan 1"]
    target: Target
    verdict: Literal["holds", "refused"]
    cores_needed: int  # the smallest count of cores like these that would hold the peak
    peak_tps_held: int  # what the costs say that these cores hold; at most the peak asked for
    refusals: list[Notice]
    warnings: list[Notice]
    machine: Summary
    costs: Costs
    demand: list[Demand]
    cores: list[CoreRoles]
    units: list[Unit]
    memory: list[Share]
    settings: Settings


def setting(settings: list[Setting], name: str) -> Setting:
    """Return the setting of this name. Raises KeyError."""
    for found in settings:
        if found.name == name:
            return found
    raise KeyError(name)


def named(plan: Plan) -> dict[str, list[Setting]]:
    """Return the groups of settings by name."""
    return {
        field.name: getattr(plan.settings, field.name)
        for field in msgspec.structs.fields(plan.settings)
    }
