"""A machine that runs as planned has no findings; one that does not has one, with the file."""

import json
import os
import socketserver
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

from appliance.embedded import postgres as embedded
from appliance.embedded.layout import write_private
from appliance.embedded.programs import Child, wait_until_ready
from capacity import cpus, documents
from capacity.errors import Unreachable, WrongUse
from capacity.render import files
from capacity.sizing import whole as sizing
from capacity.sizing.costs import DEFAULTS
from capacity.sizing.plan import setting
from capacity.verify import databases, services, whole
from capacity.verify.findings import same, same_mask
from capacity.verify.whole import Doors
from tests.capacity import recording
from tests.capacity.building import GIB, Shape, machine
from tests.capacity.test_probe import rizzpay_capacity

PLAN = sizing.plan(machine(Shape()), sizing.target(1000, 3, 12), DEFAULTS)
SMALL = sizing.plan(
    machine(Shape(nodes=((2, 4 * GIB),), disk="virtual", raid="", bond="")),
    sizing.target(100, 1, 12),
    DEFAULTS,
)


def as_planned(root: Path) -> Path:
    """Write a recording of a machine on which PLAN was applied and every service runs."""
    recording.server(root)
    settings = PLAN.settings
    written = {f"proc/sys/{row.name.replace('.', '/')}": row.value for row in settings.sysctl}
    written |= {
        row.name.lstrip("/"): row.value
        for row in [*settings.kernel, *settings.disks, *settings.irqs]
    }
    for row in settings.disks:
        written[row.name.lstrip("/")] = f"[{row.value}] mq-deadline"
    written["sys/kernel/mm/transparent_hugepage/enabled"] = "always [madvise] never"
    written["sys/devices/system/cpu/cpu3/cpufreq/scaling_governor"] = "performance"
    written["proc/meminfo"] = "MemTotal: 1 kB\nHugePages_Total: 9\nHugePages_Free: 2\n"
    for pid, unit in enumerate(PLAN.units, 100):
        name = unit.name.replace("@.", "@15-main.")
        written[f"proc/{pid}/cgroup"] = f"0::/system.slice/system-x.slice/{name}\n"
        written[f"proc/{pid}/status"] = f"Name:\tx\nCpus_allowed_list:\t{unit.cpus}\n"
    recording.write(root, {path: f"{value}\n" for path, value in written.items()})
    return root


def check(root: Path):
    """Verify PLAN against a recording, without PostgreSQL and HAProxy."""
    return whole.verify(PLAN, Doors(root, None, None))


def test_a_machine_that_runs_as_planned_has_no_findings(tmp_path):
    found = check(as_planned(tmp_path))
    assert found.findings == []
    assert found.checked > 20
    # ring buffers need the live machine's driver; nobody named PostgreSQL and HAProxy
    assert {part.what.split(" ")[0] for part in found.unchecked} == {
        "ens1f0",
        "ens2f0",
        "haproxy",
        "postgresql",
        "database.pool_size",
        "valkey",
    }


@pytest.mark.parametrize(
    ("path", "text", "setting", "file"),
    [
        ("proc/sys/vm/swappiness", "60", "vm.swappiness", files.SYSCTL),
        ("sys/kernel/mm/transparent_hugepage/enabled", "[always] never", "always", files.TMPFILES),
        ("sys/block/nvme0n1/queue/scheduler", "none [mq-deadline]", "mq-deadline", files.TMPFILES),
        (
            "sys/devices/system/cpu/cpu3/cpufreq/scaling_governor",
            "powersave",
            "powersave",
            files.TMPFILES,
        ),
        ("proc/irq/64/smp_affinity_list", "0-15", "0-15", files.TMPFILES),
        ("proc/irq/default_smp_affinity", "ffff", "ffff", files.TMPFILES),
        (
            "proc/meminfo",
            "HugePages_Total: 9\nHugePages_Free: 9\nHugePages_Rsvd: 0\n",
            "huge pages in use",
            files.postgresql_path(PLAN),
        ),
        (
            "proc/100/status",
            "Cpus_allowed_list:\t0-15\n",
            "rizzpay-api@0.service CPUAffinity",
            files.DROP_IN.format(unit="rizzpay-api@0.service"),
        ),
    ],
)
def test_a_difference_is_found_with_the_file_to_look_at(tmp_path, path, text, setting, file):
    recording.write(as_planned(tmp_path), {path: text})
    (finding,) = check(tmp_path).findings
    assert setting in {finding.setting, finding.found}
    assert finding.file == file
    assert f"/{path}" == finding.where
    assert finding.wanted


