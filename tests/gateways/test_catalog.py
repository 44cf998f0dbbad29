"""The settings become connectors, in their order, or a sentence says why not."""

import pytest

from rizzpay.config import GatewaySettings
from rizzpay.core.errors import Misconfigured
from rizzpay.core.secret import Secret
from rizzpay.gateways import catalog, routing
from rizzpay.gateways.port import CaptureMethod, Card
from rizzpay.infra.http_client import HttpClient


@pytest.fixture
def settings(tmp_path):
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text("a secret\n")

    def make(**changes):
        values = {
            "kind": "sandbox",
            "base_url": "http://127.0.0.1:9",
            "livemode": False,
            "key_id": "k",
            "secret_file": str(secret),
            "callback_secret_file": str(secret),
            **changes,
        }
        return GatewaySettings(**values)

    return make


class Settings:
    """The part of the configuration that the catalog reads."""

    def __init__(self, **gateways):
        self.gateways = gateways


def build(**gateways):
    return catalog.build(Settings(**gateways), HttpClient())


def test_gateways_are_found_by_name(settings):
    gateways = build(first=settings(), second=settings())
    assert gateways.get("second").connector.name == "second"
    assert "first" in gateways
    assert "third" not in gateways
    with pytest.raises(KeyError):
        gateways.get("third")


def test_routes_keep_the_order_of_the_settings(settings):
    gateways = build(b=settings(), a=settings(), live=settings(livemode=True))
    assert [route.gateway for route in gateways.routes] == ["b", "a", "live"]
    chosen = routing.choose(gateways.routes, "card", "INR", False, CaptureMethod.MANUAL)
    assert [route.gateway for route in chosen] == ["b", "a"]


def test_an_unknown_kind_is_one_sentence(settings):
    with pytest.raises(Misconfigured, match="known kinds: cashfree, razorpay, sandbox, stripe"):
        build(first=settings(kind="sandbax"))


def test_a_checkout_without_a_business_is_one_sentence(settings):
    with pytest.raises(Misconfigured, match=r"gateways\.first\.checkout_name"):
        build(first=settings(kind="razorpay"))


def test_several_accounts_of_a_kind_stand_side_by_side(settings):
    page = settings(kind="razorpay", checkout_name="Shop")
    gateways = build(cards=settings(), one=page, two=page)
    chosen = routing.choose(gateways.routes, "upi", "INR", False, CaptureMethod.AUTOMATIC)
    assert [route.gateway for route in chosen] == ["cards", "one", "two"]


def test_a_card_goes_where_its_number_can_be_asked_for(settings):
    gateways = build(tokens=settings(), pages=settings(kind="razorpay", checkout_name="Shop"))
    for card, gateway in ((Card(None), "pages"), (Card(Secret("tok_1")), "tokens")):
        wanted = routing.kind(card, "card")
        chosen = routing.choose(gateways.routes, wanted, "INR", False, CaptureMethod.MANUAL)
        assert [route.gateway for route in chosen] == [gateway]


def test_a_missing_secret_is_one_sentence(settings, tmp_path):
    with pytest.raises(Misconfigured, match="No such file"):
        build(first=settings(secret_file=str(tmp_path / "none")))


def test_every_kind_has_a_maker_and_a_capability():
    assert set(catalog.MAKERS) == set(catalog.CAPABILITIES)


def test_manual_capture_is_of_methods_that_are_there():
    for capability in catalog.CAPABILITIES.values():
        assert capability.manual_capture <= capability.methods


def test_no_secret_is_in_the_text_of_a_connector(settings):
    gateway = build(first=settings()).get("first")
    assert "a secret" not in repr(gateway)
    assert "a secret" not in repr(vars(gateway.connector))
