"""UPI links and BharatQR as a payer's app reads them: what the sandbox needs of one. Pure.

It reads links that the acquirer's answer led to, and links that a merchant's side made by itself;
which of the two one is, its payee says. A merchant's own link is for one attempt, which is paid
once, or it is a code that stands for any number of payments: those it leaves to the merchant.
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from rizzpay.core.money import AMOUNT_MAX
from rizzpay.sandbox import bharat_qr
from rizzpay.sandbox.wire import Refused

PAYEE = "rizzpay.sandbox@rizzpay"  # of the links that our answers lead to
REFERENCE = re.compile(r"[A-Za-z0-9]{4,35}")  # `tr`, as NPCI's linking specification allows it
OWN_ID = re.compile(r"([a-z]{2,8})([0-9A-Z]{26})")  # an id without the underscore after its prefix
RUPEES = re.compile(r"([0-9]{1,14})\.([0-9]{2})")
FLOW_OF_MODE = {"04": "intent"} | dict.fromkeys(("15", "16", "19", "20", "22", "23"), "qr")
STANDING = re.compile(r"(qr[0-9A-Z]{26})(-[0-9A-Z]{26})?")  # a code, or one payment by it


@dataclass(frozen=True, slots=True)
class OwnLink:
    """A link that a merchant's side made: what it says it is about, and how much, in paise."""

    attempt_id: str
    amount: int
    flow: str


def read(text: str) -> dict[str, str]:
    """Return the fields of an upi://pay link, or of a BharatQR as if it were one.

    Raises Refused(422, invalid).
    """
    if text.startswith("000201"):
        return bharat_qr.read(text)
    parts = urlsplit(text)
    if parts.scheme != "upi" or parts.netloc != "pay":
        raise Refused(422, "invalid", "This is not an upi://pay link.")
    return {name: texts[-1] for name, texts in parse_qs(parts.query).items()}


def own(fields: dict[str, str], typed: int | None = None) -> OwnLink:
    """Return what a merchant's own link asks for; raises Refused(422, invalid).

    The customer has to have `typed` an amount where the link has none, and nowhere else.
    """
    reference, rupees = fields.get("tr", ""), RUPEES.fullmatch(fields.get("am", ""))
    asked = int(rupees[1]) * 100 + int(rupees[2]) if rupees else None
    amount = (typed if "am" not in fields else asked) or 0
    right = {
        "tr": REFERENCE.fullmatch(reference) is not None,
        "am": 0 < amount <= AMOUNT_MAX and (typed is None or "am" not in fields),
        "cu": fields.get("cu") == "INR",
        "mode": fields.get("mode") in FLOW_OF_MODE,
    }
    wrong = [name for name, is_right in right.items() if not is_right]
    if wrong:
        raise Refused(422, "invalid", f"The link is wrong in: {', '.join(wrong)}.")
    return OwnLink(attempt_of(reference), amount, FLOW_OF_MODE[fields["mode"]])


def attempt_of(reference: str) -> str:
    """Return the attempt_id that a `tr` stands for; one of another form is its own id."""
    if STANDING.fullmatch(reference):
        return reference
    own_id = OWN_ID.fullmatch(reference)
    return f"{own_id[1]}_{own_id[2]}" if own_id else reference


def code_of(attempt_id: str) -> str | None:
    """Return the `tr` of the code that a payment came by; None for a payment of its own."""
    standing = STANDING.fullmatch(attempt_id)
    return standing[1] if standing else None
