"""From a machine, a target and costs to a plan. Pure."""

from typing import Literal, get_args

from capacity.errors import WrongUse
from capacity.machine import Machine
from capacity.sizing import demand, judging, kernel, layout, memory, postgresql, proxies, service
from capacity.sizing.demand import Needs
from capacity.sizing.hardware import Hardware
from capacity.sizing.memory import Budget
from capacity.sizing.plan import (
    FORMAT,
    Component,
    Costs,
    Demand,
    Plan,
    Settings,
    Summary,
    Target,
)
from capacity.sizing.request import Request

PEAK_MAX = 100.0
HOSTS_MAX = 64  # more API hosts than one database can serve
CACHES = {12: "redis-server.service", 13: "valkey-server.service"}
DEMANDING: tuple[Component, ...] = get_args(Component)


def target(tps: int, peak: float, debian: int, api_hosts: int = 1) -> Target:
    """Return a checked target. Raises WrongUse."""
    if not 1 <= tps <= demand.TPS_MAX:
        raise WrongUse(f"--target-tps {tps}: between 1 and {demand.TPS_MAX:,}")
    if not 1 <= peak <= PEAK_MAX:  # false for nan, too
        raise WrongUse(f"--peak {peak}: between 1 and {PEAK_MAX:g} times an ordinary day")
    if debian not in {12, 13}:
        raise WrongUse(f"--debian {debian}: 12 or 13")
    if not 1 <= api_hosts <= HOSTS_MAX:
        raise WrongUse(f"--api-hosts {api_hosts}: between 1 and {HOSTS_MAX}")
    peak_tps = round(tps * peak)
    release: Literal[12, 13] = 12 if debian == 12 else 13  # noqa: PLR2004 - Debian's own number
    return Target(tps=tps, peak=peak, peak_tps=peak_tps, debian=release, api_hosts=api_hosts)


def plan(machine: Machine, wanted: Target, costs: Costs) -> Plan:
    """Size a machine; one that is too small gets the plan of what it does hold, and refusals."""
    hardware = Hardware(machine)
    effective = hardware.effective_cores
    held = demand.most(costs, wanted.peak_tps, effective)
    needs = demand.needs(costs, held, effective / len(hardware.cores))
    dealt = layout.layout(hardware, needs)
    request = Request(hardware, wanted, costs, dealt, held)
    backends = memory.backends(request)
    budget = memory.budget(request, backends)
    needed = judging.cores_needed(costs, wanted, hardware)
    refusals = judging.refusals(request, budget, needed)
    return Plan(
        format=FORMAT,
        target=wanted,
        verdict="refused" if refusals else "holds",
        cores_needed=needed,
        peak_tps_held=held,
        refusals=refusals,
        warnings=judging.warnings(request),
        machine=_summary(hardware),
        costs=costs,
        demand=[_demand(request, needs, component) for component in DEMANDING],
        cores=layout.core_roles(hardware, dealt),
        units=layout.units(hardware, dealt, CACHES[wanted.debian]),
        memory=[*budget.shares, memory.page_cache(budget)],
        settings=_settings(request, budget, backends),
    )


def _settings(request: Request, budget: Budget, backends: int) -> Settings:
    return Settings(
        service=service.settings(request),
        postgresql=postgresql.settings(request, budget, backends),
        haproxy=proxies.haproxy(request, budget),
        valkey=proxies.valkey(request, budget),
        sysctl=kernel.sysctl(request, budget),
        kernel=kernel.files(request),
        disks=kernel.disks(request),
        network=kernel.network(request),
        irqs=kernel.irqs(request),
    )


def _demand(request: Request, needs: Needs, component: Component) -> Demand:
    given = len(request.layout.roles[component])
    return Demand(
        component=component,
        us_per_payment=getattr(request.costs, component),
        busy=round(demand.busy(request.costs, component, request.target.peak_tps), 3),
        needed=getattr(needs, component),
        given=given,
    )


def _summary(hardware: Hardware) -> Summary:
    machine = hardware.machine
    return Summary(
        model=machine.processor.model,
        sockets=len({thread.socket for thread in machine.processor.threads}),
        nodes=len(machine.nodes),
        cores=len(hardware.cores),
        threads=hardware.threads,
        cores_effective=round(hardware.effective_cores, 2),
        memory_bytes=hardware.memory_bytes,
        virtualization=machine.system.virtualization,
    )
