"""Finds what may never come in or be logged: card numbers, verification values, Aadhaar numbers.

It recognises; it decides nothing and keeps nothing. A card number is a run of digits, perhaps
with spaces or dashes between, that has the length and the first digits of a card network and a
right check digit (ISO/IEC 7812-1). Ids, times and bank references mostly fail one of the three.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator

# (lowest, highest first six digits, lengths). Sources: ISO/IEC 7812-1 and the networks' published
# ranges. Maestro's 12 to 15 digits are left out: every 12-digit bank reference (RRN) of some days
# of the year would look like one.
NETWORKS: tuple[tuple[int, int, tuple[int, ...]], ...] = (
    (222_100, 272_099, (16,)),  # Mastercard
    (300_000, 305_999, (14, 16, 19)),  # Diners Club
    (340_000, 349_999, (15,)),  # American Express
    (352_800, 358_999, (16, 19)),  # JCB
    (360_000, 369_999, (14, 16, 19)),  # Diners Club
    (370_000, 379_999, (15,)),  # American Express
    (380_000, 389_999, (14, 16, 19)),  # Diners Club
    (400_000, 499_999, (13, 16, 19)),  # Visa
    (501_800, 501_899, (16, 18, 19)),  # Maestro
    (502_000, 502_099, (16, 18, 19)),  # Maestro
    (503_800, 503_899, (16, 18, 19)),  # Maestro
    (508_000, 508_999, (16,)),  # RuPay
    (510_000, 559_999, (16,)),  # Mastercard
    (560_000, 589_999, (16, 18, 19)),  # Maestro
    (600_000, 609_999, (16, 19)),  # RuPay, Discover
    (620_000, 629_999, (16, 17, 18, 19)),  # UnionPay
    (630_400, 630_499, (16, 18, 19)),  # Maestro
    (644_000, 659_999, (16, 19)),  # Discover, RuPay
    (670_000, 679_999, (16, 18, 19)),  # Maestro
    (810_000, 829_999, (16,)),  # RuPay
)
_LOWS = [low for low, _, _ in NETWORKS]
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)  # a digit doubled, its digits added
SHORTEST = 13  # digits of the shortest card number in the table
TRACK_SHORTEST = 12  # digits of the shortest number that a magnetic track is known by
CVV_SHORTEST = 3
_NO_DIGITS = bytes(set(range(256)) - set(b"0123456789"))

# Digits of one number may be parted by up to three of these: blanks, dashes, dots, underscores.
_SEPARATOR = r"[ \t\u00a0\u2010-\u2015\u2212\-._]"
_RUN = re.compile(rf"\d(?:{_SEPARATOR}{{0,3}}\d){{{SHORTEST - 1},}}")
# The same in ASCII, looked for where digits begin, and without ways back: a third of the time.
_ASCII_RUN = re.compile(rb"(?<!\d)\d(?:[ \t\-._]{0,3}+\d){%d}" % (SHORTEST - 1))
_GROUP = re.compile(r"\d+")
# UUIDs and long hexadecimal digests: random digits in them often pass for a card number.
_OPAQUE = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|(?=[0-9]*[a-f])[0-9a-f]{24,})(?![0-9A-Za-z])",
    re.IGNORECASE,
)
_TRACK = re.compile(rf"%B\d{{{TRACK_SHORTEST},19}}\^|;\d{{{TRACK_SHORTEST},19}}=", re.IGNORECASE)
_ASCII_TRACK = re.compile(_TRACK.pattern.encode(), re.IGNORECASE)
_SPOKEN_CVV = re.compile(rf"\b(?:cvv|cvc)2?\b\W{{0,4}}\d{{{CVV_SHORTEST},4}}\b", re.IGNORECASE)
_TWELVE = re.compile(r"(?<!\d)[2-9]\d{3}[ -]?\d{4}[ -]?\d{4}(?!\d)")
_INVISIBLE = dict.fromkeys(
    [0x00AD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
)
# Parts of names, and whole names, of fields for verification values and PINs; letters only.
CVV_PARTS = ("cvv", "cvc", "cvn", "securitycode", "verificationvalue")
_CVV_PART = re.compile("|".join(CVV_PARTS))
_NO_NAME = re.compile(r"[^a-z0-9]")
CVV_NAMES = frozenset({"cid", "csc", "cav2", "pin", "cardpin", "atmpin", "upipin", "mpin"})

# Verhoeff's dihedral check, which Aadhaar uses: multiplication and permutation tables.
_D5 = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_PERMUTED = (
    "0123456789", "1576283094", "5803796142", "8916043527",
    "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip


def fold(text: str) -> str:
    """Return `text` with every decimal digit as ASCII and without invisible characters."""
    if text.isascii():
        return text
    plain = unicodedata.normalize("NFKC", text).translate(_INVISIBLE)
    return "".join(
        str(unicodedata.decimal(sign)) if sign.isdecimal() and not sign.isascii() else sign
        for sign in plain
    )


def has_card_number(text: str) -> bool:
    """Tell whether a card number or a magnetic track stands in `text`."""
    folded = fold(text)
    return bool(_TRACK.search(folded)) or any(True for _ in _card_numbers(folded))


def may_be_card_data(raw: bytes) -> bool:
    """Tell quickly whether an ASCII text is worth the looks below; False means that it is not."""
    digits = len(raw.translate(None, _NO_DIGITS))
    if digits < CVV_SHORTEST:
        return False
    if digits >= TRACK_SHORTEST and (_ASCII_RUN.search(raw) or _ASCII_TRACK.search(raw)):
        return True
    return b"cv" in raw.lower() and bool(_SPOKEN_CVV.search(raw.decode("ascii")))


def has_spoken_cvv(text: str) -> bool:
    """Tell whether `text` says something like `CVV: 123`."""
    return bool(_SPOKEN_CVV.search(fold(text)))


def is_cvv_name(name: str) -> bool:
    """Tell whether a field of this name would carry a verification value or a PIN."""
    plain = _NO_NAME.sub("", fold(name).lower())
    return plain in CVV_NAMES or bool(_CVV_PART.search(plain))


def has_aadhaar(text: str) -> bool:
    """Tell whether twelve digits in `text` pass Aadhaar's check (UIDAI; Verhoeff 1969)."""
    return any(
        _passes_verhoeff(re.sub(r"\D", "", match.group())) for match in _TWELVE.finditer(fold(text))
    )


