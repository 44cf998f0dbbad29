"""What a QR code in an image says; only for the mock UPI app, and an extra of the installation.

It shares no code with qr_image.py, which draws them.
"""

from pathlib import Path

import zxingcpp
from PIL import Image, UnidentifiedImageError

from rizzpay.core.errors import Refused


def read(path: Path) -> str:
    """Return the text of the only QR code in an image file; raises Refused(invalid_request)."""
    try:
        with Image.open(path) as picture:
            found = zxingcpp.read_barcodes(picture.convert("L"))
    except (OSError, UnidentifiedImageError):
        raise Refused("invalid_request", f"{path} is not an image that can be opened.") from None
    if len(found) != 1:
        raise Refused("invalid_request", f"{path} has {len(found)} codes; one is wanted.")
    try:
        return bytes(found[0].bytes).decode()
    except UnicodeDecodeError:
        raise Refused("invalid_request", f"{path}: the code is not UTF-8.") from None
