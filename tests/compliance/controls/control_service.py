"""Controls of RizzPay itself: units, processes, files, keys, release."""

import re

import pytest

from tests.compliance.asking import lines, nothing_is_said, rizzpay, settings, told

EXPOSURE_MAX = 2.0
CURRENT = "/opt/rizzpay/current"
TOKEN = "/var/lib/rizzpay-hsm"
SOCKET = "/run/rizzpay-hsm/hsmd.sock"
PIN = "/etc/rizzpay/credentials/hsm_pin"
PIN_MIN = 12
# The oldest version of a package without a hole that the table of engineering facts names.
SAFE = {
    "openssh-server": "1:9.2",
    "sudo": "1.9.13",
    "haproxy": "2.6.12",
    "postgresql-15": "15.18",
    "postgresql-17": "17.10",
    "openssl": "3.0.15",
}


def running_units(host) -> list[str]:
    """Return RizzPay's services that run; the control fails when none does."""
    command = "systemctl list-units --type=service --state=running --plain --no-legend 'rizzpay-*'"
    found = [line.split()[0] for line in lines(host, command)]
    assert found, "no service of RizzPay runs"
    return found


def process_ids(host) -> list[str]:
    """Return the main processes of RizzPay's services."""
    units = " ".join(running_units(host))
    text = told(host, f"systemctl show --property=MainPID --value {units}")
    return [line for line in text.splitlines() if line.strip() not in {"", "0"}]


@pytest.mark.control("RP-UNIT-001")
def test_units_expose_little(host):
    wrong = []
    for unit in running_units(host):
        text = told(host, "systemd-analyze security --no-pager -- %s", unit)
        found = re.search(r"exposure level for \S+: ([\d.]+)", text)
        assert found, f"{unit}: systemd-analyze says nothing"
        if float(found[1]) >= EXPOSURE_MAX:
            wrong.append(f"{unit} {found[1]}")
    assert not wrong, f"expose too much: {', '.join(wrong)}"


@pytest.mark.control("RP-UNIT-002")
def test_processes_have_no_rights(host):
    for process in process_ids(host):
        found = settings(told(host, f"cat /proc/{process}/status").replace(":", ""))
        user = found["uid"].split()[1]
        assert user != "0", f"process {process} runs as root"
        assert int(found["capeff"], 16) == 0, f"process {process} has rights {found['capeff']}"
        assert int(found["capbnd"], 16) == 0, f"process {process} may get {found['capbnd']}"
        assert found["nonewprivs"] == "1", f"process {process} may gain rights"


@pytest.mark.control("RP-UNIT-003")
def test_calls_are_filtered(host):
    for process in process_ids(host):
        found = settings(told(host, f"cat /proc/{process}/status").replace(":", ""))
        assert found["seccomp"] == "2", f"process {process} may call everything"
    # a container filters every process, so that the kernel's word is not enough there
    for unit in running_units(host):
        filters = told(host, f"systemctl show --property=SystemCallFilter --value {unit}")
        assert filters.strip() not in {"", "~"}, f"{unit} filters nothing"


@pytest.mark.control("RP-UNIT-004")
def test_a_dead_process_comes_back(host):
    for unit in running_units(host):
        found = settings(told(host, f"systemctl show {unit} -p Restart -p WatchdogUSec"))
        assert found["restart"] in {"always", "on-failure"}, f"{unit}: {found['restart']}"
        assert found["watchdogusec"] not in {"0", "infinity"}, f"{unit} has no watchdog"


@pytest.mark.control("RP-UNIT-005")
def test_a_crash_of_the_service_leaves_nothing(host):
    for process in process_ids(host):
        limit = told(host, f"grep 'Max core file size' /proc/{process}/limits").split()
        assert limit[4:6] == ["0", "0"], f"process {process} may leave {limit[4:6]}"


@pytest.mark.control("RP-FILE-001")
def test_files_of_accounts_have_their_modes(host):
    nothing_is_said(
        host,
        "find /etc/passwd /etc/group \\( ! -user root -o -perm /0133 \\) -print;"
        " find /etc/shadow /etc/gshadow \\( ! -user root -o -perm /0137 \\) -print",
        "open too wide",
    )


@pytest.mark.control("RP-FILE-002")
def test_settings_of_the_service_are_closed(host):
    told(host, "test -s /etc/rizzpay/rizzpay.toml")
    nothing_is_said(
        host,
        "find /etc/rizzpay/rizzpay.toml \\( ! -user root -o -perm /027 \\) -print",
        "open too wide",
    )


