"""Rendered files are taken by the programs that read them."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
import yaml

from appliance.embedded import postgres as embedded
from appliance.embedded.layout import write_private
from capacity import cpus
from capacity.render import files
from capacity.sizing.plan import setting
from tests.capacity.test_plans import MACHINES, plan_of
from tests.capacity.test_probe import rizzpay_capacity

NAMES = [path.stem for path in MACHINES]
PROGRAMS = sorted(
    {embedded.find_programs(None), *(path for path in Path(embedded.DEBIAN).glob("*/bin"))}
)
OVERHEAD_MAX = 0.1  # of the buffers: so much more than PostgreSQL says may be kept, no more


def only(rendered: dict[str, str]) -> str:
    """Return the text of the only file."""
    (text,) = rendered.values()
    return text


@pytest.fixture(scope="module", params=PROGRAMS, ids=str)
def cluster(request, directory_of_the_session):
    """A data directory made by each PostgreSQL of this machine; it is not started."""
    # not below pytest's own directory, which only this user may enter
    base = Path(tempfile.mkdtemp(prefix="rz", dir=directory_of_the_session))
    base.chmod(0o711)
    password = base / "password"
    write_private(password, f"made-for-this-test-{os.urandom(8).hex()}\n")
    made = embedded.cluster(base / "data", base / "socket", password, request.param)
    made.create()
    return made


def ask(cluster, name: str, config: str) -> subprocess.CompletedProcess[str]:
    """Let PostgreSQL read a configuration file and say a parameter; nothing is started."""
    file = cluster.data / "postgresql.conf"
    file.write_text(config)
    as_whom = [] if cluster.account is None else ["setpriv", *cluster.account.arguments()]
    return subprocess.run(
        [*as_whom, str(cluster.programs / "postgres"), "-D", str(cluster.data), "-C", name],
        capture_output=True,
        text=True,
        check=False,
    )


def for_this_build(cluster, text: str) -> str:
    """Take lz4 out where this build of PostgreSQL has it not; Debian's has."""
    if "lz4" in ask(cluster, "wal_compression", "wal_compression = lz4\n").stdout:
        return text
    return text.replace("wal_compression = lz4", "wal_compression = on")


@pytest.mark.parametrize("name", NAMES)
def test_postgresql_takes_every_parameter_and_fits_into_its_huge_pages(cluster, name):
    plan = plan_of(name)
    text = for_this_build(cluster, only(files.postgresql(plan)))
    done = ask(cluster, "shared_memory_size", text)
    assert done.returncode == 0, done.stderr
    needed = int(done.stdout)  # MB
    planned = next(
        share.size_bytes for share in plan.memory if share.name == "postgresql shared memory"
    )
    assert needed <= planned / 1024**2 <= needed * (1 + OVERHEAD_MAX)
    pages = [row.value for row in plan.settings.sysctl if row.name == "vm.nr_hugepages"]
    assert all(count * 2 >= needed for count in pages)


