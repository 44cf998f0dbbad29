"""Nothing passes that was not shown, and an exception ends on its day."""

from datetime import date

import pytest

from rizzpay.compliance import model, reading
from rizzpay.compliance.model import Status
from rizzpay.core.errors import Misconfigured
from tests.compliance.samples import CATALOGUE, check, collected, control, waiver

TODAY = date(2026, 11, 21)


def verdict(*checks, waivers=(), controls=CATALOGUE, name="RP-AA-001"):
    found = model.judge(controls, collected(*checks), waivers, TODAY)
    return next(result for result in found if result.control == name)


def test_a_check_that_passed_with_evidence_passes():
    assert verdict(check("RP-AA-001")).status is Status.PASSED


def test_a_check_without_evidence_does_not_pass():
    found = verdict(check("RP-AA-001", evidence=()))
    assert (found.status, found.reason) == (Status.ERROR, "it passed without looking at the host")


def test_a_control_that_was_not_tried_does_not_pass():
    assert verdict().status is Status.ERROR


def test_not_applicable_needs_a_reason():
    assert verdict(check("RP-AA-001", Status.NOT_APPLICABLE, " ")).status is Status.ERROR
    assert verdict(check("RP-AA-001", Status.NOT_APPLICABLE, "no disk")).status == "not-applicable"


def test_a_control_about_nobody_is_not_applicable_and_says_why():
    found = verdict(name="RP-AA-003")
    assert found.status is Status.NOT_APPLICABLE
    assert found.reason == "no host of the inventory is in backup"


def test_what_needs_a_person_never_passes():
    found = verdict(check("RP-AA-004"), name="RP-AA-004")
    assert (found.status, found.reason) == (Status.NEEDS_ATTESTATION, "Show the record.")


def test_a_waiver_excuses_a_failure_until_its_day():
    failed = check("RP-AA-001", Status.FAILED, "the door is open")
    found = verdict(failed, waivers=(waiver(until=TODAY),))
    assert found.status is Status.WAIVED
    assert "R. Iyer: the lock is on order; the door is open" in found.reason


def test_a_waiver_past_its_date_fails():
    failed = check("RP-AA-001", Status.FAILED, "the door is open")
    found = verdict(failed, waivers=(waiver(until=date(2026, 11, 20)),))
    assert found.status is Status.FAILED
    assert found.reason == "the door is open (its waiver ended on 2026-11-20)"


@pytest.mark.parametrize("other", [{"host": "n2"}, {"control": "RP-AA-002"}])
def test_a_waiver_excuses_nothing_else(other):
    failed = check("RP-AA-001", Status.FAILED, "open")
    assert verdict(failed, waivers=(waiver(**other),)).status is Status.FAILED


def test_a_waiver_does_not_excuse_what_could_not_be_tried():
    found = verdict(check("RP-AA-001", Status.ERROR, "gone"), waivers=(waiver(),))
    assert found.status is Status.ERROR


def test_a_report_is_clean_only_without_failures_and_errors():
    good = [check(name) for name in ("RP-AA-001", "RP-AA-002", "RP-AA-005")]
    assert model.is_clean(model.judge(CATALOGUE, collected(*good), (), TODAY))
    assert not model.is_clean(model.judge(CATALOGUE, collected(*good[:2]), (), TODAY))


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"control": "RP-BB-001"}, "there is no such control"),
        ({"control": "RP-AA-004"}, "it needs a person's word, which nobody can waive"),
        ({"reason": " "}, "a waiver has a reason and somebody who approved it"),
        ({"approved_by": ""}, "a waiver has a reason and somebody who approved it"),
        ({"until": date(2027, 12, 1)}, "a waiver lasts at most 366 days"),
    ],
)
def test_an_unclear_waiver_is_refused(wrong, fault):
    assert [fault in text for text in model.waiver_faults([waiver(**wrong)], CATALOGUE, TODAY)]
    assert list(model.waiver_faults([waiver()], CATALOGUE, TODAY)) == []


def test_waivers_are_read_from_toml(tmp_path):
    file = tmp_path / "waivers.toml"
    file.write_text(
        '[[waivers]]\ncontrol = "RP-AA-001"\nhost = "all"\nuntil = 2026-12-01\n'
        'reason = "the lock is on order"\napproved_by = "R. Iyer"\n'
    )
    (read,) = reading.waivers(file, CATALOGUE, TODAY)
    assert (read.host, read.until) == ("all", date(2026, 12, 1))
    file.write_text(file.read_text().replace("until = 2026-12-01\n", ""))
    with pytest.raises(Misconfigured, match="until"):
        reading.waivers(file, CATALOGUE, TODAY)


def test_what_changed_since_is_told_with_the_worst_first():
    before = model.judge(CATALOGUE, collected(check("RP-AA-001"), check("RP-AA-002")), (), TODAY)
    failed = check("RP-AA-002", Status.FAILED, "open")
    after = model.judge(CATALOGUE, collected(failed, check("RP-AA-005")), (), TODAY)
    told = [(one.control, one.before, one.after) for one in model.changes(before, after)]
    assert told == [
        ("RP-AA-001", Status.PASSED, Status.ERROR),
        ("RP-AA-002", Status.PASSED, Status.FAILED),
        ("RP-AA-005", Status.ERROR, Status.PASSED),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": ""},
        {"refs": ()},
        {"refs": ("ISO 27001 A.5",)},
        {"groups": ("tomatoes",)},
        {"remedy": " "},
    ],
)
def test_a_row_that_says_too_little_is_refused(wrong):
    assert list(reading._faults("RP-AA-001", control(**wrong)))
    assert list(reading._faults("RP-AAA-1", control()))
    assert not list(reading._faults("RP-AA-001", control()))
