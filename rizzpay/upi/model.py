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


def is_vpa(text: str) -> bool:
    """Tell whether `text` has the form name@handle; nobody is asked whether it exists."""
    return VPA.fullmatch(text) is not None


def pay_link(link: PayLink) -> str:
    """Return the upi://pay link; raises ValueError when a part breaks a rule of UPI."""
    _check(link)
    fields = [
        ("ver", "01"),
        ("mode", link.mode.value),
        ("purpose", link.purpose.value),
        ("pa", link.payee.vpa),
        ("pn", link.payee.name),
        ("mc", link.payee.mcc),
        ("tr", link.reference),
        ("tn", link.note),
        ("am", link.money.decimal()),
        ("cu", link.money.currency),
    ]
    if link.mode is Mode.DYNAMIC_QR:
        fields.append(("qrMedium", "04"))
    return "upi://pay?" + "&".join(f"{name}={_encode(name, text)}" for name, text in fields if text)


def _encode(name: str, text: str) -> str:
    """Percent-encode; a space is %20, and the @ of `pa` stays, or Google Pay refuses it."""
    return quote(text, safe="@" if name == "pa" else "")


def _check(link: PayLink) -> None:
    if not is_vpa(link.payee.vpa):
        raise ValueError("pa is not a VPA")
    if not _is_plain(link.payee.name, NAME_LENGTH_MAX) or not link.payee.name.strip():
        raise ValueError("pn is printable ASCII, and not empty")
    if not MCC.fullmatch(link.payee.mcc):
        raise ValueError("mc has four digits")
    if not REFERENCE.fullmatch(link.reference):
        raise ValueError("tr has 4 to 35 letters and digits")
    if not _is_plain(link.note, NOTE_LENGTH_MAX):
        raise ValueError(f"tn is printable ASCII, at most {NOTE_LENGTH_MAX}")
    if link.money.currency != "INR" or link.money.minor <= 0:
        raise ValueError("am is more than nothing, in INR")


def _is_plain(text: str, length_max: int) -> bool:
    return text.isascii() and (text.isprintable() or not text) and len(text) <= length_max
