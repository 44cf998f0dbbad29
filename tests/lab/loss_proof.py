"""All database hosts lose their data; the site is brought back to a point in time from its backup.

Part of script/test --lab, the last of its proofs. The ledger and every account have to be what they
were at that moment, and a payment of later has to be gone.
"""

import json
import time

import pytest

from tests.lab import drilling
from tests.lab.client import acknowledged
from tests.lab.cluster import Cluster
from tests.lab.lab import ANSIBLE
from tests.lab.machine import DATA
from tests.lab.waiting import wait_until

pytestmark = pytest.mark.timeout(3600)

STATE = (ANSIBLE / "playbooks" / "files" / "state.sql").read_text()
PER_SECOND, PAYMENTS = 10.0, 50
MOMENT = "SELECT to_char(clock_timestamp(), 'YYYY-MM-DD HH24:MI:SS.US') || '+00'"
ARCHIVED = "SELECT coalesce(last_archived_wal, '') >= '{wal}' FROM pg_stat_archiver"


def money(cluster):
    """Return what the books say: digests of all transfers and of all accounts."""
    state = json.loads("".join(row[0] for row in cluster.query(STATE)))
    return state["ledger"], state["accounts"]


def settled(cluster):
    """Return what the books say when nothing more changes them."""
    seen = []

    def is_settled():
        seen.append(money(cluster))
        time.sleep(2)
        return len(seen) > 1 and seen[-1] == seen[-2]

    wait_until(is_settled, "the books to be settled", timeout_s=120)
    return seen[-1]


def pay(till, name):
    """Let the merchant pay for a while; return how many payments were acknowledged."""
    paying = till.pay(name, PER_SECOND)
    try:
        wait_until(lambda: len(acknowledged(paying.noted())) >= PAYMENTS,
                   "payments", timeout_s=60)  # fmt: skip
    finally:
        outcomes = paying.stop()
    return len(acknowledged(outcomes))


def test_a_site_that_lost_every_database_is_as_it_was_at_a_point_in_time(lab, desk, till, capsys):
    cluster = Cluster(lab)
    cluster.wait_until_whole(drilling.WHOLE_S_MAX)
    desk.play("playbooks/backup.yml", "-e", "backup_type=full")
    before = pay(till, "before")
    books = settled(cluster)
    [[moment]] = cluster.query(MOMENT)
    after = pay(till, "after")
    assert settled(cluster) != books
    [[wal]] = cluster.query("SELECT pg_walfile_name(pg_switch_wal())")
    wait_until(lambda: cluster.query(ARCHIVED.format(wal=wal)) == [["t"]],
               "the log to be archived", timeout_s=120)  # fmt: skip

    for machine in [lab.machines[name] for name in lab.hosts("databases")]:
        machine.shell(f"systemctl stop patroni; pkill -9 -x postgres; rm -rf /{DATA}/*/rizzpay")
    started = time.monotonic()
    desk.play("playbooks/restore.yml", "-e", json.dumps({"restore_target": moment}))
    cluster.wait_until_whole(drilling.WHOLE_S_MAX)
    took_s = time.monotonic() - started

    assert settled(cluster) == books
    assert pay(till, "again") >= PAYMENTS
    with capsys.disabled():
        print(f"\nrestored to {moment} in {took_s:.0f} s, {before} payments before it kept,"
              f" {after} of after it gone; ledger {books[0]}")  # fmt: skip