def test_postgresql_refuses_a_parameter_that_does_not_exist(cluster):
    assert ask(cluster, "port", "no_such_parameter = 1\n").returncode != 0


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="HAProxy is not installed")
@pytest.mark.parametrize("name", NAMES)
def test_haproxy_takes_its_section(name, tmp_path):
    mine = tmp_path / "capacity.cfg"
    # threads on CPUs of this box: HAProxy refuses a map of CPUs that are not there
    here = cpus.text(sorted(os.sched_getaffinity(0)))
    count = len(os.sched_getaffinity(0))
    text = only(files.haproxy(plan_of(name)))
    text = re.sub(r"nbthread \d+", f"nbthread {count}", text)
    text = re.sub(r"cpu-map .*", f"cpu-map auto:1/1-{count} {here}", text)
    mine.write_text(text)
    front = tmp_path / "front.cfg"
    front.write_text(
        "defaults\n    mode http\n    timeout client 1s\n    timeout server 1s\n"
        f"    timeout connect 1s\nfrontend f\n    bind unix@{tmp_path}/front\n"
    )
    done = subprocess.run(
        ["haproxy", "-c", "-f", str(front), "-f", str(mine)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_threads_and_map_of_haproxy_agree(name):
    plan = plan_of(name)
    mapped = str(setting(plan.settings.haproxy, "cpu-map").value)
    found = re.fullmatch(r"auto:1/1-(\d+) (\S+)", mapped)
    assert int(found[1]) == len(cpus.parse(found[2]))
    assert int(found[1]) == setting(plan.settings.haproxy, "nbthread").value


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_drop_ins_and_the_unit_of_the_cards(tmp_path):
    rendered = files.systemd(plan_of("epyc-2x32c-128g"))
    for path, text in rendered.items():
        if path.startswith("/etc/systemd/system/"):
            file = tmp_path / path.removeprefix("/etc/systemd/system/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.replace("/usr/sbin/ethtool", "/bin/true"))
    names = {path.name.removesuffix(".d") for path in tmp_path.glob("*.service.d")}
    for name in names:
        unit = tmp_path / re.sub(r"@\d*\.", "@.", name)
        unit.write_text("[Service]\nExecStart=/bin/true\n")
    units = [str(tmp_path / name.replace("@.", "@15-main.")) for name in sorted(names)]
    done = subprocess.run(
        [
            "systemd-analyze",
            "verify",
            "--man=no",
            *units,
            str(tmp_path / "rizzpay-network.service"),
        ],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if str(tmp_path) in line]
    assert complaints == []


def test_a_drop_in_pins_a_worker_near_its_memory():
    plan = plan_of("epyc-2x32c-128g")
    rendered = files.systemd(plan)
    first = next(unit for unit in plan.units if unit.name == "rizzpay-api@0.service")
    text = rendered[files.DROP_IN.format(unit=first.name)]
    assert f"CPUAffinity={first.cpus.replace(',', ' ')}\n" in text
    assert "NUMAPolicy=preferred\nNUMAMask=1\n" in text
    assert "LimitNOFILE=2048" in text


def test_files_of_the_kernel_are_lines_of_tmpfiles():
    lines = files.systemd(plan_of("bond-10g"))[files.TMPFILES].splitlines()
    written = [line for line in lines if line and not line.startswith("#")]
    assert written
    assert all(re.fullmatch(r"w /(sys|proc)/\S+ - - - - \S+", line) for line in written)


@pytest.mark.parametrize("name", NAMES)
def test_sysctl_lines_name_real_files(name):
    text = only(files.sysctl(plan_of(name)))
    rows = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9_.]+ = -?\d+", row) for row in rows)
    for row in rows:
        file = Path("/proc/sys") / row.partition(" ")[0].replace(".", "/")
        assert file.exists() or file.name in {"zone_reclaim_mode", "numa_balancing"}


@pytest.mark.parametrize("name", NAMES)
def test_the_variables_of_ansible_are_yaml(name):
    plan = plan_of(name)
    found = yaml.safe_load(only(files.ansible(plan)))
    buffers = setting(plan.settings.postgresql, "shared_buffers").value
    assert found["postgresql_settings"]["shared_buffers"] == f"{buffers}MB"
    assert found["capacity_verdict"] == plan.verdict
    assert [unit["name"] for unit in found["rizzpay_units"]] == [unit.name for unit in plan.units]
    assert all(re.fullmatch(r"[a-z_]+", key) for key in found)


def test_ethtool_sets_all_rings_of_a_card_at_once():
    lines = files.ethtool(plan_of("bond-10g").settings.network)
    assert "-G ens1f0 rx 4096 tx 4096" in lines
    assert "-L ens1f0 combined 4" in lines


def test_the_command_prints_or_writes_the_files(tmp_path):
    machine = next(path for path in MACHINES if path.stem == "xeon-16c-64g")
    plan = tmp_path / "plan.json"
    assert (
        rizzpay_capacity(
            "plan", "--target-tps=1000", f"--machine={machine}", f"--output={plan}"
        ).returncode
        == 0
    )
    printed = rizzpay_capacity("render", "--for=postgresql", stdin=plan.read_text())
    assert "shared_buffers = 16384MB" in printed.stdout
    written = rizzpay_capacity(
        "render", "--for=systemd", f"--plan={plan}", f"--directory={tmp_path}"
    )
    paths = [Path(line) for line in written.stdout.splitlines()]
    assert len(paths) > 5
    assert all(path.is_relative_to(tmp_path) and path.is_file() for path in paths)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--for"),
        (("--for", "windows"), "windows"),
        (("--for", "sysctl", "--plan", "/no/such/file"), "No such file"),
        (("--for", "sysctl"), "not JSON"),
    ],
)
def test_wrong_use_of_render_is_one_sentence(arguments, said):
    done = rizzpay_capacity("render", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
