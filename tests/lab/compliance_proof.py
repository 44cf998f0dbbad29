"""The controls of the compliance report on an installed lab, and each of them on a broken host.

Part of script/test --lab. The report is made, signed and verified as docs/audit.md says; then the
seeded misconfigurations are tried on the machine that has the virtual address.
"""

import json

import pytest

from tests.lab import drilling
from tests.lab.cluster import Cluster
from tests.lab.lab import ROOT

pytestmark = pytest.mark.timeout(3600)

RIZZPAY = "/usr/local/sbin/rizzpay"


@pytest.fixture(scope="module")
def site(lab, desk):
    """A whole site with a backup of this day, for its age is a control."""
    Cluster(lab).wait_until_whole(drilling.WHOLE_S_MAX)
    desk.play("playbooks/backup.yml", "-e", "backup_type=full")
    return desk


def test_every_control_passes_and_the_report_convinces_a_stranger(lab, site, capsys):
    reports = lab.directory / "reports"
    made = site.attempt("rizzpay", "compliance", "run", "--json", "-i", site.inventory,
                        "--output", reports)  # fmt: skip
    assert made.stdout, made.stderr
    told = json.loads(made.stdout)
    with capsys.disabled():
        print(f"\n{told['summary']}")
    assert told["clean"], told["open"]
    assert made.returncode == 0
    assert told["summary"]["passed"] > len(lab.machines)

    host = lab.machines[lab.hosts("apis")[0]]
    known = json.loads(host.run(RIZZPAY, "compliance", "public-key", "--json"))
    verify = ("unshare", "--net", "rizzpay", "compliance", "verify", told["report"],
              "--fingerprint", known["fingerprint"])  # fmt: skip
    verified = site.attempt(*verify)
    assert verified.returncode == 0, verified.stderr
    assert "nothing was changed since" in verified.stdout
    stranger = site.attempt(*verify[:-1], "0" * len(known["fingerprint"]))
    assert stranger.returncode == 1, stranger.stdout
    page = reports / told["report"].rpartition("/")[2] / "report.html"
    page.write_text(page.read_text().replace("passed", "failed", 1))
    changed = site.attempt(*verify)
    assert changed.returncode == 1, changed.stdout
    assert "report.html" in changed.stderr


def test_every_seeded_misconfiguration_is_caught_by_its_control(lab, site, capsys):
    cluster = Cluster(lab)
    holder = cluster.holder()
    assert holder is not None
    cluster.lead(holder)  # roles and rights are changed where writes are taken
    broken = site.attempt(
        "env", f"RIZZPAY_BREAK_SITE={site.inventory}", f"RIZZPAY_BREAK_HOST={holder.name}",
        f"PYTHONPATH={ROOT}", "python", "-m", "pytest", "-q", "-c", ROOT / "pyproject.toml",
        ROOT / "tests" / "compliance" / "breaking_proof.py",
    )  # fmt: skip
    with capsys.disabled():
        print(f"\n{broken.stdout[-600:]}")
    assert broken.returncode == 0, broken.stdout[-6000:] + broken.stderr[-2000:]
