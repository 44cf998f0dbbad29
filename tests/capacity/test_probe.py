"""A probe reads what a machine is, guesses nothing, and leaves nothing behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from capacity import documents
from capacity.errors import WrongUse
from capacity.machine import Machine, faults
from capacity.probe import memories, storages, whole
from capacity.probe.tree import Tree
from tests.capacity import recording
from tests.capacity.test_plans import nulls


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """This machine, its disk measured in a directory of the test."""
    return whole.probe(Path("/"), tmp_path_factory.mktemp("data"))


@pytest.fixture
def recorded(tmp_path):
    """The machine of a recording."""
    return whole.probe(recording.server(tmp_path), None)


def test_the_probe_of_this_machine_contradicts_nothing(live):
    assert faults(live) == []
    assert len(live.processor.threads) == os.cpu_count()
    assert live.memory.total_bytes == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_every_null_of_this_machine_has_a_reason(live):
    assert nulls(live) == {part.path for part in live.unread}
    assert all(part.reason for part in live.unread)


def test_the_disk_was_measured_and_no_file_is_left(live):
    measured = live.storage.measured
    assert 0 < measured.fdatasync.p50_us <= measured.fdatasync.p99_us
    assert measured.fdatasync.operations >= storages.OPERATIONS_MIN
    assert measured.sequential_write_mb_s > 0
    assert measured.random_read_per_s > 0
    assert list(Path(live.storage.directory).iterdir()) == []


def test_a_document_is_read_as_it_was_written(live, tmp_path):
    file = tmp_path / "machine.json"
    documents.write(live, file)
    assert documents.read_machine(file) == live


def test_every_null_of_a_recording_has_a_reason(recorded):
    assert nulls(recorded) == {part.path for part in recorded.unread}


def test_sockets_nodes_and_siblings_are_told_apart(recorded):
    threads = {thread.cpu: thread for thread in recorded.processor.threads}
    assert len(threads) == 8
    assert (threads[6].socket, threads[6].core, threads[6].node) == (1, 0, 1)
    assert threads[6].siblings == "2,6"
    assert [node.distances for node in recorded.nodes] == [[10, 21], [21, 10]]
    assert [cache.cpus for cache in recorded.processor.caches] == ["0-1,4-5", "2-3,6-7"]
    assert recorded.memory.huge_pages[0].free == 24
    assert recorded.memory.transparent == "madvise"


def test_the_state_of_a_raid_is_read(recorded):
    raids = {raid.name: raid for raid in recorded.raids}
    assert (raids["md0"].level, raids["md0"].state, raids["md0"].disks_up) == (
        "raid10",
        "recovering",
        3,
    )
    assert "nvme0n1" in raids["md0"].members
    assert (raids["md1"].level, raids["md1"].state) == ("raid1", "clean")
    assert raids["md2"].state == "inactive"
    assert [controller.driver for controller in recorded.controllers] == ["megaraid_sas"]


def test_a_bond_and_its_members_are_read(recorded):
    first, second = recorded.bonds
    assert (first.mode, first.hash_policy, first.miimon_ms) == ("802.3ad", "layer3+4", 100)
    assert first.partner == "present"
    assert [(member.name, member.is_up, member.speed_mbps) for member in first.members] == [
        ("ens1f0", True, 10_000),
        ("ens2f0", False, None),
    ]
    assert (second.mode, second.miimon_ms, second.partner) == ("active-backup", 0, "")


def test_only_cards_with_a_device_carry_payments(recorded):
    (nic,) = recorded.nics
    assert (nic.name, nic.speed_mbps, nic.numa_node, nic.irqs) == ("ens1f0", 10_000, 1, [64])
    assert nic.rx_ring is None
    (irq,) = recorded.irqs
    assert (irq.number, irq.name, irq.cpus, irq.count) == (64, "ens1f0-TxRx-0", "0-7", 7)


def test_steal_and_the_system_are_read(recorded):
    assert recorded.system.steal_percent == 10.0
    assert recorded.system.distribution == "debian 12"
    assert recorded.system.virtualization == "none"
    assert recorded.processor.model == "Example CPU 2000"
    assert {disk.name: disk.kind for disk in recorded.disks} == {"nvme0n1": "nvme", "sda": "hdd"}


def test_the_narrowest_limit_of_the_control_groups_counts(recorded):
    limits = {limit.resource: limit for limit in recorded.limits}
    assert limits["cpu"].value == 3.0
    assert limits["cpu"].file == "/sys/fs/cgroup/system.slice/cpu.max"
    assert limits["memory"].value == 4 * 1024**3


def test_limits_of_the_first_version_are_read(tmp_path):
    files = {
        "proc/self/cgroup": "5:cpu,cpuacct:/box\n4:memory:/box\n3:cpuset:/box\n2:pids:/box\n",
        "sys/devices/system/cpu/online": "0-7",
        "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "150000",
        "sys/fs/cgroup/cpu/box/cpu.cfs_period_us": "100000",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        "sys/fs/cgroup/memory/box/memory.limit_in_bytes": "2147483648",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
        "sys/fs/cgroup/cpuset/box/cpuset.cpus": "2-3",
        "sys/fs/cgroup/pids/box/pids.max": "500",
    }
    recording.write(tmp_path, files)
    limits = {limit.resource: limit for limit in memories.limits(Tree(tmp_path))}
    assert {name: limit.value for name, limit in limits.items()} == {
        "cpu": 1.5,
        "memory": 2 * 1024**3,
        "cpuset": 2,
        "pids": 500,
    }
    assert limits["cpuset"].cpus == "2-3"


def test_a_directory_that_cannot_be_written_is_wrong_use():
    with pytest.raises(WrongUse, match="--no-io"):
        storages.measure(Path("/proc"))


def rizzpay_capacity(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command as an operator does."""
    return subprocess.run(
        [sys.executable, "-m", "capacity", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_writes_a_machine(tmp_path):
    file = tmp_path / "machine.json"
    done = rizzpay_capacity("probe", "--no-io", "--output", str(file))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert isinstance(documents.read_machine(file), Machine)


def test_a_recording_goes_straight_into_a_plan(tmp_path):
    probed = rizzpay_capacity("probe", "--root", str(recording.server(tmp_path)))
    planned = rizzpay_capacity("plan", "--target-tps", "100", "--machine", "-", stdin=probed.stdout)
    assert planned.returncode == 0, planned.stderr
    assert json.loads(planned.stdout)["machine"]["cores_effective"] == 2.7


def test_a_directory_that_is_no_recording_is_wrong_use(tmp_path):
    done = rizzpay_capacity("probe", "--root", str(tmp_path))
    assert done.returncode == 2
    assert "proc/meminfo" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        ((), "", "--target-tps"),
        (("--target-tps", "0"), "", "between 1 and"),
        (("--target-tps", "-5"), "", "between 1 and"),
        (("--target-tps", "99999999"), "", "between 1 and"),
        (("--target-tps", "many"), "", "not a valid integer"),
        (("--target-tps", "10", "--peak", "0"), "", "--peak"),
        (("--target-tps", "10", "--peak", "nan"), "", "--peak"),
        (("--target-tps", "10", "--debian", "11"), "", "12 or 13"),
        (("--target-tps", "10", "--machine", "/no/such/file"), "", "No such file"),
        (("--target-tps", "10", "--machine", "-"), "", "not JSON"),
        (("--target-tps", "10", "--machine", "-"), "[]", "a JSON object is needed"),
        (("--target-tps", "10", "--machine", "-"), "{}", "format is None"),
        (
            ("--target-tps", "10", "--machine", "-"),
            '{"format": "rizzpay-capacity plan 1"}',
            "not a machine: format is 'rizzpay-capacity plan 1'",
        ),
        (
            ("--target-tps", "10", "--machine", "-"),
            '{"format": "rizzpay-capacity machine 1"}',
            "missing required field",
        ),
        (("--target-tps", "10", "--costs", "/no/such/file"), "", "No such file"),
    ],
)
def test_wrong_use_of_plan_is_one_sentence(arguments, stdin, said):
    done = rizzpay_capacity("plan", *arguments, stdin=stdin)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_an_unknown_field_and_a_contradiction_are_named(tmp_path, recorded):
    plain = documents.plain(recorded)
    plain["memory"]["speed"] = 1
    wrong = rizzpay_capacity("plan", "--target-tps=1", "--machine=-", stdin=json.dumps(plain))
    assert wrong.returncode == 2
    assert "unknown field `speed`" in wrong.stderr
    del plain["memory"]["speed"]
    plain["processor"]["threads"][0]["node"] = 7
    wrong = rizzpay_capacity("plan", "--target-tps=1", "--machine=-", stdin=json.dumps(plain))
    assert wrong.returncode == 2
    assert "CPU 0 is on node 7" in wrong.stderr


def test_a_box_that_is_too_small_ends_the_command_with_one():
    path = Path(documents.__file__).parent / "machines" / "too-small.json"
    done = rizzpay_capacity("plan", "--target-tps", "1000", "--machine", str(path))
    assert done.returncode == 1
    assert "refused: 2 cores" in done.stderr
    assert json.loads(done.stdout)["verdict"] == "refused"
