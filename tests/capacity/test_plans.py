"""Plans of recorded and hand-made machines, compared value by value with the golden ones.

RIZZPAY_WRITE_PLANS=1 writes them anew; then read the difference as a reviewer would.
"""

import difflib
import os
from pathlib import Path

import pytest

import capacity
from capacity import documents
from capacity.machine import Machine
from capacity.sizing import memory, whole
from capacity.sizing.costs import DEFAULTS
from capacity.sizing.plan import Plan, named, setting

MACHINES = sorted((Path(capacity.__file__).parent / "machines").glob("*.json"))
GOLDEN = Path(__file__).parent / "plans"


def plan_of(name: str, tps: int = 1000, peak: float = 3.0, debian: int = 12) -> Plan:
    """Plan one of the machines."""
    path = next(path for path in MACHINES if path.stem == name)
    return whole.plan(documents.read_machine(path), whole.target(tps, peak, debian), DEFAULTS)


def value(plan: Plan, group: str, name: str) -> int | float | str:
    """Return a value of the plan."""
    return setting(named(plan)[group], name).value


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
def test_the_plan_is_the_golden_one(path):
    golden = GOLDEN / path.name
    made = documents.pretty(plan_of(path.stem))
    if os.environ.get("RIZZPAY_WRITE_PLANS"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(made)
    kept = golden.read_text()
    changes = difflib.unified_diff(kept.splitlines(), made.splitlines(), "golden", "made", n=2)
    assert made == kept, "\n".join(changes)


def test_every_golden_plan_has_its_machine():
    assert {path.name for path in GOLDEN.glob("*.json")} == {path.name for path in MACHINES}


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
def test_the_machine_gives_a_reason_for_every_null(path):
    machine = documents.read_machine(path)
    assert nulls(machine) == {part.path for part in machine.unread}


def nulls(machine: Machine) -> set[str]:
    """Return the path of every null of a machine."""
    found: set[str] = set()

    def walk(value, path: str) -> None:
        if value is None:
            found.add(path)
        elif isinstance(value, dict):
            for key, part in value.items():
                walk(part, f"{path}.{key}" if path else key)
        elif isinstance(value, list):
            for at, part in enumerate(value):
                walk(part, f"{path}.{at}")

    walk(documents.plain(machine), "")
    return found


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
def test_every_value_has_a_reason_and_a_source(path):
    rows = [row for group in named(plan_of(path.stem)).values() for row in group]
    assert rows
    assert all(row.why and row.source for row in rows)
    assert len({row.name for row in rows}) == len(rows)


def test_sixteen_cores_hold_the_festival_with_a_core_for_each_role():
    plan = plan_of("xeon-16c-64g")
    assert plan.verdict == "holds"
    assert all(len(core.roles) == 1 for core in plan.cores)
    assert value(plan, "postgresql", "shared_buffers") == 16_384
    assert "few-cores" not in {notice.code for notice in plan.warnings}


def test_a_role_has_both_threads_of_its_cores():
    assert {core.cpus for core in plan_of("xeon-16c-64g").cores} == {
        f"{cpu},{cpu + 16}" for cpu in range(16)
    }


def test_on_two_sockets_interrupts_proxy_and_database_are_where_the_devices_are():
    plan = plan_of("epyc-2x32c-128g")
    nodes = {
        role: {core.node for core in plan.cores if role in core.roles}
        for role in ("irq", "haproxy", "postgresql", "api", "worker")
    }
    assert nodes == {role: {1} for role in nodes}
    assert value(plan, "postgresql", "shared_buffers") == 32 * 1024  # half of its node's memory
    assert value(plan, "sysctl", "kernel.numa_balancing") == 0


def test_a_box_that_is_too_small_is_refused_with_the_cores_that_would_do():
    plan = plan_of("too-small")
    assert plan.verdict == "refused"
    (refusal,) = plan.refusals
    assert refusal.code == "cores"
    assert "need at least 4 cores" in refusal.text
    assert plan_of("too-small", tps=500).verdict == "holds"


def test_a_database_never_lives_on_a_node_without_memory():
    plan = plan_of("asymmetric-numa")
    assert {core.node for core in plan.cores if "postgresql" in core.roles} == {0}
    assert "numa-asymmetric" in {notice.code for notice in plan.warnings}


def test_stolen_time_and_a_quota_count_as_cores_that_are_not_there():
    plan = plan_of("vm-steal")
    assert plan.machine.cores == 8
    assert plan.machine.cores_effective == round(6 * (1 - 0.075), 2)
    assert {"steal", "limit", "clock-source"} <= {notice.code for notice in plan.warnings}


def test_the_later_debian_has_its_own_pages_and_units():
    plan = plan_of("xeon-16c-64g", debian=13)
    sources = {row.source for row in plan.settings.postgresql}
    assert all("/docs/17/" in source for source in sources)
    assert "valkey-server.service" in {unit.name for unit in plan.units}


def test_a_turning_disk_is_planned_as_one():
    plan = plan_of("too-small")
    assert value(plan, "postgresql", "random_page_cost") == 4.0
    assert value(plan, "disks", "/sys/block/sda/queue/scheduler") == "mq-deadline"


def test_a_database_has_room_for_the_service_of_every_api_host():
    machine = documents.read_machine(next(path for path in MACHINES if path.stem[:4] == "xeon"))
    alone, three = (
        value(
            whole.plan(machine, whole.target(1000, 3.0, 13, hosts), DEFAULTS),
            "postgresql",
            "max_connections",
        )
        for hosts in (1, 3)
    )
    assert three - memory.SPARE_BACKENDS == 3 * (alone - memory.SPARE_BACKENDS)
