"""What holds for the plan of every machine."""

import dataclasses

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from capacity import cpus
from capacity.errors import WrongUse
from capacity.machine import Limit, faults
from capacity.sizing import whole
from capacity.sizing.costs import COMPONENTS, DEFAULTS, measured
from capacity.sizing.plan import Costs, Plan, named, setting
from tests.capacity.building import GIB, MIB, Shape, machine

EXAMPLES = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])

limits = st.lists(
    st.one_of(
        st.floats(0.1, 64).map(
            lambda cores: Limit(resource="cpu", value=cores, cpus="", file="/cpu.max")
        ),
        st.integers(256 * MIB, 64 * GIB).map(
            lambda size: Limit(resource="memory", value=size, cpus="", file="/memory.max")
        ),
        st.sampled_from(["0", "0-1", "1", "3-5"]).map(
            lambda text: Limit(
                resource="cpuset", value=len(cpus.parse(text)), cpus=text, file="/cpuset.cpus"
            )
        ),
    ),
    max_size=2,
)
node = st.tuples(st.integers(0, 40), st.integers(0, 256 * GIB))
shapes = st.builds(
    Shape,
    nodes=st.lists(node, min_size=1, max_size=4),
    smt=st.sampled_from([1, 2, 4]),
    nodes_a_socket=st.sampled_from([1, 2]),
    virtualization=st.sampled_from(["none", "kvm"]),
    steal=st.sampled_from([0.0, 3.0, 60.0, 100.0]),
    disk=st.sampled_from(["nvme", "ssd", "hdd", "virtual"]),
    disks=st.integers(1, 12),
    raid=st.sampled_from(["", "raid10", "raid5", "raid0"]),
    raid_state=st.sampled_from(["clean", "degraded", "recovering"]),
    fdatasync_us=st.floats(5, 50_000),
    speed_mbps=st.sampled_from([None, 1000, 10_000, 100_000]),
    nics=st.integers(0, 4),
    bond=st.sampled_from(["", "802.3ad", "balance-rr"]),
    device_node=st.integers(-1, 4),
    limits=limits,
    isolated=st.sampled_from(["", "0", "2-3"]),
)
costs = st.builds(
    Costs,
    haproxy=st.floats(1, 2000),
    api=st.floats(1, 5000),
    postgresql=st.floats(1, 5000),
    worker=st.floats(1, 5000),
    wal_bytes=st.integers(100, 100_000),
    source=st.just("a test"),
)
targets = st.tuples(st.integers(1, 200_000), st.floats(1, 10))


def planned(shape: Shape, tps: int, peak: float, cost: Costs) -> Plan:
    """Plan a machine of this shape, if it is one."""
    made = machine(shape)
    assume(not faults(made))
    return whole.plan(made, whole.target(tps, peak, 12), cost)


@EXAMPLES
@given(shapes, targets, costs)
def test_every_core_has_one_role_or_is_shared_by_all(shape, target, cost):
    plan = planned(shape, *target, cost)
    numbers = [cpu for core in plan.cores for cpu in cpus.parse(core.cpus)]
    assert numbers
    assert len(numbers) == len(set(numbers))
    roles = [tuple(core.roles) for core in plan.cores]
    shared = {found for found in roles if len(found) != 1}
    assert shared <= {
        ("housekeeping", "irq"),
        ("housekeeping", "irq", "haproxy", "postgresql", "api", "worker"),
    }
    for unit in plan.units:
        assert set(cpus.parse(unit.cpus)) <= set(numbers)
        assert cpus.parse(unit.cpus)


@EXAMPLES
@given(shapes, targets, costs)
def test_the_parts_of_the_memory_are_the_memory(shape, target, cost):
    plan = planned(shape, *target, cost)
    total = sum(share.size_bytes for share in plan.memory)
    assert all(share.size_bytes >= 0 for share in plan.memory)
    if "memory" in {refusal.code for refusal in plan.refusals}:
        assert total > plan.machine.memory_bytes
    else:
        assert total == plan.machine.memory_bytes


@EXAMPLES
@given(shapes, targets, costs)
def test_the_pools_fit_into_the_connections(shape, target, cost):
    plan = planned(shape, *target, cost)
    service = {row.name: row.value for row in plan.settings.service}
    pools = service["api_workers"] * service["api_pool_size"]
    pools += service["worker_processes"] * service["worker_pool_size"]
    reserved = setting(plan.settings.postgresql, "superuser_reserved_connections").value
    most = setting(plan.settings.postgresql, "max_connections").value
    assert pools + reserved <= most
    assert service["api_workers"] == sum("rizzpay-api@" in unit.name for unit in plan.units)


