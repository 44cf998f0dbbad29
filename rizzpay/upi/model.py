"""UPI as text: what a VPA looks like, and the upi:// link that a payer's app opens.

Pure. It knows nothing of payments or gateways; QR images and BharatQR are not here.
Rules: features b6 of the product's specification, after NPCI's linking specification 1.6.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from rizzpay.core.money import Money

VPA = re.compile(r"[A-Za-z0-9.\-_]{2,256}@[A-Za-z][A-Za-z0-9]{1,63}")
MCC = re.compile(r"[0-9]{4}")
REFERENCE = re.compile(r"[A-Za-z0-9]{4,35}")
NOTE_LENGTH_MAX = 50
NAME_LENGTH_MAX = 99  # EMVCo's and NPCI's limit of a field


class Mode(StrEnum):
    """How the payer comes to the link; numbers of NPCI's initiation modes."""

    INTENT = "04"
    DYNAMIC_QR = "22"  # made online for one payment


class Purpose(StrEnum):
    """Why the money moves; NPCI's purpose codes, only those that we send."""

    DEFAULT = "00"


@dataclass(frozen=True, slots=True)
class Payee:
    """Who is paid: VPA, name as the payer's app shows it, merchant category."""

    vpa: str
    name: str
    mcc: str


@dataclass(frozen=True, slots=True)
class PayLink:
    """One payment to be asked for; `reference` is `tr`, unique for each payment."""

    payee: Payee
    reference: str
    money: Money
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
        self._end = "&cu=INR&qrMedium=04" if mode is Mode.DYNAMIC_QR else "&cu=INR"

    def link(self, reference: str, money: Money, note: str = "") -> str:
        """Return the link of one payment; raises ValueError when a part breaks a rule of UPI."""
        _check_payment(reference, money, note)
        told = f"&tn={_encode('tn', note)}" if note else ""
        return f"{self._begin}{reference}{told}&am={money.decimal()}{self._end}"


def is_vpa(text: str) -> bool:
    """Tell whether `text` has the form name@handle; nobody is asked whether it exists."""
    return VPA.fullmatch(text) is not None


def is_payee_name(text: str) -> bool:
    """Tell whether `text` may be `pn`: printable ASCII that is not all spaces."""
    return _is_plain(text, NAME_LENGTH_MAX) and bool(text.strip())


def is_mcc(text: str) -> bool:
    """Tell whether `text` has the form of a merchant category code."""
    return MCC.fullmatch(text) is not None


def pay_link(link: PayLink) -> str:
    """Return the upi://pay link; raises ValueError when a part breaks a rule of UPI."""
    links = PayLinks(link.payee, link.mode, link.purpose)
    return links.link(link.reference, link.money, link.note)


def _encode(name: str, text: str) -> str:
    """Percent-encode; a space is %20, and the @ of `pa` stays, or Google Pay refuses it."""
    return quote(text, safe="@" if name == "pa" else "")


def _check_payee(payee: Payee) -> None:
    if not is_vpa(payee.vpa):
        raise ValueError("pa is not a VPA")
    if not is_payee_name(payee.name):
        raise ValueError("pn is printable ASCII, and not empty")
    if not is_mcc(payee.mcc):
        raise ValueError("mc has four digits")


def _check_payment(reference: str, money: Money, note: str) -> None:
    if not REFERENCE.fullmatch(reference):
        raise ValueError("tr has 4 to 35 letters and digits")
    if note and not _is_plain(note, NOTE_LENGTH_MAX):
        raise ValueError(f"tn is printable ASCII, at most {NOTE_LENGTH_MAX}")
    if money.currency != "INR" or money.minor <= 0:
        raise ValueError("am is more than nothing, in INR")


def _is_plain(text: str, length_max: int) -> bool:
    return text.isascii() and (text.isprintable() or not text) and len(text) <= length_max
