"""The database refuses every move of a payment that the table of moves does not have."""

from itertools import product

import psycopg
import pytest

from rizzpay.core import clock, ids
from rizzpay.payments.states import PAYMENTS, Status
from tests.store.people import new_tenant

LEGAL = {(before, after) for (before, _), after in PAYMENTS.table.items() if before is not after}
INSERT = """
INSERT INTO rizzpay.payments (id, merchant_id, livemode, status, amount, currency, capture_method,
                              method, gateway, fee_basis_points, gst_basis_points,
                              late_authorization, version, created_at, updated_at)
VALUES (%s, %s, false, %s, 100, 'INR', 'automatic', '{}', 'sandbox', 0, 0, 'capture', 1, now(),
        now())
"""
MOVE = "UPDATE rizzpay.payments SET status = %s, version = version + 1 WHERE id = %s"


@pytest.fixture
def payments(worker):
    """A payment in each status; returns their ids."""
    tenant = new_tenant()
    made = {status: ids.new_id("payment", clock.now()) for status in Status}
    with worker.transaction() as conn:
        conn.execute(
            "INSERT INTO rizzpay.merchants (id, name, mcc, requests_per_minute, created_at) "
            "VALUES (%s, 'Shop', '5411', 100, now())",
            (tenant.merchant_id,),
        )
        for status, payment_id in made.items():
            conn.execute(INSERT, (payment_id, tenant.merchant_id, status.value))
    return made


def moves(database, payment_id: str, status: Status) -> bool:
    """Tell whether the database lets a payment move, and leave the payment as it was."""
    with database.transaction() as conn:
        try:
            with conn.transaction():
                conn.execute(MOVE, (status.value, payment_id))
                raise psycopg.Rollback
        except psycopg.errors.CheckViolation:
            return False
    return True


def test_the_database_lets_a_payment_make_the_moves_of_the_table_and_no_others(worker, payments):
    found = {
        (before, after)
        for before, after in product(Status, Status)
        if before is not after and moves(worker, payments[before], after)
    }
    assert found == LEGAL


def test_a_payment_may_stay_where_it_is(worker, payments):
    assert all(moves(worker, payments[status], status) for status in Status)
