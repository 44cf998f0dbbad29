"""A text as the image of a QR code, PNG or SVG; the only place that knows segno.

Making one takes some ten milliseconds of Python, so it is done in a thread, and the last ones are
remembered: a code never changes what it says.
"""

import functools
import io

import gevent
import segno

ERROR_CORRECTION = "m"  # 15 % of it may be unreadable; features C-II asks for M or better
QUIET_MODULES = 4  # of white round it: ISO/IEC 18004
PIXELS_A_MODULE = 8
REMEMBERED = 256  # a few kilobytes each


def image(text: str, kind: str) -> bytes:
    """Return the image of a text as `kind`: png or svg. Raises ValueError when it is too long."""
    made: bytes = gevent.get_hub().threadpool.apply(_image, (text, kind))
    return made


@functools.lru_cache(REMEMBERED)
def _image(text: str, kind: str) -> bytes:
    code = segno.make_qr(text, error=ERROR_CORRECTION, boost_error=False, encoding="utf-8")
    written = io.BytesIO()
    code.save(written, kind=kind, scale=PIXELS_A_MODULE, border=QUIET_MODULES)
    return written.getvalue()
