"""`script/test --chaos`: thousands of payments through bad weather, and every rupee counted after.

Five gateways, each behind a storm, tell us of what they did by bad post. RIZZPAY_CHAOS_SEED
repeats a run, RIZZPAY_CHAOS_PAYMENTS makes it shorter. The result is in var/chaos.json.
"""

import os
import secrets
import time

import pytest

from rizzpay import config
from rizzpay.infra.database import Database, Role
from tests.architecture.queries import ROOT
from tests.chaos import accounts, town
from tests.chaos.crowd import Crowd, plan

PAYMENTS = int(os.environ.get("RIZZPAY_CHAOS_PAYMENTS", "10000"))
SEED = int(os.environ.get("RIZZPAY_CHAOS_SEED") or secrets.randbelow(10**6))
SETTLE_S = 600.0

pytestmark = pytest.mark.timeout(3600)


def test_every_rupee_is_accounted_for(tmp_path, capsys):
    plans = [plan(SEED, number) for number in range(PAYMENTS)]
    with capsys.disabled():
        print(f"\nseed {SEED}, {PAYMENTS} payments")
    with town.built(tmp_path, SEED, plans) as place:
        crowd = Crowd(place.merchants, place.sides, late_s=town.EXPIRY_S + 5)
        began_s = time.monotonic()
        crowd.run(plans)
        database = Database(
            config.load(place.appliance.data / "rizzpay.toml").database, Role.WORKER, size=2
        )
        wait_until_settled(database, place.post)
        verdict = accounts.settle(database, place.sides, list(crowd.payments.values()))
        database.close()
    verdict.seed = SEED
    verdict.notes += crowd.faults
    verdict.faults = place.faults()
    verdict.callbacks = dict(place.post.brought)
    verdict.write(ROOT / "var" / "chaos.json")
    with capsys.disabled():
        print(f"{time.monotonic() - began_s:.0f} s: {verdict}")
    assert verdict.payments == PAYMENTS
    assert verdict.is_clean, "\n".join(verdict.notes[:50])


def wait_until_settled(database, post):
    """Wait until nothing is under way: no letter, no open payment, refund or callback."""
    end = time.monotonic() + SETTLE_S
    while post.waiting or any(accounts.open_now(database)):
        if time.monotonic() > end:
            return  # the verdict counts what is still open
        time.sleep(1)
