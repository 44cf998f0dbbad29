"""The books on a real PostgreSQL: sums, resolution exactly once, no deadlock, proof."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier

import psycopg
import pytest

from rizzpay.ledger import model, service, store
from rizzpay.ledger.model import (
    FEES,
    MERCHANT_PENDING,
    REFUNDS,
    LedgerRefused,
    Phase,
    Reason,
)
from tests.store.books import GATEWAY, record, refusal, resolve, sums_of, transfer
from tests.store.people import NOON, new_id, new_tenant


def test_a_posted_transfer_debits_one_account_and_credits_the_other(app):
    tenant = new_tenant()
    record(app, transfer(tenant, amount=70), transfer(tenant, amount=30))
    assert sums_of(app, tenant) == {
        ("INR", GATEWAY): (100, 0, 0, 0),
        ("INR", MERCHANT_PENDING): (0, 100, 0, 0),
    }


def test_a_hold_counts_as_pending_until_it_is_posted_for_less(app):
    tenant = new_tenant()
    hold = transfer(tenant, Phase.PENDING)
    record(app, hold)
    assert sums_of(app, tenant)[("INR", GATEWAY)] == (0, 0, 100, 0)
    record(app, resolve(hold, amount=60))
    assert sums_of(app, tenant) == {
        ("INR", GATEWAY): (60, 0, 0, 0),
        ("INR", MERCHANT_PENDING): (0, 60, 0, 0),
    }


def test_a_void_gives_the_hold_back(app):
    tenant = new_tenant()
    hold = transfer(tenant, Phase.PENDING)
    record(app, hold)
    record(app, resolve(hold, Phase.VOID))
    assert set(sums_of(app, tenant).values()) == {(0, 0, 0, 0)}


def test_a_hold_and_its_post_may_come_in_one_batch(app):
    tenant = new_tenant()
    hold = transfer(tenant, Phase.PENDING)
    record(app, resolve(hold, amount=1), hold)
    assert sums_of(app, tenant)[("INR", GATEWAY)] == (1, 0, 0, 0)
    assert refusal(app, resolve(hold)) is Reason.PENDING_TRANSFER_ALREADY_POSTED


def test_a_batch_may_hold_transfers_of_several_merchants_and_currencies(app):
    tenants = sorted(new_tenant() for _ in range(5))
    record(
        app,
        *(transfer(one) for one in reversed(tenants)),
        *(transfer(one, currency="JPY") for one in tenants),
    )
    for one in tenants:
        assert set(sums_of(app, one)) == {
            (currency, name) for currency in ("INR", "JPY") for name in (GATEWAY, MERCHANT_PENDING)
        }


@pytest.mark.parametrize("first", [Phase.POST, Phase.VOID])
@pytest.mark.parametrize("second", [Phase.POST, Phase.VOID])
def test_a_resolved_transfer_is_never_resolved_again(app, first, second):
    tenant = new_tenant()
    hold = transfer(tenant, Phase.PENDING)
    record(app, hold)
    record(app, resolve(hold, first))
    before = sums_of(app, tenant)
    assert refusal(app, resolve(hold, second)) is model.already_resolved(first)
    assert sums_of(app, tenant) == before


def test_a_post_above_the_hold_is_refused_and_changes_nothing(app):
    tenant = new_tenant()
    hold = transfer(tenant, Phase.PENDING)
    record(app, hold)
    over = resolve(hold, amount=101)
    assert refusal(app, transfer(tenant), over) is Reason.EXCEEDS_PENDING_TRANSFER_AMOUNT
    assert sums_of(app, tenant)[("INR", GATEWAY)] == (0, 0, 100, 0)


def test_an_unknown_and_a_foreign_hold_are_the_same_to_a_merchant(app, worker):
    ours, theirs = new_tenant(), new_tenant()
    hold = transfer(theirs, Phase.PENDING)
    record(app, hold)
    assert refusal(app, resolve(transfer(ours))) is Reason.PENDING_TRANSFER_NOT_FOUND
    stolen = resolve(hold, tenant=ours)
    assert refusal(app, stolen) is Reason.PENDING_TRANSFER_NOT_FOUND
    assert refusal(worker, stolen) is Reason.PENDING_TRANSFER_NOT_FOUND


def test_a_transfer_that_exists_is_not_recorded_again(app):
    tenant = new_tenant()
    one = transfer(tenant)
    record(app, one)
    with pytest.raises(psycopg.errors.UniqueViolation):
        record(app, one)
    assert sums_of(app, tenant)[("INR", GATEWAY)] == (100, 0, 0, 0)


def test_transfers_of_a_payment_come_back_oldest_first_and_whole(app):
    tenant, payment = new_tenant(), new_id("payment")
    hold = transfer(tenant, Phase.PENDING, payment_id=payment)
    post = resolve(hold, amount=5, created_at=NOON + timedelta(seconds=1), refund_id="rfnd_1")
    record(app, post, hold, transfer(tenant))
    with app.transaction(tenant) as conn:
        assert service.transfers_of(conn, payment) == [hold, post]


def test_an_empty_batch_is_nothing(app):
    with app.transaction() as conn:
        service.record(conn, [])


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 101},
        {"amount": 99, "phase": Phase.VOID},
        {"currency": "USD"},
        {"debit": FEES},
        {"credit": FEES},
        {"pending_id": "trf_00000000000000000000000000"},
    ],
)
def test_the_database_refuses_a_resolution_that_does_not_fit_whoever_asks(app, worker, change):
    tenant = new_tenant()
    hold = transfer(tenant, Phase.PENDING)
    record(app, hold)
    for database in (app, worker):
        with pytest.raises(psycopg.errors.IntegrityError), database.transaction(tenant) as conn:
            store.insert_transfers(conn, [replace(resolve(hold), **change)])


def test_the_database_refuses_to_resolve_the_hold_of_another_merchant(app, worker):
    ours, theirs = new_tenant(), new_tenant()
    hold = transfer(theirs, Phase.PENDING)
    record(app, hold)
    for database in (app, worker):
        with (
            pytest.raises(psycopg.errors.CheckViolation),
            database.transaction(ours, theirs) as conn,
        ):
            store.insert_transfers(conn, [resolve(hold, tenant=ours)])


def test_transfers_cannot_be_changed_or_removed(worker):
    for statement in (
        "UPDATE rizzpay.ledger_transfers SET amount = 1",
        "DELETE FROM rizzpay.ledger_transfers",
    ):
        with pytest.raises(psycopg.Error), worker.transaction() as conn:
            conn.execute(statement)


def test_of_many_concurrent_resolutions_exactly_one_wins(app):
    tenant = new_tenant()
    hold = transfer(tenant, Phase.PENDING)
    record(app, hold)
    start = Barrier(12)

    def attempt(number):
        one = resolve(hold, Phase.VOID if number % 2 else Phase.POST)
        start.wait()
        try:
            record(app, one)
        except LedgerRefused as error:
            return error.reason
        return one.phase

    with ThreadPoolExecutor(12) as threads:
        results = list(threads.map(attempt, range(12)))
    winners = [result for result in results if isinstance(result, Phase)]
    assert len(winners) == 1
    assert {result for result in results if isinstance(result, Reason)} == {
        model.already_resolved(winners[0])
    }
    posted = 100 if winners[0] is Phase.POST else 0
    assert sums_of(app, tenant)[("INR", GATEWAY)] == (posted, 0, 0, 0)


def test_a_resolution_that_is_rolled_back_leaves_the_hold_to_the_one_that_waits(app):
    tenant = new_tenant()
    hold = transfer(tenant, Phase.PENDING)
    record(app, hold)
    with ThreadPoolExecutor(1) as thread:
        with app.transaction(tenant) as conn:
            service.record(conn, [resolve(hold, Phase.VOID)])
            waiting = thread.submit(record, app, resolve(hold))
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.2)
            conn.rollback()
        waiting.result(timeout=10)
    assert sums_of(app, tenant)[("INR", GATEWAY)] == (100, 0, 0, 0)


def test_batches_that_touch_the_same_accounts_in_opposite_order_do_not_deadlock(app, worker):
    """New accounts, existing accounts and resolutions of the same holds, mixed."""
    tenants = [new_tenant() for _ in range(6)]
    holds = [transfer(one, Phase.PENDING, amount=10) for one in tenants]
    record(app, *holds)
    start = Barrier(8)

    def batch(number):
        order = tenants if number % 2 else list(reversed(tenants))
        start.wait()
        refused = 0
        for turn in range(12):
            moves = [transfer(one, amount=1) for one in order]
            moves += [transfer(one, amount=1, debit=REFUNDS, credit=FEES) for one in order[turn:]]
            record(app, *moves)
            try:
                record(app, *(resolve(one) for one in (holds if number % 2 else holds[::-1])))
            except LedgerRefused:
                refused += 1
        return refused

    with ThreadPoolExecutor(8) as threads:
        refused = sum(threads.map(batch, range(8)))
    assert refused == 8 * 12 - 1  # the holds were posted once, by one of them
    for one in tenants:
        assert sums_of(app, one)[("INR", GATEWAY)] == (8 * 12 + 10, 0, 0, 0)
    with worker.transaction() as conn:
        assert model.all_zero(service.prove(conn))


def test_batches_that_resolve_the_same_holds_in_opposite_order_do_not_deadlock(app):
    tenant = new_tenant()
    for _ in range(5):
        holds = [transfer(tenant, Phase.PENDING, amount=1) for _ in range(150)]
        record(app, *holds)
        start = Barrier(4)

        def batch(number, holds=holds, start=start):
            mine = [resolve(one) for one in (holds if number % 2 else holds[::-1])]
            start.wait()
            try:
                record(app, *mine)
            except LedgerRefused as error:
                return error.reason
            return None

        with ThreadPoolExecutor(4) as threads:
            results = list(threads.map(batch, range(4)))
        assert results.count(None) == 1
        assert results.count(Reason.PENDING_TRANSFER_ALREADY_POSTED) == 3


def test_the_proof_finds_an_account_that_was_changed_by_hand(worker):
    tenant = new_tenant()
    record(worker, transfer(tenant, currency="SGD"))
    with worker.transaction() as conn:
        conn.execute(
            "UPDATE rizzpay.ledger_accounts SET credits_posted = credits_posted + 1"
            " WHERE merchant_id = %s AND name = %s",
            (tenant.merchant_id, MERCHANT_PENDING),
        )
        (found,) = [one for one in service.prove(conn) if one.currency == "SGD"]
        assert (found.posted, found.drifted_accounts) == (-1, 1)
        assert not found.is_zero
        conn.rollback()


def test_the_proof_under_a_merchants_rights_covers_only_that_merchant(app):
    ours, theirs = new_tenant(), new_tenant()
    record(app, transfer(theirs, currency="AED"))
    record(app, transfer(ours, currency="KWD"))
    with app.transaction(ours) as conn:
        assert [one.currency for one in service.prove(conn)] == ["KWD"]
