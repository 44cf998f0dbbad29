"""Preflight: what it sees of this machine, and how it judges machines that we do not have."""

import importlib.util
import json
import subprocess
import sys

import pytest

from appliance.embedded.layout import ROOT

ROLE = ROOT / "appliance" / "ansible" / "roles" / "preflight"
TODAY = "2026-11-21"
LIMITS = {
    "cores": "16",
    "memory_gib": "60",
    "disk_free_gib": "100",
    "fsync_p99_ms": "2.0",
    "raid_levels": ["raid1", "raid10"],
    "nic_mbps": "10000",
    "bond_links": "2",
    "clock_offset_ms": "50.0",
    "hsm": "vendor",
    "hsm_module": "/opt/vendor/pkcs11.so",
}
GOOD = {
    "is_debian": True,
    "debian": "13",
    "virtual": False,
    "cores": 16,
    "memory_gib": 62.8,
    "disk_free_gib": 800.0,
    "fsync_p99_ms": 0.4,
    "raid": {"name": "md0", "level": "raid10", "disks": 4, "up": 4},
    "network": {
        "name": "bond0",
        "mbps": 20000,
        "bond": {"mode": "802.3ad", "links": 2, "up": 2},
    },
    "clock": {"by": "chrony", "synchronised": True, "ms": 0.2},
    "names": {"n1": "10.0.0.1"},
    "strangers": {},
    "has_hsm_module": True,
}


@pytest.fixture(scope="module")
def judge():
    """The role's filters."""
    file = ROLE / "filter_plugins" / "preflight.py"
    spec = importlib.util.spec_from_file_location("preflight_filters", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def verdicts(judge, seen, waivers=(), limits=LIMITS):
    rows = judge.preflight_rows(seen, limits, waivers, "n1", TODAY)
    return {row["check"]: row["verdict"] for row in rows}


def test_a_server_as_it_should_be_passes_every_check(judge):
    assert set(verdicts(judge, GOOD).values()) == {"PASS"}


@pytest.mark.parametrize(
    ("changed", "check", "verdict"),
    [
        ({"debian": "11"}, "system", "FAIL"),
        ({"virtual": True}, "hardware", "WARN"),
        ({"cores": 8}, "cores", "FAIL"),
        ({"memory_gib": 30.0}, "memory", "FAIL"),
        ({"disk_free_gib": 20.0}, "disk", "FAIL"),
        ({"fsync_p99_ms": 7.5}, "fsync", "FAIL"),
        ({"raid": None}, "raid", "FAIL"),
        ({"raid": {**GOOD["raid"], "level": "raid5"}}, "raid", "FAIL"),
        ({"raid": {**GOOD["raid"], "up": 3}}, "raid", "FAIL"),
        ({"network": None}, "address", "FAIL"),
        ({"network": {**GOOD["network"], "mbps": 1000}}, "nic", "FAIL"),
        ({"network": {**GOOD["network"], "bond": None}}, "bond", "FAIL"),
        (
            {"network": {**GOOD["network"], "bond": {"mode": "802.3ad", "links": 2, "up": 1}}},
            "bond",
            "FAIL",
        ),
        ({"clock": {**GOOD["clock"], "synchronised": False}}, "clock", "FAIL"),
        ({"clock": {**GOOD["clock"], "ms": -80.0}}, "clock", "FAIL"),
        ({"clock": {"by": "timedatectl", "synchronised": False, "ms": None}}, "clock", "WARN"),
        ({"names": {"n1": None}}, "names", "WARN"),
        ({"strangers": {"5432": "nginx"}}, "ports", "FAIL"),
        ({"has_hsm_module": False}, "hsm", "FAIL"),
    ],
)
def test_what_is_amiss_is_named(judge, changed, check, verdict):
    assert verdicts(judge, {**GOOD, **changed})[check] == verdict


def test_softhsm_is_refused_unless_the_site_waives_it(judge):
    limits = {**LIMITS, "hsm": "softhsm"}
    waiver = {"check": "hsm", "reason": "evaluation", "until": TODAY}
    assert verdicts(judge, GOOD, limits=limits)["hsm"] == "FAIL"
    assert verdicts(judge, GOOD, [waiver], limits)["hsm"] == "WARN"


def test_a_waiver_ends_with_its_day_and_holds_for_its_host_alone(judge):
    small = {**GOOD, "cores": 2}
    waiver = {"check": "cores", "reason": "evaluation", "until": "2026-11-20"}
    assert verdicts(judge, small, [waiver])["cores"] == "FAIL"
    waiver["until"] = "2026-12-31"
    assert verdicts(judge, small, [{**waiver, "host": "n2"}])["cores"] == "FAIL"
    assert verdicts(judge, small, [{**waiver, "host": "n1"}])["cores"] == "WARN"


def test_the_table_says_for_each_check_what_was_found_and_what_is_wanted(judge):
    rows = judge.preflight_rows({**GOOD, "cores": 2}, LIMITS, [], "n1", TODAY)
    head, _, *lines = judge.preflight_table(rows, "n1")
    assert head.split()[:2] == ["check", "n1"]
    assert any(
        line.split() == ["cores", "FAIL", "2", "cores", "16", "or", "more"] for line in lines
    )


def test_this_machine_is_seen_as_it_is(tmp_path):
    told = subprocess.run(
        [sys.executable, ROLE / "files" / "look.py", tmp_path, "127.0.0.1", "", "localhost", "nix"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    seen = json.loads(told)
    assert set(seen) == set(GOOD)
    assert seen["network"]["name"] == "lo"
    assert seen["fsync_p99_ms"] > 0
    assert seen["names"] == {"localhost": "127.0.0.1", "nix": None}
    assert list(tmp_path.iterdir()) == []
