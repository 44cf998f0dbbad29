"""Where reports are kept: a directory each, named after its moment, sealed by `signature.json`."""

from datetime import datetime
from pathlib import Path

import msgspec

from rizzpay.compliance import oscal, page, report, signing
from rizzpay.compliance.report import Report
from rizzpay.compliance.signing import Seal, Signed, Statement
from rizzpay.core.errors import Misconfigured

REPORT = "report.json"
FORMS = {
    REPORT: report.encode,
    "report.html": page.encode,
    "oscal-assessment-results.json": oscal.encode,
}


def write(made: Report, output: Path) -> Path:
    """Write every form of a report into a directory of its own and return it."""
    place = output / made.id
    try:
        place.mkdir(mode=0o750, parents=True)
    except FileExistsError:
        raise Misconfigured(f"there is a report {place} already") from None
    except OSError as error:
        raise Misconfigured(f"{output}: {error.strerror}") from None
    for name, encode in FORMS.items():
        (place / name).write_bytes(encode(made))
    return place


def statement(made: Report, place: Path, now: datetime) -> Statement:
    """Return what has to be signed: the files of a report, as they are on the disk."""
    return Statement(
        format="rizzpay-compliance-report-v1",
        report=made.id,
        clean=made.clean,
        signed_at=f"{now:%Y-%m-%dT%H:%M:%SZ}",
        files=signing.digests(place),
    )


def seal(place: Path, stated: Statement, given: Seal) -> None:
    """Put a signature beside the report, if it holds; raises ReportRefused."""
    (place / signing.SIGNATURE).write_bytes(signing.encode(Signed(stated, given)))
    signing.verify(place)


def newest(output: Path) -> Report | None:
    """Return the newest report that was kept here, None when there is none.

    One that is signed has to verify; raises ReportRefused when it does not.
    """
    kept = sorted(path.parent for path in output.glob(f"*/{REPORT}"))
    if not kept:
        return None
    if (kept[-1] / signing.SIGNATURE).exists():
        signing.verify(kept[-1])
    try:
        return report.decode((kept[-1] / REPORT).read_bytes())
    except msgspec.DecodeError as error:
        raise Misconfigured(f"{kept[-1] / REPORT} is no report: {error}") from None