def test_one_process_of_many_that_strays_is_found(tmp_path):
    as_planned(tmp_path)
    recording.write(
        tmp_path,
        {
            "proc/900/cgroup": "0::/system.slice/postgresql@15-main.service\n",
            "proc/900/status": "Cpus_allowed_list:\t0\n",
        },
    )
    (finding,) = check(tmp_path).findings
    assert finding.setting == "postgresql@.service CPUAffinity"
    assert finding.found == "0 (1 of 2 processes)"


def test_a_leading_zero_of_a_mask_is_no_difference(tmp_path):
    row = next(row for row in PLAN.settings.irqs if row.unit == "mask")
    recording.write(as_planned(tmp_path), {row.name.lstrip("/"): f"0000,0000{row.value}"})
    assert check(tmp_path).findings == []


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        ((2048, "MB"), ("262144", "8kB"), True),
        ((15, "min"), ("900", "s"), True),
        ((1.1, ""), ("1.1", ""), True),
        ((64, "MB"), ("64", "GB"), False),
        (("on", ""), ("off", ""), False),
        (("lz4", ""), ("lz4", ""), True),
    ],
)
def test_values_are_compared_with_their_units(left, right, equal):
    assert same(*left, *right) is equal


def test_masks_are_compared_as_numbers():
    assert same_mask("ff", "00000000,000000ff")
    assert not same_mask("ff", "0000000f")


@pytest.fixture(scope="module")
def database(directory_of_the_session):
    """PostgreSQL that runs with the rendered file of SMALL: its directory and how to reach it."""
    # not below pytest's own directory, which only this user may enter
    base = Path(tempfile.mkdtemp(prefix="rz", dir=directory_of_the_session))
    base.chmod(0o711)
    password = base / "password"
    write_private(password, f"made-for-this-test-{os.urandom(8).hex()}\n")
    cluster = embedded.cluster(base / "data", base / "s", password, None)
    cluster.create()
    cluster.configure(embedded.Sizing(memory_bytes=GIB, connections=20))
    (text,) = files.postgresql(SMALL).values()
    with (cluster.data / "postgresql.conf").open("a") as file:
        # the wheel's PostgreSQL was built without lz4, Debian's has it
        file.write("\n" + text.replace("wal_compression = lz4", "wal_compression = on"))
    child = Child(cluster.program(base, 0))
    child.start()
    wait_until_ready(child)
    conninfo = base / "conninfo"
    write_private(
        conninfo,
        f"host={base / 's'} user=postgres dbname=postgres password={password.read_text().strip()}",
    )
    yield cluster, conninfo
    child.stop()


def of_database(conninfo: Path):
    """Verify SMALL against a running PostgreSQL."""
    return databases.compare(SMALL, databases.conninfo(conninfo))


def test_postgresql_runs_with_the_rendered_file_as_planned(database):
    _, conninfo = database
    findings, unchecked, checked = of_database(conninfo)
    assert [(finding.setting, finding.found) for finding in findings] in (
        [],
        [("wal_compression", "pglz")],
    )
    assert unchecked == []
    assert checked == len(SMALL.settings.postgresql)


def test_a_parameter_that_was_changed_is_found(database):
    cluster, conninfo = database
    with cluster.connect() as connection:
        connection.execute("ALTER SYSTEM SET work_mem = '1MB'")
        connection.execute("ALTER SYSTEM SET max_connections = 77")
        connection.execute("SELECT pg_reload_conf()")
    try:
        found = {finding.setting: finding for finding in eventually(conninfo, "work_mem")}
    finally:
        with cluster.connect() as connection:
            connection.execute("ALTER SYSTEM RESET ALL")
            connection.execute("SELECT pg_reload_conf()")
    assert found["work_mem"].found == "1024kB"
    assert "auto.conf" in found["work_mem"].where
    assert "a restart is pending" in found["max_connections"].found


