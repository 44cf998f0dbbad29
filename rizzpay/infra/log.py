"""The log: one JSON object a line on standard output, scrubbed as the last step.

An event is named `subject.verb` and carries key=value pairs. Bodies, headers and SQL never come
here; personal data is `Secret` and prints as nothing. The scrubber is the wall behind that: card
numbers, CVVs, e-mails, phones, VPAs and secrets that slipped into a text are taken out.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, BinaryIO

import msgspec
import structlog

from rizzpay.core import sensitive

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}
HIDDEN = "[hidden]"
DEPTH_MAX = 6

# Fields that hold a secret whatever their value looks like.
_SECRET_NAME = re.compile(
    r"secret|password|passwd|authorization|cookie|pepper|\bpin\b|private|token$|^token|otp",
    re.IGNORECASE,
)
_NOT_SECRET = frozenset({"lease_token", "token_label"})
# A cheap first look: most texts have nothing that the expensive looks could find.
_SUSPECT = re.compile(
    r"@|\d[\d .\-]{8,}|[^\x00-\x7f]|whsec_|Basic |Bearer |tok_|cv[vc]", re.IGNORECASE
)
_ADDRESS = re.compile(r"[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9.\-]{2,255}")  # e-mail or VPA
_PHONE = re.compile(r"(?<![\w.+-])(?:\+\d{10,14}|(?:91|0)?[6-9]\d{9})(?![\w-])")
_CREDENTIAL = re.compile(
    r"(?:Basic|Bearer)\s+[A-Za-z0-9+/=_.\-]{8,}|whsec_[A-Za-z0-9+/=]{8,}|tok_[A-Za-z0-9_]+",
    re.IGNORECASE,
)


def configure(level: str, stream: BinaryIO | None = None) -> None:
    """Set the log up for this process; `level` is debug, info or warning."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _scrub,
            structlog.processors.JSONRenderer(serializer=_serialize),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS.get(level, logging.INFO)),
        logger_factory=structlog.BytesLoggerFactory(stream or sys.stdout.buffer),
        cache_logger_on_first_use=False,
    )


def get(name: str) -> Any:
    """Return a logger that says in every line which module speaks."""
    return structlog.get_logger(module=name)


def scrubbed(value: Any, depth: int = 0) -> Any:
    """Return `value` without anything that must not be in a log."""
    if isinstance(value, str):
        return _scrubbed_text(value)
    if isinstance(value, bool) or value is None or isinstance(value, float):
        return value
    if isinstance(value, int):
        return HIDDEN if sensitive.has_card_number(str(value)) else value
    if depth >= DEPTH_MAX:
        return HIDDEN
    if isinstance(value, Mapping):
        return {
            _scrubbed_text(str(name)): _scrubbed_field(str(name), held, depth)
            for name, held in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [scrubbed(part, depth + 1) for part in value]
    return _scrubbed_text(str(value))


def _scrub(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {name: _scrubbed_field(name, value, 0) for name, value in event.items()}


def _scrubbed_field(name: str, value: Any, depth: int) -> Any:
    if name not in _NOT_SECRET and (_SECRET_NAME.search(name) or sensitive.is_cvv_name(name)):
        return HIDDEN
    return scrubbed(value, depth + 1)


def _scrubbed_text(text: str) -> str:
    if not _SUSPECT.search(text):
        return text
    text = _CREDENTIAL.sub("[secret]", text)
    text = _ADDRESS.sub("[address]", sensitive.mask(text))
    return _PHONE.sub("[phone]", text)


def _serialize(event: Any, **_: Any) -> bytes:
    return msgspec.json.encode(event, enc_hook=str)
