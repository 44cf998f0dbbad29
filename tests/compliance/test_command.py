"""`rizzpay compliance` as an operator and an auditor use it; the HSM is a real token."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from rizzpay.__main__ import main
from rizzpay.compliance import publishing, signing
from rizzpay.compliance.signing import Seal
from tests.compliance.samples import NOW, Place, Signer, made, published


@pytest.fixture
def rizzpay(hsm):
    """Run the command with the settings of this session."""
    config = Path(hsm.socket).parent / "rizzpay.toml"

    def run(*arguments, given=None):
        words = ["--config", str(config), "compliance", *map(str, arguments)]
        return CliRunner().invoke(main, words, input=given)

    return run


def told(result):
    return json.loads(result.stdout)


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    place.row("RP-AA-001").test("RP-AA-001")
    place.row("RP-AA-002").test("RP-AA-002", "assert host.run('false').succeeded, 'it is open'")
    return place


@pytest.fixture
def run_here(place, tmp_path, rizzpay):
    """Run the sample's controls on this machine."""

    def run(*arguments):
        own = ("-i", place.inventory, "--controls-from", place.directory, "--unsigned")
        return rizzpay("run", *own, "--output", tmp_path / "reports", *arguments)

    return run


def test_a_run_writes_a_report_and_says_what_failed(run_here, tmp_path):
    result = run_here("--json")
    assert result.exit_code == 1, result.output
    assert told(result)["open"] == [
        {"control": "RP-AA-002", "host": "here", "status": "failed", "reason": "it is open"}
    ]
    (kept,) = (tmp_path / "reports").iterdir()
    assert {file.name for file in kept.iterdir()} == set(publishing.FORMS)


def test_a_run_is_summed_up_on_the_terminal(run_here):
    result = run_here("--control", "RP-AA-001")
    assert result.exit_code == 0, result.output
    assert "1 controls on 1 hosts" in result.stdout
    assert "1 passed" in result.stdout


def test_a_waived_failure_lets_the_run_pass(run_here, tmp_path):
    waivers = tmp_path / "waivers.toml"
    day = f"{NOW.date().replace(year=NOW.year + 5)}"
    waivers.write_text(
        f'[[waivers]]\ncontrol = "RP-AA-002"\nhost = "here"\nuntil = {day}\n'
        'reason = "r"\napproved_by = "a"\n'
    )
    result = run_here("--waivers", waivers)
    assert result.exit_code == 2
    assert "lasts at most 366 days" in result.stderr


def test_an_unknown_control_or_inventory_is_wrong_use(run_here, rizzpay, tmp_path):
    assert run_here("--control", "RP-ZZ-999").exit_code == 2
    result = rizzpay("run", "-i", tmp_path / "none.yml", "--unsigned")
    assert (result.exit_code, "there is no inventory" in result.stderr) == (2, True)


def test_the_catalogue_is_listed_with_its_references(rizzpay):
    result = rizzpay("list")
    assert "RP-SSH-001    high      Nobody logs in as root over ssh" in result.stdout
    rows = told(rizzpay("list", "--json"))["controls"]
    assert rows["RP-SSH-001"]["refs"] == ["PCI DSS 4.0.1 8.2.2", "CIS Debian 12 5.1.20"]


def test_the_hsm_signs_a_report_that_then_verifies(rizzpay, tmp_path):
    sample = made()
    directory = publishing.write(sample, tmp_path)
    statement = publishing.statement(sample, directory, NOW)
    given = signing._ENCODER.encode(statement).decode()
    result = rizzpay("sign", "--json", given=given)
    assert result.exit_code == 0, result.output
    publishing.seal(directory, statement, Seal(**told(result)))
    pinned = told(rizzpay("public-key", "--json"))
    assert pinned["label"].startswith("sig-evidence-v")
    result = rizzpay("verify", directory, "--fingerprint", pinned["fingerprint"])
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("nothing was changed since\n")


def test_the_hsm_signs_no_other_text(rizzpay):
    result = rizzpay("sign", given='{"hash":"00","position":1}')
    assert result.exit_code == 1
    assert "this is no statement of a report" in result.stderr


def test_verification_needs_no_installation_and_names_what_is_wrong(tmp_path):
    directory = published(tmp_path, Signer())
    words = ["--config", "/nowhere", "compliance", "verify", str(directory)]
    assert CliRunner().invoke(main, words).exit_code == 0
    file = directory / "report.html"
    file.write_bytes(file.read_bytes().replace(b"open", b"shut"))
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 1
    assert "report.html was changed" in result.stderr
