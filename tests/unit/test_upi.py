"""UPI links: every one that is made can be read back, and none breaks a rule."""

import re
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rizzpay.core.money import AMOUNT_MAX, Money
from rizzpay.upi.model import Mode, Payee, PayLink, is_vpa, pay_link

PAYEE = Payee("shop.1@okbank", "Corner Shop", "5411")
PLAIN = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E))
NAMES = PLAIN.filter(lambda text: len(text.strip()) > 0 and len(text) < 100)
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
LINKS = st.builds(
    PayLink,
    payee=st.builds(
        Payee,
        vpa=st.from_regex(r"[A-Za-z0-9.\-_]{2,40}@[A-Za-z][A-Za-z0-9]{1,20}", fullmatch=True),
        name=NAMES,
        mcc=st.from_regex(r"[0-9]{4}", fullmatch=True),
    ),
    reference=st.text(LETTERS, min_size=4, max_size=35),
    money=st.builds(Money, st.integers(1, AMOUNT_MAX), st.just("INR")),
    note=PLAIN.filter(lambda text: len(text) <= 50),
    mode=st.sampled_from(Mode),
)


def link(**changes):
    values = {"payee": PAYEE, "reference": "CH01", "money": Money(50_000, "INR"), **changes}
    return PayLink(**values)


def test_a_link_is_written_like_this():
    assert pay_link(link(note="Order 7 & more")) == (
        "upi://pay?ver=01&mode=04&purpose=00&pa=shop.1@okbank&pn=Corner%20Shop&mc=5411"
        "&tr=CH01&tn=Order%207%20%26%20more&am=500.00&cu=INR"
    )


def test_a_dynamic_qr_has_its_own_mode_and_medium():
    text = pay_link(link(mode=Mode.DYNAMIC_QR))
    assert "&mode=22&" in text
    assert text.endswith("&qrMedium=04")


@given(LINKS)
def test_a_link_can_be_read_back(made):
    fields = parse_qs(urlsplit(pay_link(made)).query, strict_parsing=True)
    assert fields["pa"] == [made.payee.vpa]
    assert fields["pn"] == [made.payee.name]
    assert fields["tr"] == [made.reference]
    assert fields.get("tn", [""]) == [made.note]
    rupees, paise = fields["am"][0].split(".")
    assert int(rupees) * 100 + int(paise) == made.money.minor
    assert all(len(texts) == 1 for texts in fields.values())


@given(LINKS)
def test_a_link_is_ascii_with_a_literal_at_and_no_plus_for_a_space(made):
    text = pay_link(made)
    assert re.fullmatch(r"upi://pay\?[A-Za-z0-9%=&@._~-]+", text)
    assert f"&pa={made.payee.vpa}&" in text
    assert text.count("@") == 1
    assert unquote(text).isascii()


@pytest.mark.parametrize(
    "changes",
    [
        {"payee": Payee("no vpa", "Shop", "5411")},
        {"payee": Payee("shop@okbank&am=1", "Shop", "5411")},
        {"payee": Payee("shop@okbank", "", "5411")},
        {"payee": Payee("shop@okbank", "  ", "5411")},
        {"payee": Payee("shop@okbank", "दुकान" * 7, "5411")},
        {"payee": Payee("shop@okbank", "Shop \ud83d", "5411")},
        {"payee": Payee("shop@okbank", "Shop \u202e", "5411")},
        {"payee": Payee("shop@okbank", "Shop\n", "5411")},
        {"payee": Payee("shop@okbank", "S" * 100, "5411")},
        {"payee": Payee("shop@okbank", "Shop", "")},
        {"payee": Payee("shop@okbank", "Shop", "541")},
        {"payee": Payee("shop@okbank", "Shop", "54١1")},
        {"reference": "ABC"},
        {"reference": "A" * 36},
        {"reference": "AB-CD"},
        {"reference": "ABCD\n"},
        {"note": "n" * 51},
        {"note": "ना"},
        {"money": Money(0, "INR")},
        {"money": Money(-5, "INR")},
        {"money": Money(500, "USD")},
    ],
)
def test_a_link_that_breaks_a_rule_is_not_made(changes):
    with pytest.raises(ValueError, match=r"^(pa|pn|mc|tr|tn|am) "):
        pay_link(link(**changes))


@pytest.mark.parametrize(
    "text", ["ab@cd", "a.b-c_1@okhdfcbank", "9876543210@paytm", "x" * 256 + "@ab"]
)
def test_a_vpa_is_recognised(text):
    assert is_vpa(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "a@bank",
        "ab@b",
        "ab@1bank",
        "ab@ba nk",
        "ab@bank.com",
        "a b@bank",
        "ab@@bank",
        "ab@bank\n",
        "अब@bank",
        "x" * 257 + "@ab",
        "ab@" + "b" * 65,
    ],
)
def test_what_is_no_vpa_is_not_recognised(text):
    assert not is_vpa(text)
