"""What RizzPay raises on purpose.

    RizzPayError
    ├── Refused        we said no; has a stable code, becomes one typed HTTP answer
    ├── Misconfigured  the installation cannot start like this; one sentence for the operator
    └── Unavailable    a part we need (database, HSM, cache) does not answer now

Expected outcomes of a gateway are values (`gateways.port.Outcome`), never exceptions. Anything
else that is raised is a bug: it ends the request with a bare 500 and a request id.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

NOTHING: Mapping[str, Any] = MappingProxyType({})


class RizzPayError(Exception):
    """Root of everything that is raised on purpose."""


class Refused(RizzPayError):
    """We said no. `code` is a row of `api.problems.CATALOG`, which knows status and type.

    `message` is for a human and never repeats what the client sent; `param` names the field;
    `extra` goes into the error object (payment_id, retry_after_s, original_request_id …).
    """

    def __init__(
        self,
        code: str,
        message: str = "",
        *,
        param: str | None = None,
        extra: Mapping[str, Any] = NOTHING,
    ) -> None:
        """Keep the parts; the catalog's own sentence is used when `message` is empty."""
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.param = param
        self.extra = extra


class Misconfigured(RizzPayError):
    """The installation cannot run as it is set up; the text says what to change."""


class Unavailable(RizzPayError):
    """A part that we depend on does not answer; nothing was decided because of it."""

    def __init__(self, part: str, detail: str = "") -> None:
        """Name the part: postgresql, cache, hsm, gateway."""
        super().__init__(f"{part}: {detail}" if detail else part)
        self.part = part
