"""The log: one JSON object a line on standard output, scrubbed as the last step.

An event is named `subject.verb` and carries key=value pairs. Bodies, headers and SQL never come
here; personal data is `Secret` and prints as nothing. The scrubber is the wall behind that: card
numbers, CVVs, e-mails, phones, VPAs and secrets that slipped into a text are taken out.

The line that every request gets goes another way: a struct whose fields hold nothing but names,
numbers and ids of our own (see `RequestLine`), gathered until `flush`, which whoever serves
requests calls every second. Lines of the other kind are written at once, after what was gathered
before them.
"""

import atexit
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from datetime import datetime
from typing import Any, BinaryIO

import msgspec
import structlog
from msgspec import UNSET, UnsetType

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


class RequestLine(msgspec.Struct, frozen=True, gc=False, tag_field="event", tag="request.finished"):
    """What is said of a request that is over.

    Nothing here needs the scrubber, because nothing is a client's text: `method` and `route` are
    names of the route table, `merchant` and `key` ids of rows that exist, `code` is a row of the
    catalog. A `request_id` that a client chose has passed `scrubbed` before.
    """

    method: str
    route: str
    status: int
    duration_ms: float
    request_id: str
    timestamp: datetime
    merchant: str | UnsetType = UNSET
    key: str | UnsetType = UNSET
    code: str | UnsetType = UNSET
    level: str = "info"
    module: str = "rizzpay.api.gate"


_GATHERED_MAX = 200  # lines, about 64 KiB: what a pipe takes at once
_ENCODER = msgspec.json.Encoder()


class _Out:
    """The stream, and the lines that wait for it."""

    def __init__(self, stream: BinaryIO, level: int) -> None:
        self._stream = stream
        self._requests: list[RequestLine] = []  # written out together: half of the cost
        self._others: list[bytes] = []
        self.level = level

    def gather(self, line: RequestLine) -> None:
        self._requests.append(line)
        if len(self._requests) >= _GATHERED_MAX:
            self.flush()

    def write(self, line: bytes) -> None:
        self._others.append(line)

    def flush(self) -> None:
        """Write what waits; a line of the other kind is flushed at once, so it comes last."""
        requests, self._requests = self._requests, []
        others, self._others = self._others, []
        if (requests or others) and not self._stream.closed:  # who closed it wants no more of us
            self._stream.write(_ENCODER.encode_lines(requests) + b"".join(others))
            self._stream.flush()


_out = _Out(sys.stdout.buffer, logging.INFO)


def configure(level: str, stream: BinaryIO | None = None) -> None:
    """Set the log up for this process; `level` is debug, info or warning."""
    global _out  # noqa: PLW0603 - a process has one log, as it has one standard output
    flush()
    _out = _Out(stream or sys.stdout.buffer, LEVELS.get(level, logging.INFO))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _scrub,
            structlog.processors.JSONRenderer(serializer=_serialize),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_out.level),
        logger_factory=structlog.BytesLoggerFactory(_out),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )


def request_finished(line: RequestLine) -> None:
    """Write the line of a request, within a second."""
    if _out.level <= logging.INFO:
        _out.gather(line)


def flush() -> None:
    """Write what was gathered."""
    _out.flush()


atexit.register(flush)


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
