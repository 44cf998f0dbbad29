"""The catalogue and the tests of the controls fit; what does not fit cannot be run."""

import hashlib

import pytest

from rizzpay.compliance import collecting, reading
from rizzpay.compliance.collecting import Task
from rizzpay.compliance.model import Status
from rizzpay.core.errors import Misconfigured
from tests.compliance.samples import HERE, Place
from tests.compliance.seeds import SEEDS, UNSEEDED

pytestmark = pytest.mark.slow

CATALOGUE = reading.catalogue(HERE / "catalogue")


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def run(place, tmp_path, **choice):
    task = Task(place.directory, place.inventory, **choice)
    return collecting.run(task, tmp_path / "evidence", lambda *_: None)


def refusal(place, tmp_path):
    with pytest.raises(Misconfigured) as refused:
        run(place, tmp_path)
    return str(refused.value)


def test_every_control_of_the_project_has_its_test(tmp_path):
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("all:\n  hosts:\n    here:\n      ansible_connection: local\n")
    only = ("RP-OS-001",)
    found = collecting.run(Task(HERE, inventory, "", only), tmp_path / "evidence", lambda *_: None)
    assert [check.control for check in found.checks] == ["RP-OS-001"]
    assert found.checks[0].evidence


def test_a_control_is_tried_and_its_evidence_kept(place, tmp_path):
    place.row("RP-AA-001").test("RP-AA-001", "assert host.run('echo so').stdout == 'so\\n'")
    found = run(place, tmp_path)
    (check,) = found.checks
    assert (check.control, check.host, check.status) == ("RP-AA-001", "here", Status.PASSED)
    (evidence,) = check.evidence
    assert (evidence.command, evidence.exit_status, evidence.excerpt) == ("echo so", 0, "so")
    assert evidence.sha256 == hashlib.sha256(b"so\n").hexdigest()


def test_a_test_with_an_unknown_control_fails_collection(place, tmp_path):
    place.row("RP-AA-001").test("RP-AA-001").test("RP-AA-002")
    assert "the catalogue knows no RP-AA-002" in refusal(place, tmp_path)


def test_a_control_without_a_test_fails_collection(place, tmp_path):
    place.row("RP-AA-001").row("RP-AA-002").test("RP-AA-001")
    assert "RP-AA-002 has 0 tests and must have one" in refusal(place, tmp_path)


def test_two_tests_for_one_control_fail_collection(place, tmp_path):
    place.row("RP-AA-001").test("RP-AA-001").test("RP-AA-001")
    assert "RP-AA-001 has 2 tests and must have one" in refusal(place, tmp_path)


def test_a_test_without_a_control_fails_collection(place, tmp_path):
    place.row("RP-AA-001").test("RP-AA-001")
    stray = place.directory / "controls" / "control_stray.py"
    stray.write_text("def test_it_is_nobodys(host):\n    host.run('true')\n")
    assert "does not name one control" in refusal(place, tmp_path)


def test_a_test_of_what_needs_a_person_fails_collection(place, tmp_path):
    place.row("RP-AA-001", 'attestation = "Show it."').test("RP-AA-001")
    assert "RP-AA-001 needs a person" in refusal(place, tmp_path)


def test_a_failure_an_error_and_an_exemption_are_told_apart(place, tmp_path):
    place.row("RP-AA-001").test("RP-AA-001", "assert host.run('false').succeeded, 'it is not so'")
    place.row("RP-AA-002").test("RP-AA-002", "raise LookupError('where?')")
    place.row("RP-AA-003").test("RP-AA-003", "not_applicable('there is no door')")
    place.row("RP-AA-004").test("RP-AA-004", "pytest.skip('no time')")
    found = {check.control: (check.status, check.reason) for check in run(place, tmp_path).checks}
    assert found["RP-AA-001"] == (Status.FAILED, "it is not so")
    assert found["RP-AA-002"] == (Status.ERROR, "LookupError: where?")
    assert found["RP-AA-003"] == (Status.NOT_APPLICABLE, "there is no door")
    assert found["RP-AA-004"][0] is Status.ERROR


def test_a_control_is_tried_on_the_hosts_of_its_groups(place, tmp_path):
    place.inventory.write_text(
        "all:\n  vars:\n    ansible_connection: local\n"
        "  children:\n    apis:\n      hosts:\n        a1:\n        a2:\n"
        "    backup:\n      hosts:\n        b1:\n"
    )
    place.row("RP-AA-001").test("RP-AA-001")
    place.row("RP-AA-002", 'groups = ["apis"]').test("RP-AA-002")
    found = run(place, tmp_path)
    tried = sorted((check.control, check.host) for check in found.checks)
    everywhere = [("RP-AA-001", host) for host in ("a1", "a2", "b1")]
    assert tried == [*everywhere, ("RP-AA-002", "a1"), ("RP-AA-002", "a2")]
    (tmp_path / "evidence").unlink()
    limited = run(place, tmp_path, limit="b1")
    assert [(check.control, check.host) for check in limited.checks] == [("RP-AA-001", "b1")]


def test_a_run_that_broke_off_is_no_result(tmp_path):
    evidence = tmp_path / "evidence"
    evidence.write_text('{"started":{"at":"x","tools":{},"total":1,"limit":"","controls":[]}}\n')
    with pytest.raises(Misconfigured, match="broke off"):
        collecting.read(evidence)


def test_there_are_eighty_controls_that_run_by_themselves():
    assert sum(not control.attestation for control in CATALOGUE.values()) >= 80


def test_every_area_of_the_house_has_controls():
    areas = {name.split("-")[1] for name in CATALOGUE}
    house = {"ACC", "BAK", "DB", "FILE", "HA", "KEY", "KV", "LB", "LOG", "NET", "OS", "SSH", "SW"}
    assert areas == house | {"TIME", "TLS", "UNIT"}


def test_every_control_that_runs_by_itself_has_a_seed_or_a_reason_why_not():
    tried = {name for name, row in CATALOGUE.items() if not row.attestation}
    assert set(SEEDS) | set(UNSEEDED) == tried
    assert not set(SEEDS) & set(UNSEEDED)