def mask(text: str) -> str:
    """Return `text` with card numbers, tracks and spoken CVVs taken out."""
    folded = fold(text)
    found = list(_card_numbers(folded))
    if not found and not _TRACK.search(folded) and not _SPOKEN_CVV.search(folded):
        return text
    for start, end in reversed(found):
        folded = f"{folded[:start]}[card]{folded[end:]}"
    return _SPOKEN_CVV.sub("[cvv]", _TRACK.sub("[track]", folded))


def _card_numbers(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each card number, left to right, without overlaps."""
    text = _OPAQUE.sub(lambda match: "x" * len(match.group()), text)
    for run in _RUN.finditer(text):
        groups = [match.span() for match in _GROUP.finditer(text, run.start(), run.end())]
        yield from _cards_in_run(text, groups)


def _cards_in_run(text: str, groups: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the cards that are made of whole neighbouring groups; linear in the digits."""
    digits = "".join(text[start:end] for start, end in groups)
    sums = _luhn_sums(digits)
    ends: dict[int, int] = {}  # digits before the end of a group -> where it ends in `text`
    count = 0
    for start, end in groups:
        count += end - start
        ends[count] = end
    first = taken = 0
    for start, end in groups:
        if first >= taken:
            for length in _lengths(digits[first : first + 6]):
                last = first + length
                if last in ends and _luhn_holds(sums, first, last):
                    yield start, ends[last]
                    taken = last
                    break
        first += end - start


def _lengths(beginning: str) -> tuple[int, ...]:
    """Return the lengths that a card number with these first six digits may have."""
    if len(beginning) < len("444444"):
        return ()
    number = int(beginning)
    row = bisect_right(_LOWS, number) - 1
    if row < 0 or number > NETWORKS[row][1]:
        return ()
    return NETWORKS[row][2]


def _luhn_sums(digits: str) -> tuple[list[int], list[int]]:
    """Return prefix sums with the odd, and with the even, places doubled as Luhn does."""
    odd, even = [0], [0]
    for place, sign in enumerate(digits):
        digit = ord(sign) - 48
        doubled = _DOUBLED[digit]
        odd.append(odd[-1] + (doubled if place % 2 else digit))
        even.append(even[-1] + (digit if place % 2 else doubled))
    return odd, even


def _luhn_holds(sums: tuple[list[int], list[int]], first: int, last: int) -> bool:
    """Tell whether digits first … last-1 have a right check digit."""
    doubled = sums[(last - 1) % 2]  # the last digit itself is not doubled
    return (doubled[last] - doubled[first]) % 10 == 0


def _passes_verhoeff(digits: str) -> bool:
    check = 0
    for place, digit in enumerate(reversed(digits)):
        check = int(_D5[check][int(_PERMUTED[place % 8][int(digit)])])
    return check == 0
