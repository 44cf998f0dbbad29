"""BharatQR as a payer's app reads it: EMVCo's objects, told as the fields of a UPI link. Pure.

Source: EMV QRCPS Merchant-Presented Mode 1.1, and BharatQR's objects 26 and 27 for UPI.
"""

import binascii

from rizzpay.sandbox.wire import Refused

CHECKSUM_BYTES = 4
UPI = b"A000000524"
RUPEE = b"356"


def read(text: str) -> dict[str, str]:
    """Return the fields of a UPI link that says the same; raises Refused(422, invalid)."""
    raw = text.encode()
    covered, given = raw[:-CHECKSUM_BYTES], raw[-CHECKSUM_BYTES:]
    # the same polynomial and direction; CCITT-FALSE begins with all ones
    if given != b"%04X" % binascii.crc_hqx(covered, 0xFFFF):
        raise Refused(422, "invalid", "The checksum of the BharatQR is wrong.")
    try:
        return _fields(raw)
    except (KeyError, ValueError, UnicodeDecodeError):
        raise Refused(422, "invalid", "This is not a BharatQR for UPI.") from None


def _fields(raw: bytes) -> dict[str, str]:
    objects = _objects(raw)
    account, reference = _objects(objects["26"]), _objects(objects["27"])
    if account["00"] != UPI or reference["00"] != UPI or objects["53"] != RUPEE:
        raise ValueError
    fields = {
        "pa": account["01"],
        "pn": objects["59"],
        "mc": objects["52"],
        "tr": reference["01"],
        "cu": b"INR",
        "mode": b"22" if objects["01"] == b"12" else b"19",
    }
    if "54" in objects:
        fields["am"] = objects["54"]
    return {name: value.decode() for name, value in fields.items()}


def _objects(raw: bytes) -> dict[str, bytes]:
    """Split bytes into objects by id; raises ValueError when they do not come out even."""
    found, place = {}, 0
    while place < len(raw):
        size = int(raw[place + 2 : place + 4])
        value = raw[place + 4 : place + 4 + size]
        if len(value) != size:
            raise ValueError
        found[raw[place : place + 2].decode()] = value
        place += 4 + size
    return found
