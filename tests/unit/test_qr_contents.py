"""What QR codes say, read by readers that were written without looking at the builders.

`read_upi` follows RFC 3986 and NPCI's grammar, `read_emv` the EMV QRCPS specification with its own
bitwise checksum; the images are decoded by zxing-cpp, which shares no code with segno.
"""

import io
import unicodedata

import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rizzpay.core.money import AMOUNT_MAX, Money
from rizzpay.infra import qr_image
from rizzpay.upi import bharat_qr
from rizzpay.upi import model as upi
from rizzpay.upi.bharat_qr import BharatQr
from rizzpay.upi.model import Mode, Payee, PayLink

NAMES = ["Asha Stores", "आशा", "குமார்", "☕ चाय 😀", "👩‍🍳 Ba", "क़्", "Ünïçødé"]
ALNUM = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
VPAS = st.from_regex(r"[A-Za-z0-9.\-_]{2,30}@[A-Za-z][A-Za-z0-9]{1,18}", fullmatch=True)
WRITTEN = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]) | st.sampled_from("\u200d"),
    min_size=1,
    max_size=99,
).filter(lambda text: text.strip())
REFERENCES = st.text(ALNUM, min_size=4, max_size=35)
MCCS = st.from_regex(r"[0-9]{4}", fullmatch=True)
AMOUNTS = st.none() | st.integers(1, 10**12 - 1).map(lambda paise: Money(paise, "INR"))


def fits(bytes_max):
    return lambda text: len(text.encode()) <= bytes_max


def payees(name_bytes_max):
    return st.builds(
        Payee,
        vpa=VPAS,
        name=WRITTEN.filter(fits(name_bytes_max)),
        mcc=MCCS,
        city=WRITTEN.filter(fits(15)),
        pincode=st.from_regex(r"[1-9][0-9]{5}", fullmatch=True),
    )


BHARAT = st.builds(
    BharatQr, payee=payees(23), reference=REFERENCES, money=AMOUNTS, many_times=st.booleans()
)
LINKS = st.builds(
    PayLink,
    payee=payees(99),
    reference=REFERENCES,
    money=AMOUNTS,
    mode=st.sampled_from(sorted({*upi.SECURE, *upi.SECURE.values()})),
)


def unpercent(text):
    """Undo percent-encoding as RFC 3986 has it: a plus is a plus."""
    raw, place = bytearray(), 0
    while place < len(text):
        if text[place] == "%":
            raw.append(int(text[place + 1 : place + 3], 16))
            place += 3
        else:
            assert text[place] not in ' +<>"{}|\\^`', text
            raw += text[place].encode("ascii")
            place += 1
    return raw.decode("utf-8")


def read_upi(text):
    scheme, _, rest = text.partition("://")
    host, _, query = rest.partition("?")
    assert (scheme, host) == ("upi", "pay")
    assert text.isascii()
    pairs = [part.partition("=")[::2] for part in query.split("&")]
    assert all(value for _, value in pairs)
    assert len(dict(pairs)) == len(pairs)
    return {name: unpercent(value) for name, value in pairs}


def crc16(raw):
    """CRC-16/CCITT-FALSE bit by bit: poly 0x1021, init 0xFFFF, check value 0x29B1."""
    bits = int.from_bytes(raw) << 16
    length = len(raw) * 8 + 16
    bits ^= 0xFFFF << (length - 16)
    for at in range(length - 1, 15, -1):
        if bits >> at & 1:
            bits ^= 0x11021 << (at - 16)
    return bits & 0xFFFF


def tlv(raw):
    found, left = {}, raw
    while left:
        tag, size = left[:2].decode(), int(left[2:4].decode())
        assert size > 0
        value, left = left[4 : 4 + size], left[4 + size :]
        assert len(value) == size
        assert tag not in found
        found[tag] = value
    return found


def read_emv(text):
    raw = text.encode("utf-8")
    assert raw.startswith(b"000201")
    assert raw[-8:-4] == b"6304"
    assert raw[-4:] == b"%04X" % crc16(raw[:-4])
    return tlv(raw)


def decode(png):
    (found,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(png)))
    assert found.format.name.startswith("QR")
    return found


def test_the_readers_know_published_check_values():
    assert crc16(b"123456789") == 0x29B1
    assert bharat_qr.checksum(b"123456789") == 0x29B1


@pytest.mark.parametrize(("part", "other"), [("Asha", "Usha"), ("5904", "5905"), ("6304", "6305")])
def test_the_reader_of_bharat_qr_is_strict(part, other):
    good = bharat_qr.text_of(bharat("Asha"))
    assert read_emv(good)["59"] == b"Asha"
    assert part in good
    with pytest.raises((AssertionError, ValueError)):
        read_emv(good.replace(part, other))


def test_the_reader_of_links_is_strict():
    with pytest.raises(AssertionError):
        read_upi("upi://pay?pn=a+b")


def bharat(name, money=None, **changes):
    payee = Payee("asha.stores@bank", name, "5411", "Pune", "411001")
    values = {"payee": payee, "reference": "qr01ABC", "money": money, "many_times": True, **changes}
    return BharatQr(**values)


