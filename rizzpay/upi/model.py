"""UPI as text: what a VPA looks like, and the upi:// link that a payer's app opens.

Pure. It knows nothing of payments or gateways. BharatQR is in bharat_qr.py, images are in infra.
Rules: features b6 of the product's specification, after NPCI's linking specification 1.6.
"""

import base64
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from rizzpay.core.money import Money

VPA = re.compile(r"[A-Za-z0-9.\-_]{2,256}@[A-Za-z][A-Za-z0-9]{1,63}")
MCC = re.compile(r"[0-9]{4}")
REFERENCE = re.compile(r"[A-Za-z0-9]{4,35}")
ORG_ID = re.compile(r"[0-9]{6}")
NOTE_LENGTH_MAX = 50
NAME_LENGTH_MAX = 99  # EMVCo's and NPCI's limit of a field; of bytes in UTF-8
# Categories of characters that a name has no use for: controls, format, surrogates, private use,
# unassigned, line and paragraph ends. Joiners are format characters, but Indian scripts and emoji
# are written with them.
UNFIT = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
JOINERS = frozenset("\u200c\u200d")
QR_MEDIUM = "04"


class Mode(StrEnum):
    """How the payer comes to the link; numbers of NPCI's initiation modes.

    Source: juspay.io, "Initiation Mode". The secure ones are signed.
    """

    INTENT = "04"
    PRINTED_QR = "15"  # with an amount, for any number of payments
    SECURE_PRINTED_QR = "16"
    STATIC_QR = "19"  # the payer types the amount
    SECURE_STATIC_QR = "20"
    DYNAMIC_QR = "22"  # made online for one payment
    SECURE_DYNAMIC_QR = "23"


SECURE: Mapping[Mode, Mode] = {
    Mode.PRINTED_QR: Mode.SECURE_PRINTED_QR,
    Mode.STATIC_QR: Mode.SECURE_STATIC_QR,
    Mode.DYNAMIC_QR: Mode.SECURE_DYNAMIC_QR,
}


class Purpose(StrEnum):
    """Why the money moves; NPCI's purpose codes, only those that we send."""

    DEFAULT = "00"


@dataclass(frozen=True, slots=True)
class Payee:
    """Who is paid: VPA, name as the payer's app shows it, merchant category."""

    vpa: str
    name: str
    mcc: str
    city: str = ""  # this and the PIN code: for BharatQR only
    pincode: str = ""


@dataclass(frozen=True, slots=True)
class PayLink:
    """One payment to be asked for; `reference` is `tr`, unique for each payment or QR code.

    Without `money` the payer types the amount.
    """

    payee: Payee
    reference: str
    money: Money | None
    note: str = ""
    mode: Mode = Mode.INTENT
    purpose: Purpose = Purpose.DEFAULT


class PayLinks:
    """Makes the links to one payee; what is the same in all of them is made once."""

    def __init__(self, payee: Payee, mode: Mode, purpose: Purpose = Purpose.DEFAULT) -> None:
        """Check the payee; raises ValueError when a part breaks a rule of UPI."""
        _check_payee(payee)
        fields = {
            "ver": "01",
            "mode": mode.value,
            "purpose": purpose.value,
            "pa": payee.vpa,
            "pn": payee.name,
            "mc": payee.mcc,
        }
        begin = "&".join(f"{name}={_encode(name, text)}" for name, text in fields.items())
        self._begin = f"upi://pay?{begin}&tr="
        self._end = "&cu=INR" if mode is Mode.INTENT else f"&cu=INR&qrMedium={QR_MEDIUM}"

    def link(self, reference: str, money: Money | None, note: str = "") -> str:
        """Return the link of one payment; raises ValueError when a part breaks a rule of UPI."""
        _check_payment(reference, money, note)
        told = f"&tn={_encode('tn', note)}" if note else ""
        asked = f"&am={money.decimal()}" if money is not None else ""
        return f"{self._begin}{reference}{told}{asked}{self._end}"


def is_vpa(text: str) -> bool:
    """Tell whether `text` has the form name@handle; nobody is asked whether it exists."""
    return VPA.fullmatch(text) is not None


def is_payee_name(text: str) -> bool:
    """Tell whether `text` may be `pn`: of any script, one line, not all spaces, 99 bytes at most.

    On the wire it is percent-encoded UTF-8, so the link itself stays ASCII.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    fit = all(char in JOINERS or unicodedata.category(char) not in UNFIT for char in text)
    return fit and bool(text.strip()) and size <= NAME_LENGTH_MAX


def is_mcc(text: str) -> bool:
    """Tell whether `text` has the form of a merchant category code."""
    return MCC.fullmatch(text) is not None


def pay_link(link: PayLink) -> str:
    """Return the upi://pay link; raises ValueError when a part breaks a rule of UPI."""
    links = PayLinks(link.payee, link.mode, link.purpose)
    return links.link(link.reference, link.money, link.note)


def to_be_signed(link: str, org_id: str) -> str:
    """Return a link with the `orgid` of who signs it: all that is signed is what stands here."""
    if not ORG_ID.fullmatch(org_id):
        raise ValueError("orgid has six digits")
    return f"{link}&orgid={org_id}"


def signed(text: str, signature: bytes) -> str:
    """Return a link with its signature behind it, in base64, percent-encoded as any value."""
    return f"{text}&sign={_encode('sign', base64.b64encode(signature).decode())}"


def _encode(name: str, text: str) -> str:
    """Percent-encode; a space is %20, and the @ of `pa` stays, or Google Pay refuses it."""
    return quote(text, safe="@" if name == "pa" else "")


def _check_payee(payee: Payee) -> None:
    if not is_vpa(payee.vpa):
        raise ValueError("pa is not a VPA")
    if not is_payee_name(payee.name):
        raise ValueError(f"pn is one line of text, at most {NAME_LENGTH_MAX} bytes, and not empty")
    if not is_mcc(payee.mcc):
        raise ValueError("mc has four digits")


def _check_payment(reference: str, money: Money | None, note: str) -> None:
    if not REFERENCE.fullmatch(reference):
        raise ValueError("tr has 4 to 35 letters and digits")
    if note and not _is_plain(note, NOTE_LENGTH_MAX):
        raise ValueError(f"tn is printable ASCII, at most {NOTE_LENGTH_MAX}")
    if money is not None and (money.currency != "INR" or money.minor <= 0):
        raise ValueError("am is more than nothing, in INR")


def _is_plain(text: str, length_max: int) -> bool:
    return text.isascii() and (text.isprintable() or not text) and len(text) <= length_max
