"""A rolling upgrade under load, and the way back from a release that does not become healthy.

Part of script/test --lab. Every payment has its idempotency key and is sent again until somebody
acknowledges it; the client counts how often that was needed. RIZZPAY_LAB_SERIES=1 gives the
releases other numbers, for a lab that stands and has those of an earlier run.
"""

import json
import os
from dataclasses import asdict

import pytest

from tests.lab import drilling, upgrading
from tests.lab.cluster import Cluster
from tests.lab.lab import ROOT

pytestmark = pytest.mark.timeout(3600)

RESULTS = ROOT / "var" / "lab" / "upgrades.json"
SERIES = os.environ.get("RIZZPAY_LAB_SERIES", "0")
GOOD, SICK, BROKEN, REFUSED, LOCKED = (f"0.{minor}.{SERIES}" for minor in range(2, 7))
FAILS = "ALTER TABLE rizzpay.payments ADD COLUMN lab integer; SELECT 1 / 0"
WAITS = "ALTER TABLE rizzpay.payments ADD COLUMN lab integer"
# A report that somebody lets run: nobody may change the table until it is done.
READS = "BEGIN; SELECT FROM rizzpay.payments LIMIT 1; SELECT pg_sleep(600)"
COLUMNS = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'rizzpay.payments'::regclass"
READER = "lab-report"
END_READER = f"""
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{READER}'
"""
# Answers after which certainly nothing was done, so that the same request may come again.
CLEAN = ("503 ", "429 ", "409 idempotency_in_progress", "425 ", "408 ")


@pytest.fixture
def upgrade(desk, till, capsys):
    """A function that upgrades to a release, prints what it cost and keeps the figures."""

    def run(release):
        Cluster(desk.lab).wait_until_whole(drilling.WHOLE_S_MAX)
        done = upgrading.upgrade(desk, till, release)
        with capsys.disabled():
            print(f"\n{done.row()}")
        rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
        row = {name: value for name, value in asdict(done).items() if name != "said"}
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        kept = [one for one in rows if one["release"] != done.release]
        RESULTS.write_text(json.dumps([*kept, row], indent=2) + "\n")
        return done

    return run


def fails_nobody(done):
    """Assert that each payment was taken, each once, and that each repetition was a clean one."""
    assert not done.failed, done.row()
    assert (done.lost, done.doubled, done.imbalance) == (0, 0, 0), done.row()
    unclean = [what for what in done.retried if not what.startswith(CLEAN)]
    assert not unclean, done.row()


def test_an_upgrade_under_load_fails_no_payment(desk, upgrade):
    done = upgrade(upgrading.build(desk.lab, GOOD))
    assert done.succeeded, done.said[-4000:]
    assert upgrading.running(desk.lab) == {name: {GOOD} for name in desk.lab.hosts("apis")}
    fails_nobody(done)


def test_a_release_that_is_not_healthy_is_taken_back_from_every_host(desk, upgrade):
    sick = desk.lab.hosts("apis")[1]  # the first one has it already when the second says no
    done = upgrade(upgrading.build(desk.lab, SICK, upgrading.sick_on(sick)))
    assert not done.succeeded
    assert f"{SICK} did not become healthy on {sick}" in done.said, done.said[-4000:]
    assert upgrading.running(desk.lab) == {name: {GOOD} for name in desk.lab.hosts("apis")}
    fails_nobody(done)


def test_a_release_that_does_not_start_is_taken_back(desk, upgrade):
    done = upgrade(upgrading.build(desk.lab, BROKEN, upgrading.without_start))
    assert not done.succeeded
    assert f"{BROKEN} did not become healthy on" in done.said, done.said[-4000:]
    assert upgrading.running(desk.lab) == {name: {GOOD} for name in desk.lab.hosts("apis")}
    fails_nobody(done)


def test_a_release_whose_migration_fails_changes_nothing(desk, upgrade):
    before = Cluster(desk.lab).query(COLUMNS)
    done = upgrade(upgrading.build(desk.lab, REFUSED, upgrading.with_migration(FAILS)))
    refuses(desk, done, before)


def test_a_release_whose_migration_finds_no_lock_changes_nothing(desk, upgrade):
    cluster = Cluster(desk.lab)
    before, primary = cluster.query(COLUMNS), cluster.primary()
    release = upgrading.build(desk.lab, LOCKED, upgrading.with_migration(WAITS))
    database = f"dbname=rizzpay application_name={READER}"
    psql = ("runuser", "-u", "postgres", "--", "psql", "-X", "-d", database, "-c", READS)
    primary.run("systemd-run", "--quiet", "--collect", f"--unit={READER}", *psql)
    try:
        done = upgrade(release)
    finally:
        cluster.query(END_READER, primary)
    refuses(desk, done, before)


def refuses(desk, done, columns):
    """Assert that the database and every process are what they were, and that nobody noticed."""
    assert not done.succeeded
    assert f"every host runs {GOOD}" in done.said, done.said[-4000:]
    assert Cluster(desk.lab).query(COLUMNS) == columns
    assert upgrading.running(desk.lab) == {name: {GOOD} for name in desk.lab.hosts("apis")}
    fails_nobody(done)