@EXAMPLES
@given(shapes, targets, costs)
def test_numbers_stand_where_programs_take_them(shape, target, cost):
    plan = planned(shape, *target, cost)
    values = {row.name: row.value for group in named(plan).values() for row in group}
    assert values["min_wal_size"] * 2 <= values["max_wal_size"]
    assert values["vm.dirty_background_bytes"] < values["vm.dirty_bytes"]
    assert values["maxconn"] >= 1_000
    assert 1 <= values["nbthread"] <= 64
    if "vm.nr_hugepages" in values:
        assert values["vm.nr_hugepages"] * 2 * MIB <= plan.machine.memory_bytes


@EXAMPLES
@given(shapes, st.integers(1, 50_000), st.integers(1, 50_000), costs)
def test_a_higher_target_never_means_fewer_workers(shape, one, other, cost):
    low, high = sorted((one, other))
    few, many = planned(shape, low, 1, cost), planned(shape, high, 1, cost)
    for name in ("api_workers", "worker_processes"):
        less = setting(few.settings.service, name).value
        assert less <= setting(many.settings.service, name).value
    assert few.peak_tps_held <= many.peak_tps_held
    assert few.cores_needed <= many.cores_needed


@EXAMPLES
@given(shapes, targets, costs)
def test_a_refusal_names_the_cores_and_those_do(shape, target, cost):
    plan = planned(shape, *target, cost)
    codes = {refusal.code for refusal in plan.refusals}
    assert ("cores" in codes) == (plan.peak_tps_held < plan.target.peak_tps)
    assert (plan.cores_needed > plan.machine.cores) == ("cores" in codes)


@EXAMPLES
@given(st.integers(1, 64), targets, costs)
def test_one_core_fewer_than_needed_is_too_few(cores, target, cost):
    shape = Shape(nodes=((cores, 512 * GIB),))
    needed = planned(shape, *target, cost).cores_needed
    assume(needed <= 2_000)
    enough = dataclasses.replace(shape, nodes=((needed, 512 * GIB),))
    assert planned(enough, *target, cost).peak_tps_held == round(target[0] * target[1])
    if needed > 1:
        fewer = dataclasses.replace(shape, nodes=((needed - 1, 512 * GIB),))
        assert planned(fewer, *target, cost).verdict == "refused"


@given(st.sets(st.integers(0, 8191), max_size=40))
def test_a_list_of_cpus_is_read_as_it_was_written(numbers):
    assert set(cpus.parse(cpus.text(numbers))) == numbers
    assert int(cpus.mask(numbers).replace(",", ""), 16) == sum(1 << number for number in numbers)


@pytest.mark.parametrize("text", ["a", "1-", "3-1", "0,,1", "1 2", "-1", "99999"])
def test_what_is_no_list_of_cpus_is_refused(text):
    with pytest.raises(ValueError, match="not a"):
        cpus.parse(text)


@pytest.mark.parametrize(
    ("tps", "peak", "debian"),
    [(0, 3, 12), (-1, 3, 12), (10**9, 3, 12), (1, 0.5, 12), (1, 1e9, 12), (1, 3, 11)],
)
def test_a_target_that_makes_no_sense_is_refused(tps, peak, debian):
    with pytest.raises(WrongUse):
        whole.target(tps, peak, debian)


def test_no_number_is_no_peak():
    with pytest.raises(WrongUse):
        whole.target(1, float("nan"), 12)


def test_measured_costs_take_the_place_of_the_built_in_ones():
    found = measured({"cpu_us_per_payment": dict.fromkeys(COMPONENTS, 50)}, "check.json")
    assert (found.api, found.postgresql, found.wal_bytes) == (50.0, 50.0, DEFAULTS.wal_bytes)
    shape = Shape(nodes=((2, 32 * GIB),))
    wanted = whole.target(1000, 3, 12)
    assert whole.plan(machine(shape), wanted, DEFAULTS).verdict == "refused"
    assert whole.plan(machine(shape), wanted, found).verdict == "holds"


def test_costs_are_those_of_a_check_at_the_rate_of_the_target():
    at_target = {"haproxy": 30, "api": 80, "postgres": 100, "worker": 20, "hsmd": 0}
    saturated = {"haproxy": 20, "api": 50, "postgres": 60, "worker": 10}
    document = {"us_each": saturated, "at_target": {"cpu_us_each": at_target}}
    found = measured(document, "check.json")
    assert (found.haproxy, found.api, found.postgresql, found.worker) == (30, 80, 100, 20)
    assert measured({"us_each": saturated}, "check.json").postgresql == 60


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"cpu_us_per_payment": []},
        {"cpu_us_per_payment": dict.fromkeys(COMPONENTS[:3], 50)},
        {"cpu_us_per_payment": dict.fromkeys(COMPONENTS, 0)},
        {"cpu_us_per_payment": dict.fromkeys(COMPONENTS, "50")},
        {"cpu_us_per_payment": dict.fromkeys(COMPONENTS, True)},
        {"cpu_us_per_payment": dict.fromkeys(COMPONENTS, 50), "wal_bytes_per_payment": -1},
    ],
)
def test_costs_that_were_not_measured_are_refused(document):
    with pytest.raises(WrongUse):
        measured(document, "check.json")
