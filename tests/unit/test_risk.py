"""Who may take what: the law first, and no setting opens what it forbids."""

import pytest

from rizzpay.core.errors import Refused
from rizzpay.core.money import Money
from rizzpay.core.secret import Secret
from rizzpay.gateways.port import BankTransfer, Card, NetBanking, UpiCollect, UpiIntent, UpiQr
from rizzpay.merchants.model import Merchant
from rizzpay.risk.service import assess

RUPEES = Money(50_000, "INR")
CARD = Card(Secret("tok_approve"))


def merchant(**changes):
    values = {
        "id": "mer_1",
        "name": "Shop",
        "mcc": "5411",
        "status": "active",
        "tier": "standard",
        "requests_per_minute": 100,
        "fee_basis_points": 200,
        "gst_basis_points": 1800,
        "late_authorization": "capture",
        "collect_exemption": None,
        "upi_vpa": None,
        **changes,
    }
    return Merchant(**values)


def collect(exemption="mcc_6012"):
    return UpiCollect(Secret("customer@okbank"), exemption)


def code(who, method, money=RUPEES):
    with pytest.raises(Refused) as raised:
        assess(who, method, money)
    return raised.value.code


@pytest.mark.parametrize("method", [CARD, UpiIntent(), UpiQr(), NetBanking("HDFC"), BankTransfer()])
def test_an_ordinary_merchant_may_take_it(method):
    assess(merchant(), method, RUPEES)


@pytest.mark.parametrize("status", ["suspended", "offboarded", "anything new"])
def test_only_an_active_merchant_takes_payments(status):
    assert code(merchant(status=status), CARD) == "merchant_suspended"


@pytest.mark.parametrize("mcc", ["7995", "7800", "7801", "7802"])
@pytest.mark.parametrize("method", [CARD, UpiIntent(), NetBanking("HDFC")])
def test_online_money_games_are_refused_in_india(mcc, method):
    assert code(merchant(mcc=mcc), method) == "gaming_not_permitted"


def test_the_law_stands_before_an_exemption():
    who = merchant(mcc="7995", collect_exemption="ios")
    assert code(who, collect("ios")) == "gaming_not_permitted"


def test_collect_needs_an_exemption():
    assert code(merchant(), collect()) == "upi_collect_not_permitted"
    assert code(merchant(collect_exemption="mcc_6012"), collect("ios")) == (
        "upi_collect_not_permitted"
    )
    assess(merchant(collect_exemption="mcc_6012"), collect(), RUPEES)


def test_a_refusal_does_not_repeat_the_vpa():
    with pytest.raises(Refused) as raised:
        assess(merchant(), collect(), RUPEES)
    assert "customer@okbank" not in str(raised.value)
