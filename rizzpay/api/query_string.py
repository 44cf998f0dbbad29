"""A query string becomes names with their values, strictly; schemas.py gives them types."""

import urllib.parse

from rizzpay.api.bodies import dotted, refuse_bad_text, refuse_card_data_in
from rizzpay.core import sensitive
from rizzpay.core.errors import Refused

PARAMETERS_MAX = 50
LENGTH_MAX = 8_192  # characters; HAProxy refuses longer request lines anyway


def parse(text: str) -> dict[str, list[str]]:
    """Return every parameter with its values in order.

    Raises Refused: malformed_request, invalid_request, pan_not_accepted, cvv_not_accepted.
    """
    if not text:
        return {}
    if len(text) > LENGTH_MAX or not text.isascii():
        raise Refused("malformed_request", "The query string is too long or not encoded.")
    try:
        pairs = urllib.parse.parse_qsl(
            text, keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS_MAX
        )
    except ValueError:  # broken UTF-8 or too many parameters
        raise Refused("malformed_request", "The query string cannot be decoded.") from None
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        refuse_card_data_in(name, None)
        param = dotted((name,))
        if sensitive.is_cvv_name(name):
            raise Refused("cvv_not_accepted")
        refuse_card_data_in(value, param)
        refuse_bad_text(name, None)
        refuse_bad_text(value, param)
        found.setdefault(name, []).append(value)
    return found
