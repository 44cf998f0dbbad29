"""The report's forms say the same, and the outside world can read them."""

import json
import secrets
from html.parser import HTMLParser

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import ValidationError
from trestle.oscal.assessment_results import Model

from rizzpay.compliance import oscal as assessment
from rizzpay.compliance import page, publishing, redaction, report
from rizzpay.compliance.model import Status
from rizzpay.core.errors import Misconfigured
from tests.compliance.samples import CATALOGUE, NOW, check, collected, made, waiver


class Reader(HTMLParser):
    """Walks a page as a reader's program does; complains of tags that do not close."""

    VOID = frozenset({"meta", "link", "br", "img", "input"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def read():
    reader = Reader()
    reader.feed(page.encode(made()).decode())
    assert reader.open == []
    return reader


def all_of(reader, tag):
    return [attributes for found, attributes in reader.tags if found == tag]


def test_the_json_form_is_read_back_as_it_was():
    sample = made()
    assert report.decode(report.encode(sample)) == sample
    assert sample.summary[Status.FAILED] == 1
    assert not sample.clean


def test_the_page_says_what_failed_and_what_to_do(read):
    for text in ("RP-AA-001 on n1: Doors are shut", "the door is open", "Shut the door", "FAILED"):
        assert text in read.text
    assert "n1 does not answer" in read.text
    assert "needs attestation" in read.text


def test_the_page_needs_nothing_from_elsewhere(read):
    for tag in ("script", "link", "img", "iframe"):
        assert all_of(read, tag) == []
    addresses = [value for _, found in read.tags for name, value in found.items() if name == "href"]
    assert addresses == ["#results"]


def test_what_a_host_printed_stays_text(read):
    assert "<script>alert(1)</script>" in read.text


def test_the_page_can_be_read_by_ear_and_printed(read):
    assert all_of(read, "html") == [{"lang": "en"}]
    assert len(all_of(read, "main")) == len(all_of(read, "h1")) == 1
    assert len(all_of(read, "caption")) == len(all_of(read, "table"))
    assert all(found.get("scope") in {"row", "col"} for found in all_of(read, "th"))
    assert {"id": "results"} in all_of(read, "section")
    assert "@media print" in page.STYLE


def test_the_page_names_each_verdict_in_words_and_not_by_colour_alone():
    assert set(page.WORDS) == set(page.ORDER) == set(Status)


def as_trestle_reads_it(document):
    """Return the report as trestle's models of OSCAL 1.2 have it, which refuse what is none.

    They take 1.2 alone. Its assessment results are those of 1.1.3 and more, so all that is
    changed is the number.
    """
    metadata = document["assessment-results"]["metadata"]
    assert metadata["oscal-version"] == "1.1.3"
    changed = {**document["assessment-results"], "metadata": {**metadata, "oscal-version": "1.2.1"}}
    return Model.model_validate({"assessment-results": changed}).assessment_results


def test_the_oscal_form_is_valid_assessment_results():
    document = json.loads(assessment.encode(made()))
    (result,) = as_trestle_reads_it(document).results
    assert len(result.findings) == len(CATALOGUE)
    assert {finding.target.status.state.value for finding in result.findings} == {
        "satisfied",
        "not-satisfied",
    }


@pytest.mark.parametrize("missing", ["uuid", "title", "target"])
def test_a_broken_oscal_form_would_be_found(missing):
    broken = json.loads(assessment.encode(made()))
    del broken["assessment-results"]["results"][0]["findings"][0][missing]
    with pytest.raises(ValidationError):
        as_trestle_reads_it(broken)


def test_the_oscal_form_satisfies_only_what_was_shown():
    (result,) = assessment.document(made())["assessment-results"]["results"]
    states = {
        finding["target"]["target-id"]: finding["target"]["status"]["state"]
        for finding in result["findings"]
    }
    assert states == {
        "rp-aa-001": "not-satisfied",
        "rp-aa-002": "satisfied",
        "rp-aa-003": "satisfied",
        "rp-aa-004": "not-satisfied",
        "rp-aa-005": "not-satisfied",
    }


def test_the_same_report_gives_the_same_oscal_form():
    assert assessment.encode(made()) == assessment.encode(made())


def test_a_waived_failure_keeps_the_report_clean_and_shows():
    found = collected(
        check("RP-AA-001", Status.FAILED, "open"), check("RP-AA-002"), check("RP-AA-005")
    )
    sample = report.build(found, CATALOGUE, (waiver(),), NOW, "hosts.yml")
    assert sample.clean
    assert b"waived until 2026-12-31 by R. Iyer" in page.encode(sample)


def test_a_report_is_compared_with_the_newest_before(tmp_path):
    publishing.write(made(), tmp_path)
    before = publishing.newest(tmp_path)
    good = collected(check("RP-AA-001"), check("RP-AA-002"), check("RP-AA-005"))
    after = report.compare(report.build(good, CATALOGUE, (), NOW, "hosts.yml"), before)
    assert [(one.control, one.before, one.after) for one in after.compared.changed] == [
        ("RP-AA-001", "failed", "passed"),
        ("RP-AA-005", "error", "passed"),
    ]
    assert publishing.newest(tmp_path / "empty") is None


def test_no_report_is_written_over_another(tmp_path):
    publishing.write(made(), tmp_path)
    with pytest.raises(Misconfigured, match="already"):
        publishing.write(made(), tmp_path)


def test_a_report_of_another_format_is_refused():
    with pytest.raises(msgspec.ValidationError):
        report.decode(b'{"format":"rizzpay-compliance-report-v9"}')


def private_key() -> str:
    """Return a key that was made just now."""
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        .decode()
    )


@pytest.mark.parametrize(
    ("printed", "kept"),
    [
        ("requirepass {}", "requirepass [hidden]"),
        ('password = "{}"', "password = [hidden]"),
        ("root:$y$j9T${0}${0}:1:2", "root:[hidden]:1:2"),
        ("repo1-cipher-pass={}", "repo1-cipher-pass=[hidden]"),
        ("SCRAM-SHA-256$4096:{0}$d:e", "[hidden]"),
        ("card 4111 1111 1111 1111", "card [card]"),
    ],
)
def test_a_secret_does_not_become_evidence(printed, kept):
    assert redaction.excerpt(printed.format(secrets.token_hex(8)).encode()) == kept


def test_a_private_key_does_not_become_evidence():
    assert redaction.excerpt(f"{private_key()}x".encode()) == "[hidden]\nx"


@pytest.mark.parametrize(
    "printed",
    ["passwordauthentication no", "password_encryption = scram-sha-256", "hmac-sha2-256-etm@x.org"],
)
def test_a_setting_about_secrets_stays_readable(printed):
    assert redaction.excerpt(printed.encode()) == printed


def test_an_excerpt_is_short():
    assert len(redaction.excerpt(b"x" * 10_000)) == redaction.EXCERPT_MAX + 1