def eventually(conninfo: Path, setting: str):
    """Return the findings as soon as one is about a setting: a reload takes a moment."""
    deadline = time.monotonic() + 10
    while True:
        findings, _, _ = of_database(conninfo)
        if any(finding.setting == setting for finding in findings):
            return findings
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_command_tells_findings_by_its_exit_status(database, tmp_path):
    _, conninfo = database
    plan = tmp_path / "plan.json"
    documents.write(SMALL, plan)
    done = rizzpay_capacity("verify", f"--plan={plan}", f"--database-file={conninfo}", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == (1 if found["findings"] else 0), done.stderr
    assert found["checked"] > len(SMALL.settings.postgresql)
    told = rizzpay_capacity("verify", f"--plan={plan}")
    assert "not checked: postgresql: no --database-file" in told.stdout
    password = conninfo.read_text().rpartition("password=")[2]
    assert password not in done.stdout + done.stderr


def test_a_pool_of_another_size_is_found_in_the_settings_of_the_service(tmp_path):
    config = tmp_path / "rizzpay.toml"
    size = setting(PLAN.settings.service, "api_pool_size").value

    def compare(text: str):
        config.write_text(text)
        return list(services.compare(PLAN, config))

    assert compare(f"[database]\npool_size = {size}\n") == [None]
    (finding,) = compare("[database]\npool_size = 3\n")
    assert (finding.wanted, finding.found, finding.file) == (str(size), "3", str(config))
    (unchecked,) = compare("[service]\n")
    assert "default" in unchecked.reason
    with pytest.raises(WrongUse):
        compare("no toml")


def test_a_database_that_does_not_answer_is_told_apart(tmp_path):
    conninfo = tmp_path / "conninfo"
    conninfo.write_text(f"host={tmp_path} dbname=postgres password=hidden-{os.getpid()}")
    with pytest.raises(Unreachable) as caught:
        of_database(conninfo)
    assert "hidden" not in str(caught.value)


def test_a_file_that_is_no_address_is_wrong_use(tmp_path):
    conninfo = tmp_path / "conninfo"
    conninfo.write_text("")
    with pytest.raises(WrongUse, match="is empty"):
        of_database(conninfo)
    conninfo.write_text("no such words")
    with pytest.raises(WrongUse):
        of_database(conninfo)


def test_haproxy_runs_with_the_rendered_section_as_planned(tmp_path, directory_of_the_session):
    here = sorted(os.sched_getaffinity(0))
    (text,) = files.haproxy(SMALL).values()
    text = text.replace("nbthread 2", f"nbthread {len(here)}")
    text = text.replace("auto:1/1-2 0-1", f"auto:1/1-{len(here)} {cpus.text(here)}")
    admin = directory_of_the_session / "admin.sock"
    (tmp_path / "capacity.cfg").write_text(text)
    (tmp_path / "front.cfg").write_text(
        f"global\n    stats socket {admin} mode 600\ndefaults\n    mode http\n"
        "    timeout client 1s\n    timeout connect 1s\n    timeout server 1s\n"
        f"frontend f\n    bind unix@{directory_of_the_session}/front.sock\n"
    )
    process = subprocess.Popen(
        ["haproxy", "-db", "-f", str(tmp_path / "front.cfg"), "-f", str(tmp_path / "capacity.cfg")]
    )
    try:
        deadline = time.monotonic() + 10
        while not admin.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        found = whole.verify(SMALL, Doors(Path("/"), None, admin))
    finally:
        process.terminate()
        process.wait(10)
    about = [finding for finding in found.findings if finding.setting.startswith("haproxy ")]
    assert [finding.setting for finding in about] == (
        [] if len(here) == 2 else ["haproxy nbthread"]
    )


def test_a_setting_that_haproxy_runs_without_is_found(directory_of_the_session):
    address = directory_of_the_session / "other.sock"

    class Answer(socketserver.StreamRequestHandler):
        def handle(self):
            assert self.rfile.readline() == b"show info\n"
            self.wfile.write(b"Name: HAProxy\nNbthread: 1\nMaxconn: 100\n")

    with socketserver.UnixStreamServer(str(address), Answer) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        found = whole.verify(PLAN, Doors(Path("/"), None, address))
        thread.join()
    findings = {finding.setting: finding for finding in found.findings}
    assert findings["haproxy maxconn"].found == "100"
    assert findings["haproxy maxconn"].file == files.HAPROXY


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ((), 2, "--plan"),
        (("--plan", "/no/such/file"), 2, "No such file"),
        (("--plan", "-"), 2, "not JSON"),
    ],
)
def test_wrong_use_of_verify_is_one_sentence(arguments, status, said):
    done = rizzpay_capacity("verify", *arguments)
    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_haproxy_that_does_not_answer_is_told_apart(tmp_path):
    plan = tmp_path / "plan.json"
    documents.write(SMALL, plan)
    done = rizzpay_capacity("verify", f"--plan={plan}", "--haproxy-socket=/no/such.sock")
    assert done.returncode == 3
    assert "HAProxy does not answer" in done.stderr
