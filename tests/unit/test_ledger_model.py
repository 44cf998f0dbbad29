"""The rules of the books, without a database."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rizzpay.core.money import AMOUNT_MAX
from rizzpay.core.tenant import Tenant
from rizzpay.ledger import model
from rizzpay.ledger.model import (
    FEES,
    GST,
    MERCHANT_AVAILABLE,
    MERCHANT_PENDING,
    REFUNDS,
    SUSPENSE,
    Account,
    AccountKey,
    Hold,
    Imbalance,
    LedgerRefused,
    Phase,
    Reason,
    Sums,
    Transfer,
)

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SHOP = Tenant("mer_A", livemode=False)
GATEWAY = model.gateway_account("sandbox")
HOLD = Transfer(
    "trf_1", SHOP, "INR", GATEWAY, MERCHANT_PENDING, 100, Phase.PENDING, "authorization", NOON
)
POST = replace(HOLD, id="trf_2", phase=Phase.POST, pending_id="trf_1", code="capture")
VOID = replace(POST, phase=Phase.VOID)
SALE = replace(HOLD, id="trf_3", phase=Phase.POSTED)


def reason_of(*transfers, stored=None):
    def check():
        model.check_batch(transfers)
        model.check_resolutions(transfers, stored or {})

    with pytest.raises(LedgerRefused) as caught:
        check()
    assert caught.value.transfer_id == transfers[-1].id
    return caught.value.reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"amount": 0}, Reason.AMOUNT_MUST_BE_POSITIVE),
        ({"amount": -5}, Reason.AMOUNT_MUST_BE_POSITIVE),
        ({"amount": True}, Reason.AMOUNT_MUST_BE_POSITIVE),
        ({"amount": 1.0}, Reason.AMOUNT_MUST_BE_POSITIVE),
        ({"amount": AMOUNT_MAX + 1}, Reason.AMOUNT_TOO_LARGE),
        ({"credit": GATEWAY}, Reason.ACCOUNTS_MUST_BE_DIFFERENT),
        ({"credit": "petty_cash"}, Reason.ACCOUNT_UNKNOWN),
        ({"debit": "gateway:"}, Reason.ACCOUNT_UNKNOWN),
        ({"debit": "gateway:a\n"}, Reason.ACCOUNT_UNKNOWN),
        ({"debit": "gateway:" + "a" * 41}, Reason.ACCOUNT_UNKNOWN),
        ({"currency": "inr"}, Reason.CURRENCY_UNKNOWN),
        ({"created_at": datetime(2026, 1, 1)}, Reason.TIMESTAMP_NAIVE),  # noqa: DTZ001
        ({"pending_id": "trf_9"}, Reason.PENDING_ID_MUST_BE_EMPTY),
        ({"phase": Phase.POST}, Reason.PENDING_ID_MUST_NOT_BE_EMPTY),
        ({"phase": Phase.VOID, "pending_id": "trf_1"}, Reason.PENDING_ID_MUST_BE_DIFFERENT),
    ],
)
def test_a_transfer_that_is_wrong_by_itself_is_refused(change, reason):
    assert reason_of(replace(HOLD, **change)) is reason


def test_one_id_twice_in_a_batch_is_refused():
    assert reason_of(SALE, SALE) is Reason.EXISTS


@pytest.mark.parametrize(
    ("hold", "change", "reason"),
    [
        (None, {}, Reason.PENDING_TRANSFER_NOT_FOUND),
        (
            replace(HOLD, tenant=Tenant("mer_B", livemode=False)),
            {},
            Reason.PENDING_TRANSFER_NOT_FOUND,
        ),
        (
            replace(HOLD, tenant=Tenant("mer_A", livemode=True)),
            {},
            Reason.PENDING_TRANSFER_NOT_FOUND,
        ),
        (replace(HOLD, phase=Phase.POSTED), {}, Reason.PENDING_TRANSFER_NOT_PENDING),
        (HOLD, {"debit": FEES}, Reason.PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT),
        (HOLD, {"credit": FEES}, Reason.PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT),
        (HOLD, {"currency": "USD"}, Reason.PENDING_TRANSFER_HAS_DIFFERENT_CURRENCY),
        (HOLD, {"amount": 101}, Reason.EXCEEDS_PENDING_TRANSFER_AMOUNT),
        (
            HOLD,
            {"phase": Phase.VOID, "amount": 99},
            Reason.PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT,
        ),
    ],
)
def test_a_resolution_that_does_not_fit_is_refused(hold, change, reason):
    stored = {hold.id: Hold(hold, None)} if hold else {}
    assert reason_of(replace(POST, **change), stored=stored) is reason


@pytest.mark.parametrize(
    ("by", "reason"),
    [
        (Phase.POST, Reason.PENDING_TRANSFER_ALREADY_POSTED),
        (Phase.VOID, Reason.PENDING_TRANSFER_ALREADY_VOIDED),
    ],
)
def test_a_second_resolution_is_refused_and_the_first_is_named(by, reason):
    assert reason_of(POST, stored={"trf_1": Hold(HOLD, by)}) is reason
    first = replace(POST, id="trf_8", phase=by)
    assert reason_of(HOLD, first, replace(POST, id="trf_9")) is reason


def test_a_hold_and_its_post_in_one_batch_leave_only_what_was_posted():
    batch = (HOLD, replace(POST, amount=60))
    model.check_batch(batch)
    model.check_resolutions(batch, {})
    assert model.account_sums(batch, {}) == {
        AccountKey(SHOP, "INR", GATEWAY): Sums(debits_posted=60),
        AccountKey(SHOP, "INR", MERCHANT_PENDING): Sums(credits_posted=60),
    }


def test_the_order_in_a_batch_does_not_matter_for_a_hold_and_its_post():
    model.check_resolutions((POST, HOLD), {})
    assert model.account_sums((POST, HOLD), {}) == model.account_sums((HOLD, POST), {})


def test_a_post_releases_the_whole_hold_and_a_void_moves_nothing():
    stored = {HOLD.id: Hold(HOLD, None)}
    key = AccountKey(SHOP, "INR", GATEWAY)
    assert model.account_sums([replace(POST, amount=1)], stored)[key] == Sums(1, 0, -100, 0)
    assert model.account_sums([VOID], stored)[key] == Sums(0, 0, -100, 0)


@given(
    st.lists(
        st.tuples(
            st.integers(min_value=1, max_value=AMOUNT_MAX),
            st.sampled_from([GATEWAY, FEES, GST, REFUNDS]),
            st.sampled_from([MERCHANT_PENDING, MERCHANT_AVAILABLE, SUSPENSE]),
            st.sampled_from([Phase.POSTED, Phase.PENDING]),
        ),
        max_size=20,
    )
)
def test_what_a_batch_adds_to_debits_it_adds_to_credits(moves):
    batch = [
        replace(HOLD, id=f"trf_{number}", amount=amount, debit=debit, credit=credit, phase=phase)
        for number, (amount, debit, credit, phase) in enumerate(moves)
    ]
    sums = model.account_sums(batch, {})
    assert list(sums) == sorted(sums)
    assert sum(one.debits_posted - one.credits_posted for one in sums.values()) == 0
    assert sum(one.debits_pending - one.credits_pending for one in sums.values()) == 0


def account(name, *sums):
    return Account(SHOP, "INR", name, *sums)


def test_a_merchants_account_grows_with_credits_and_a_gateways_with_debits():
    merchant = account(MERCHANT_PENDING, 30, 100, 20, 7)
    assert (model.balance(merchant), model.held(merchant)) == (70, 20)
    assert (model.incoming(merchant), model.available(merchant)) == (7, 50)
    gateway = account(GATEWAY, 100, 30, 7, 20)
    assert (model.balance(gateway), model.held(gateway)) == (70, 20)
    assert (model.incoming(gateway), model.available(gateway)) == (7, 50)


def test_a_proof_is_clean_only_when_all_its_figures_are_zero():
    assert model.all_zero([])
    assert model.all_zero([Imbalance("INR", 0, 0, 0)])
    for dirty in (
        Imbalance("USD", 1, 0, 0),
        Imbalance("USD", 0, -1, 0),
        Imbalance("USD", 0, 0, 1),
    ):
        assert not model.all_zero([Imbalance("INR", 0, 0, 0), dirty])
