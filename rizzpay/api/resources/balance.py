"""The balance: what the ledger says that we owe the merchant."""

from typing import Any

import falcon

from rizzpay.api.answers import send
from rizzpay.api.facts import ApiRequest
from rizzpay.api.objects import AccountObject, BalanceObject, CurrencyBalance
from rizzpay.infra.database import Database
from rizzpay.ledger import service as ledger
from rizzpay.ledger.model import MERCHANT_AVAILABLE, MERCHANT_PENDING, Account


class BalanceResource:
    """The balance of the caller."""

    def __init__(self, database: Database) -> None:
        """Keep the database; the ledger takes part in a transaction of ours."""
        self._database = database

    def on_get(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Fetch the balance by currency."""
        tenant = req.caller.tenant
        with self._database.transaction(tenant) as conn:
            accounts = ledger.accounts(conn, tenant)
        currencies = sorted({account.currency for account in accounts})
        shown = BalanceObject(
            livemode=tenant.livemode,
            merchant_id=tenant.merchant_id,
            balances=[_balance(accounts, currency) for currency in currencies],
        )
        send(resp, 200, shown)


def _balance(accounts: list[Account], currency: Any) -> CurrencyBalance:
    mine = {account.name: account for account in accounts if account.currency == currency}
    pending = mine.get(MERCHANT_PENDING)
    return CurrencyBalance(
        currency=currency,
        pending=_owed(pending),
        available=_owed(mine.get(MERCHANT_AVAILABLE)),
        held=pending.debits_pending if pending is not None else 0,
        accounts=[_account(account) for _, account in sorted(mine.items())],
    )


def _owed(account: Account | None) -> int:
    """Return what a credit account holds; refunds under way count as gone."""
    if account is None:
        return 0
    return account.credits_posted - account.debits_posted - account.debits_pending


def _account(account: Account) -> AccountObject:
    return AccountObject(
        name=account.name,
        debits_posted=account.debits_posted,
        credits_posted=account.credits_posted,
        debits_pending=account.debits_pending,
        credits_pending=account.credits_pending,
    )
