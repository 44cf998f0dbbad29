"""A changed byte is refused, wherever it is; the report verifies without us."""

import shutil

import pytest

from rizzpay.compliance import signing
from rizzpay.compliance.signing import ReportRefused
from tests.compliance.samples import Signer, made, published


@pytest.fixture(scope="module")
def signer():
    return Signer()


@pytest.fixture
def place(tmp_path, signer):
    return published(tmp_path, signer)


def code_of(place, pinned="") -> str:
    try:
        signing.verify(place, pinned)
    except ReportRefused as refused:
        return refused.code
    return "good"


def test_a_report_as_it_was_written_is_good(place):
    signed = signing.verify(place)
    assert signed.statement.report == made().id
    names = {"report.json", "report.html", "oscal-assessment-results.json"}
    assert set(signed.statement.files) == names


def test_every_changed_byte_of_the_signature_is_refused(place):
    file = place / signing.SIGNATURE
    raw = file.read_bytes()
    for position in range(len(raw)):
        for bit in (0x01, 0x20):  # 0x20 makes a small letter large
            changed = bytearray(raw)
            changed[position] ^= bit
            file.write_bytes(changed)
            assert code_of(place) == "report_altered", f"byte {position}"
    file.write_bytes(raw + b"\n")
    assert code_of(place) == "report_altered"


@pytest.mark.parametrize("name", ["report.json", "report.html", "oscal-assessment-results.json"])
def test_a_changed_byte_of_a_form_is_refused_by_name(place, name):
    raw = bytearray((place / name).read_bytes())
    raw[len(raw) // 2] ^= 1
    (place / name).write_bytes(raw)
    with pytest.raises(ReportRefused, match=f"{name} was changed"):
        signing.verify(place)


def test_a_missing_and_an_added_file_are_refused(place):
    (place / "note.txt").write_text("all is well")
    with pytest.raises(ReportRefused, match=r"note\.txt was added"):
        signing.verify(place)
    (place / "note.txt").unlink()
    (place / "report.html").unlink()
    with pytest.raises(ReportRefused, match=r"report\.html is missing"):
        signing.verify(place)


def test_a_link_in_a_report_is_refused(place):
    (place / "report.html").rename(place.parent / "elsewhere")
    (place / "report.html").symlink_to(place.parent / "elsewhere")
    assert code_of(place) == "report_altered"


def test_an_unsigned_report_is_refused(place):
    (place / signing.SIGNATURE).unlink()
    assert code_of(place) == "report_unsigned"


def test_a_report_signed_by_another_key_is_refused_when_ours_is_pinned(place, tmp_path, signer):
    pinned = signing.fingerprint(signing.verify(place).seal)
    assert code_of(place, pinned) == "good"
    spaced = ":".join(pinned[at : at + 2] for at in range(0, 64, 2)).upper()
    assert code_of(place, spaced) == "good"
    shutil.rmtree(place)
    forged = published(tmp_path, Signer())
    assert code_of(forged) == "good"
    assert code_of(forged, pinned) == "wrong_key"
    assert code_of(forged, "abc") == "not_a_fingerprint"


def test_a_signature_means_a_report_and_nothing_else(place):
    signed = signing.verify(place)
    message = signing.message(signed.statement, signed.seal.key_label)
    assert message.startswith(b"rizzpay-compliance-report-v1\nsig-evidence-v1\n{")


@pytest.mark.parametrize("text", ["", "{}", '{"format":"rizzpay-audit-checkpoint-v1"}', "[1]"])
def test_what_is_no_statement_is_not_signed(text):
    with pytest.raises(ReportRefused):
        signing.read_statement(text)


def test_a_statement_names_digests(place):
    raw = signing._ENCODER.encode(signing.verify(place).statement)
    assert signing.read_statement(raw).report == made().id
    with pytest.raises(ReportRefused):
        signing.read_statement(raw.replace(b'"report.json":"', b'"report.json":"x'))