@pytest.mark.control("RP-FILE-003")
def test_secrets_are_root_only(host):
    told(host, "test -d /etc/rizzpay/credentials")
    nothing_is_said(
        host,
        "find /etc/rizzpay/credentials \\( ! -user root -o -perm /077 \\) -print",
        "open to others",
    )


@pytest.mark.control("RP-FILE-004")
def test_the_service_cannot_change_itself(host):
    told(host, f"test -e {CURRENT}")
    nothing_is_said(
        host,
        "find /opt/rizzpay \\( ! -user root -o -perm /022 \\) ! -type l -print | head -n 20",
        "others may change it",
    )


@pytest.mark.control("RP-FILE-005")
def test_no_secret_is_in_the_open(host):
    nothing_is_said(
        host,
        "grep -lEis '^Environment=.*(password|secret|token|_pin)=[^ ]' -r /etc/systemd/system"
        " || true; grep -laEis '(password|passwd|secret|_pin)=[^ /]' /proc/[0-9]*/cmdline"
        " 2>/dev/null | grep -v self || true",
        "looks like a secret",
    )


@pytest.mark.control("RP-KEY-001")
def test_keys_are_as_the_inventory_says(host):
    found = rizzpay(host, "keys", "verify")
    problems = [f"{one['subject']}: {one['problem']}" for one in found["findings"]]
    assert found["ok"], "; ".join(problems[:5])


@pytest.mark.control("RP-KEY-002")
def test_only_the_daemon_reaches_the_token(host):
    told(host, f"test -d {TOKEN}")
    nothing_is_said(
        host, f"find {TOKEN} \\( -user rizzpay -o -perm /077 \\) -print", "open to others"
    )


@pytest.mark.control("RP-KEY-003")
def test_the_pin_is_no_known_one(host):
    length = int(told(host, f"tr -d '\\n' < {PIN} | wc -c").strip())
    assert length >= PIN_MIN, f"it has {length} characters"
    kinds = int(told(host, f"tr -d '\\n' < {PIN} | fold -w 1 | sort -u | wc -l").strip())
    assert kinds >= PIN_MIN // 2, f"it is made of {kinds} different characters"


@pytest.mark.control("RP-KEY-004")
def test_the_socket_is_for_the_service(host):
    mode = told(host, f"stat -c '%U %G %a' {SOCKET}").strip()
    assert mode in {"rizzpay-hsm rizzpay 660", "rizzpay-hsm rizzpay 600"}, f"{SOCKET}: {mode}"


@pytest.mark.control("RP-SW-001")
def test_the_release_is_that_of_the_inventory(host, site):
    wanted = site.variable("rizzpay_release")
    found = told(host, f"readlink -f {CURRENT}").strip().rpartition("/")[2]
    assert wanted, "the inventory names no rizzpay_release"
    assert found == wanted, f"it runs {found}, not {wanted}"


@pytest.mark.control("RP-SW-002")
def test_python_packages_are_those_of_the_lock(host):
    lock = told(host, f"cat {CURRENT}/requirements.lock")
    wanted = dict(re.findall(r"^([\w.-]+)(?:\[.*\])?==([^ ;\\]+)", lock, re.MULTILINE))
    assert wanted, "the release has no lock"
    have = dict(
        line.split("==")
        for line in lines(host, f"{CURRENT}/bin/python -m pip freeze --all")
        if "==" in line
    )
    plain = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in wanted.items()}
    strange = [
        f"{name} {version}"
        for name, version in have.items()
        if name.lower() not in {"pip", "setuptools"}
        and plain.get(re.sub(r"[-_.]+", "-", name).lower()) != version
    ]
    assert not strange, f"not of the lock: {', '.join(strange[:10])}"


@pytest.mark.control("RP-SW-003")
def test_no_program_has_a_known_hole(host):
    old = []
    for package, version in SAFE.items():
        shown = "${db:Status-Status} ${Version}"
        answer = host.run("dpkg-query --show --showformat=%s %s", shown, package)
        status, _, installed = answer.stdout.partition(" ")
        if status != "installed":
            continue
        if host.run(f"dpkg --compare-versions '{installed}' ge '{version}'").failed:
            old.append(f"{package} {installed}")
    told(host, "dpkg-query --show openssh-server")
    assert not old, f"too old: {', '.join(old)}"
