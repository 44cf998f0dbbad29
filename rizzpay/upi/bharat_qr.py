"""BharatQR: what a QR code says in EMVCo's merchant-presented form. Pure.

A code is a row of objects, each an id of two digits, a length of two digits and that many bytes of
UTF-8. The last one is a checksum over all before it. Source: features b6 of the product's
specification, after BharatQR 4.0.1 and EMV QRCPS Merchant-Presented Mode 1.1.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from rizzpay.core.money import Money
from rizzpay.upi.model import JOINERS, REFERENCE, Payee, is_mcc, is_payee_name, is_vpa

VALUE_BYTES_MAX = 99  # the length has two digits
NAME_BYTES_MAX = 23
CITY_BYTES_MAX = 15
VPA_BYTES_MAX = 50
AMOUNT_BYTES_MAX = 13
PINCODE = re.compile(r"[1-9][0-9]{5}")
NPCI = "A000000524"  # the registered application provider of UPI
RUPEE = "356"  # ISO 4217
CRC_HEAD = "6304"  # the id and length of the checksum are part of what it covers
POLYNOMIAL = 0x1021  # CRC-16/CCITT-FALSE, from 0xFFFF, nothing reflected


@dataclass(frozen=True, slots=True)
class BharatQr:
    """One code. `reference` is UPI's `tr`; without `money` the payer types the amount."""

    payee: Payee
    reference: str
    money: Money | None
    many_times: bool  # static: it may be paid any number of times


def text_of(code: BharatQr) -> str:
    """Return what the image says; raises ValueError when a part breaks a rule of BharatQR."""
    _check(code)
    payee, money = code.payee, code.money
    upi = {"00": NPCI, "01": payee.vpa}
    fields = {
        "00": "01",
        "01": "11" if code.many_times else "12",
        "26": _objects(upi),
        "27": _objects({"00": NPCI, "01": code.reference}),
        "52": payee.mcc,
        "53": RUPEE,
        "54": money.decimal() if money is not None else "",
        "58": "IN",
        "59": payee.name,
        "60": payee.city,
        "61": payee.pincode,
    }
    covered = _objects({id_: value for id_, value in fields.items() if value}) + CRC_HEAD
    return f"{covered}{checksum(covered.encode()):04X}"


def checksum(covered: bytes) -> int:
    """Return the CRC-16 of bytes."""
    register = 0xFFFF
    for byte in covered:
        register ^= byte << 8
        for _ in range(8):
            register = (register << 1) ^ (POLYNOMIAL if register & 0x8000 else 0)
            register &= 0xFFFF
    return register


def cut_name(name: str) -> str:
    """Return as much of a name as a code has room for; a letter keeps its marks, or goes whole."""
    end = len(name)
    while end and (len(name[:end].encode()) > NAME_BYTES_MAX or _is_inside(name, end)):
        end -= 1
    return name[:end].rstrip()


def is_name(text: str) -> bool:
    """Tell whether a payee's name has room: 23 bytes of UTF-8, so 7 letters of most scripts."""
    return is_payee_name(text) and len(text.encode()) <= NAME_BYTES_MAX


def is_city(text: str) -> bool:
    """Tell whether a city has room: 15 bytes of UTF-8."""
    return is_payee_name(text) and len(text.encode()) <= CITY_BYTES_MAX


def is_pincode(text: str) -> bool:
    """Tell whether `text` has the form of an Indian postal code."""
    return PINCODE.fullmatch(text) is not None


def _is_inside(name: str, end: int) -> bool:
    """Tell whether what stands at `end` belongs to the letter before it."""
    if end == len(name):
        return False
    follows, before = name[end], name[end - 1]
    marks = unicodedata.category(follows).startswith("M")
    return marks or follows in JOINERS or before in JOINERS


def _objects(values: Mapping[str, str]) -> str:
    """Write objects one behind the other; lengths count bytes."""
    written = []
    for id_, value in values.items():
        size = len(value.encode())
        if size > VALUE_BYTES_MAX:
            raise ValueError(f"object {id_} has more than {VALUE_BYTES_MAX} bytes")
        written.append(f"{id_}{size:02d}{value}")
    return "".join(written)


def _check(code: BharatQr) -> None:
    payee = code.payee
    right = {
        "the VPA": is_vpa(payee.vpa) and len(payee.vpa) <= VPA_BYTES_MAX,
        "the reference": REFERENCE.fullmatch(code.reference) is not None,
        "the merchant category": is_mcc(payee.mcc),
        "the name": is_name(payee.name),
        "the city": is_city(payee.city),
        "the PIN code": is_pincode(payee.pincode),
        "the amount": code.money is None or _is_amount(code.money),
    }
    wrong = [what for what, is_right in right.items() if not is_right]
    if wrong:
        raise ValueError(f"BharatQR has no room for, or does not know, {', '.join(wrong)}")


def _is_amount(money: Money) -> bool:
    positive = money.currency == "INR" and money.minor > 0
    return positive and len(money.decimal()) <= AMOUNT_BYTES_MAX
