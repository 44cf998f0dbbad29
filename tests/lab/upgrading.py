"""Upgrades an installed lab while somebody pays, and counts what the merchant met."""

import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.books import IMBALANCE, PAYMENTS, Row, judge
from tests.lab.client import Outcome, acknowledged, longest_silence_s
from tests.lab.cluster import Cluster
from tests.lab.commands import run
from tests.lab.desk import Desk
from tests.lab.lab import PYTHON, ROOT, Lab
from tests.lab.till import Till
from tests.lab.waiting import wait_until

PER_SECOND = 10.0  # of all machines on one computer with two cores
CALM_S = 5.0
WARM_S_MAX = 60.0
# What a release says of itself that never becomes ready, on one host of the site.
SICK = """        if __import__("socket").gethostname() == "{host}":
            return ReadyObject(status="unavailable", checks={{}}, gateways={{}})
"""
LOOK = """        with self._looking:
            if self._seen is None"""
WITH_SQL = """-- {name}
-- why:   the lab's, to be refused
-- locks: of rizzpay.payments, if it is told so
-- proof: none
{sql};
"""
Spoil = Callable[[Path], None]


def sick_on(host: str) -> Spoil:
    """Spoil a release: on one host it never becomes ready."""

    def spoil(source: Path) -> None:
        file = source / "rizzpay" / "api" / "readiness.py"
        text = file.read_text()
        if LOOK not in text:
            raise LookupError(f"{file} has changed: nothing to make sick")
        file.write_text(text.replace(LOOK, SICK.format(host=host) + LOOK))

    return spoil


def without_start(source: Path) -> None:
    """Spoil a release: its API processes end with an ImportError."""
    file = source / "rizzpay" / "wsgi.py"
    file.write_text(file.read_text() + "\nimport a_module_that_is_not_there\n")


def with_migration(sql: str) -> Spoil:
    """Spoil a release: it brings a migration that the site's database does not take."""

    def spoil(source: Path) -> None:
        name = "9999_lab"
        file = source / "sql" / "migrations" / f"{name}.sql"
        file.write_text(WITH_SQL.format(name=name, sql=sql))

    return spoil


@dataclass(frozen=True)
class Upgrade:
    """What became of an upgrade, and of the payments meanwhile."""

    release: str
    succeeded: bool
    said: str
    took_s: float
    acknowledged: int
    failed: list[str]
    retried: dict[str, int]
    lost: int
    doubled: int
    imbalance: int
    silence_s: float

    def row(self) -> str:
        """Return it for people."""
        return (
            f"upgrade to {self.release}: {'done' if self.succeeded else 'refused'} in"
            f" {self.took_s:.0f} s; acknowledged {self.acknowledged}, failed {len(self.failed)},"
            f" lost {self.lost}, doubled {self.doubled}, imbalance {self.imbalance}, longest"
            f" silence {self.silence_s:.2f} s, sent again {self.retried or 'none'}"
        )


def build(lab: Lab, version: str, spoil: Spoil | None = None) -> Path:
    """Build a release of this checkout, or of a copy of it that was spoilt."""
    directory = lab.directory / "release" / version
    source = ROOT
    if spoil is not None:
        source = lab.directory / "spoilt"
        shutil.rmtree(source, ignore_errors=True)
        for name in ("rizzpay", "appliance", "capacity", "sql", "hsm"):
            shutil.copytree(ROOT / name, source / name)
        for name in ("pyproject.toml", "README.md", "LICENSE", "requirements-appliance.lock"):
            shutil.copy(ROOT / name, source)
        spoil(source)
    module = ("-m", "appliance.release.build", directory, "--version", version)
    run(sys.executable, *module, "--python", PYTHON, cwd=source)
    return directory


def upgrade(desk: Desk, till: Till, release: Path) -> Upgrade:
    """Bring the site to a release while somebody pays."""
    paying = till.pay(f"upgrade-{release.name}", PER_SECOND)
    started = 0.0
    try:
        wait_until(lambda: len(acknowledged(paying.noted())) >= PER_SECOND * CALM_S,
                   "the first payments", timeout_s=WARM_S_MAX)  # fmt: skip
        started = time.monotonic()
        done = desk.attempt(
            "ansible-playbook", "-i", desk.inventory, "playbooks/upgrade.yml",
            "-e", f"rizzpay_release={release.name}", "-e", f"rizzpay_release_dir={release}",
        )  # fmt: skip
        took_s = time.monotonic() - started
        count = len(acknowledged(paying.noted())) + int(PER_SECOND * CALM_S)
        wait_until(lambda: len(acknowledged(paying.noted())) >= count,
                   "payments after it", timeout_s=WARM_S_MAX)  # fmt: skip
    finally:
        outcomes = paying.stop()
    judged = _judged(Cluster(desk.lab), outcomes)
    return Upgrade(release.name, done.returncode == 0, done.stdout, took_s, **judged)


def _judged(cluster: Cluster, outcomes: list[Outcome]) -> dict[str, Any]:
    """Return the figures of the payments by their names in `Upgrade`."""
    prefix = outcomes[0].key.rpartition("-")[0]
    rows = [
        Row(reference, payment_id, status, int(captured))
        for reference, payment_id, status, captured in cluster.query(PAYMENTS.format(prefix=prefix))
    ]
    verdict = judge(outcomes, rows)
    good = {one.key for one in acknowledged(outcomes)}
    retried: dict[str, int] = {}
    for one in outcomes:
        for trouble, count in one.troubles.items():
            retried[trouble] = retried.get(trouble, 0) + count
    return {
        "acknowledged": verdict.acknowledged,
        "failed": [f"{one.status} {one.state}" for one in outcomes if one.key not in good],
        "retried": retried,
        "lost": len(verdict.lost),
        "doubled": len(verdict.doubled),
        "imbalance": len(cluster.query(IMBALANCE.format(prefix=prefix))),
        "silence_s": longest_silence_s(outcomes),
    }


def running(lab: Lab) -> dict[str, set[str]]:
    """Return the releases whose code the service's processes hold, by host."""
    look = "cat /proc/[0-9]*/maps 2>/dev/null | grep -oE '/opt/rizzpay/releases/[^/]+' | sort -u"
    found = {}
    for name in lab.hosts("apis"):
        said = lab.machines[name].shell(look)
        found[name] = {line.rpartition("/")[2] for line in said.splitlines()}
    return found
