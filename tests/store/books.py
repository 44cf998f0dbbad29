"""Transfers for tests, and what the accounts say after them."""

from dataclasses import replace

import pytest

from rizzpay.ledger import model, service
from rizzpay.ledger.model import MERCHANT_PENDING, LedgerRefused, Phase, Transfer
from tests.store.people import NOON, new_id

GATEWAY = model.gateway_account("sandbox")


def transfer(tenant, phase=Phase.POSTED, amount=100, **more):
    parts = {
        "id": new_id("transfer"),
        "tenant": tenant,
        "currency": "INR",
        "debit": GATEWAY,
        "credit": MERCHANT_PENDING,
        "amount": amount,
        "phase": phase,
        "code": "capture",
        "created_at": NOON,
    }
    return Transfer(**(parts | more))


def resolve(hold, phase=Phase.POST, **more):
    return replace(hold, id=new_id("transfer"), phase=phase, pending_id=hold.id, **more)


def record(database, *transfers):
    with database.transaction(*{one.tenant for one in transfers}) as conn:
        service.record(conn, transfers)


def sums_of(database, tenant):
    with database.transaction(tenant) as conn:
        return {
            (one.currency, one.name): (
                one.debits_posted,
                one.credits_posted,
                one.debits_pending,
                one.credits_pending,
            )
            for one in service.accounts(conn, tenant)
        }


def refusal(database, *transfers):
    with pytest.raises(LedgerRefused) as caught:
        record(database, *transfers)
    return caught.value.reason
