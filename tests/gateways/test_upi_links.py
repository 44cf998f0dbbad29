"""Links that we make ourselves: pure, to the payee of the settings, one for each attempt."""

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rizzpay.config import GatewaySettings
from rizzpay.core import ids
from rizzpay.core.errors import Misconfigured
from rizzpay.core.money import Money
from rizzpay.core.secret import Secret
from rizzpay.gateways import catalog, upi_links
from rizzpay.gateways.port import (
    ActionRequired,
    BankTransfer,
    CaptureMethod,
    Card,
    NetBanking,
    UpiCollect,
    UpiIntent,
    UpiQr,
    Wallet,
)
from rizzpay.infra.http_client import HttpClient
from rizzpay.upi import model as upi
from tests.gateways.acquirer import order

PAYEE = {
    "upi_payee_vpa": "rizzpay.own@rizzpay",
    "upi_payee_name": "RizzPay & Sons",
    "upi_payee_mcc": "5411",
}
LINKS = upi_links.UpiLinks(upi.Payee(*PAYEE.values()))


@pytest.fixture
def make(tmp_path):
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text("a secret\n")

    def made(**changes):
        values = {
            "kind": "sandbox",
            "base_url": "http://127.0.0.1:9",
            "livemode": False,
            "key_id": "k",
            "secret_file": str(secret),
            "callback_secret_file": str(secret),
            **changes,
        }
        settings = msgspec.convert(values, GatewaySettings)
        return catalog.build(Settings({"first": settings}), HttpClient()).get("first")

    return made


class Settings:
    """The part of the configuration that the catalog reads."""

    def __init__(self, gateways):
        self.gateways = gateways


def fields(link):
    assert link.startswith("upi://pay?")
    found = parse_qs(urlsplit(link).query, strict_parsing=True)
    assert all(len(texts) == 1 for texts in found.values())
    return {name: texts[0] for name, texts in found.items()}


def test_an_intent_link_has_these_fields():
    request = order(UpiIntent(), 123_456)
    asked = LINKS.invite(request)
    assert asked.next_action["type"] == "upi_intent"
    assert fields(asked.next_action["url"]) == {
        "ver": "01",
        "mode": "04",
        "purpose": "00",
        "pa": "rizzpay.own@rizzpay",
        "pn": "RizzPay & Sons",
        "mc": "5411",
        "tr": asked.gateway_reference,
        "am": "1234.56",
        "cu": "INR",
    }


def test_a_qr_is_a_dynamic_one():
    asked = LINKS.invite(order(UpiQr()))
    assert asked.next_action["type"] == "upi_qr"
    found = fields(asked.next_action["url"])
    assert (found["mode"], found["qrMedium"]) == ("22", "04")


def test_the_at_of_the_payee_stays_and_a_space_is_no_plus():
    url = LINKS.invite(order(UpiIntent())).next_action["url"]
    assert "&pa=rizzpay.own@rizzpay&pn=RizzPay%20%26%20Sons&" in url


@given(
    st.datetimes(min_value=datetime(2020, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - a bound
)
def test_a_reference_is_what_npci_allows_and_stands_for_one_attempt(moment):
    attempt_id = ids.new_id("attempt", moment)
    reference = upi_links.reference_of(attempt_id)
    assert upi.REFERENCE.fullmatch(reference)
    assert len(reference) == 29
    assert f"{reference[:3]}_{reference[3:]}" == attempt_id


@pytest.mark.parametrize(
    "method",
    [
        Card(Secret("tok_approve")),
        UpiCollect(Secret("a@okbank"), "ios"),
        NetBanking("HDFC"),
        Wallet("paytm"),
        BankTransfer(),
    ],
)
def test_the_acquirer_is_asked_for_every_other_method(method):
    assert LINKS.invite(order(method)) is None


def test_the_acquirer_is_asked_for_what_a_link_cannot_say():
    assert LINKS.invite(order(UpiIntent(), capture_method=CaptureMethod.MANUAL)) is None
    assert LINKS.invite(order(UpiIntent(), money=Money(500, "USD"))) is None


def test_the_acquirer_makes_the_links_unless_the_settings_say_otherwise(make):
    assert make().invites is None
    assert make(**PAYEE).invites is None
    invites = make(upi_links="own", **PAYEE).invites
    assert isinstance(invites.invite(order(UpiQr())), ActionRequired)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("upi_payee_vpa", ""),
        ("upi_payee_vpa", "no vpa"),
        ("upi_payee_vpa", "shop@okbank&am=1"),
        ("upi_payee_name", ""),
        ("upi_payee_name", "   "),
        ("upi_payee_name", "दुकान" * 7),
        ("upi_payee_name", "n" * 100),
        ("upi_payee_name", "Shop\n"),
        ("upi_payee_mcc", ""),
        ("upi_payee_mcc", "541"),
        ("upi_payee_mcc", "54111"),
        ("upi_payee_mcc", "54a1"),
    ],
)
def test_a_bad_payee_is_refused_at_the_start_by_the_name_of_its_field(make, field, text):
    with pytest.raises(Misconfigured, match=rf"gateways\.first\.{field} must"):
        make(upi_links="own", **PAYEE | {field: text})


def test_only_the_acquirer_or_we_make_links(make):
    with pytest.raises(msgspec.ValidationError, match="upi_links"):
        make(upi_links="theirs", **PAYEE)