def test_a_bharat_qr_is_written_like_this():
    made = bharat_qr.text_of(bharat("Asha Stores", Money(12_345, "INR"), many_times=False))
    assert made == (
        "000201" "010212" "2634" "0010A000000524" "0116asha.stores@bank"
        "2725" "0010A000000524" "0107qr01ABC" "52045411" "5303356" "5406123.45" "5802IN"
        "5911Asha Stores" "6004Pune" "6106411001" "6304" + made[-4:]
    )  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names_of_every_script_come_through_image_and_reading(name):
    emv = decode(qr_image.image(bharat_qr.text_of(bharat(name)), "png"))
    assert read_emv(emv.bytes.decode("utf-8"))["59"].decode("utf-8") == name
    link = PayLink(Payee("asha@bank", name, "5411"), "qr01ABC", None, mode=Mode.STATIC_QR)
    scanned = decode(qr_image.image(upi.pay_link(link), "png"))
    assert read_upi(scanned.text)["pn"] == name
    assert scanned.text.isascii()


@given(BHARAT)
def test_a_bharat_qr_reads_back(made):
    found = read_emv(bharat_qr.text_of(made))
    account, own = tlv(found["26"]), tlv(found["27"])
    assert account == {"00": b"A000000524", "01": made.payee.vpa.encode()}
    assert own == {"00": b"A000000524", "01": made.reference.encode()}
    assert found["01"] == (b"11" if made.many_times else b"12")
    texts = {tag: found[tag].decode("utf-8") for tag in ("52", "53", "58", "59", "60", "61")}
    assert list(texts.values()) == [
        made.payee.mcc, "356", "IN", made.payee.name, made.payee.city, made.payee.pincode,
    ]  # fmt: skip
    if made.money is None:
        assert "54" not in found
    else:
        rupees, _, paise = found["54"].decode().partition(".")
        assert (int(rupees) * 100 + int(paise), len(paise)) == (made.money.minor, 2)
    assert next(iter(found)) == "00"
    assert list(found)[-1] == "63"


@given(LINKS)
def test_a_link_of_a_code_reads_back(made):
    text = upi.pay_link(made)
    found = read_upi(text)
    assert (found["pa"], found["pn"], found["tr"]) == (
        made.payee.vpa, made.payee.name, made.reference,
    )  # fmt: skip
    assert f"&pa={made.payee.vpa}&" in text  # its @ stays, or Google Pay refuses it
    assert (found["ver"], found["mode"], found["cu"]) == ("01", made.mode, "INR")
    assert found["qrMedium"] == "04"
    assert "mam" not in found
    assert found.get("am") == (made.money.decimal() if made.money else None)


@settings(max_examples=30, deadline=None)
@given(BHARAT, st.sampled_from(["png", "svg"]))
def test_every_image_decodes_to_what_it_was_made_of(made, kind):
    text = bharat_qr.text_of(made)
    image = qr_image.image(text, kind)
    if kind == "svg":
        assert image.startswith(b"<?xml")
    else:
        found = decode(image)
        assert found.bytes.decode("utf-8") == text
        assert found.ec_level in {"M", "Q", "H"}


def test_an_image_bears_some_dirt():
    text = bharat_qr.text_of(bharat("आशा"))
    picture = Image.open(io.BytesIO(qr_image.image(text, "png"))).convert("L")
    side = picture.size[0] // 8
    middle = side * 4
    picture.paste(255, (middle, middle, middle + side, middle + side))
    written = io.BytesIO()
    picture.save(written, "PNG")
    assert decode(written.getvalue()).bytes.decode("utf-8") == text


@given(WRITTEN)
def test_a_name_is_cut_between_letters(name):
    cut = bharat_qr.cut_name(name)
    assert len(cut.encode()) <= 23
    assert name.startswith(cut)
    rest = name[len(cut) :]
    if cut and rest and not rest[0].isspace():
        assert not unicodedata.category(rest[0]).startswith("M")
        assert "\u200d" not in (rest[0], cut[-1])
    if len(name.encode()) <= 23:
        assert cut == name.rstrip() or cut == name


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "आशा स्टोर"},  # nine letters, 25 bytes
        {"name": "\n"},
        {"payee": Payee("a" * 46 + "@bank", "Asha", "5411", "Pune", "411001")},
        {"payee": Payee("a@bank", "Asha", "5411", "पुणे शहर", "411001")},
        {"payee": Payee("a@bank", "Asha", "5411", "Pune", "011001")},
        {"payee": Payee("a@bank", "Asha", "541", "Pune", "411001")},
        {"reference": "qr_01"},
        {"money": Money(10**13, "INR")},
        {"money": Money(0, "INR")},
        {"money": Money(AMOUNT_MAX, "INR")},
        {"money": Money(100, "USD")},
    ],
)
def test_what_has_no_room_is_not_made(changes):
    with pytest.raises(ValueError, match="BharatQR has no room"):
        bharat_qr.text_of(bharat(changes.pop("name", "Asha"), **changes))
