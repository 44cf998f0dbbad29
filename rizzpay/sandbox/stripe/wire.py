"""What Stripe's callers may send, and how it refuses. Pure.

Bodies are forms with brackets: `a[b][0]=c`. Sources: api/errors, api/idempotent_requests,
api/checkout/sessions/create, api/payment_intents/capture, api/refunds/create of docs.stripe.com.
"""

from collections.abc import Collection
from typing import Any
from urllib.parse import parse_qsl

INVALID, CARD, IDEMPOTENCY = "invalid_request_error", "card_error", "idempotency_error"
DIGITS_MAX = 8  # Stripe's largest amount has eight digits


class Wrong(Exception):
    """A request that is refused with the documented body."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str | None = None,
        param: str | None = None,
        kind: str = INVALID,
    ) -> None:
        """Keep what the body says."""
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.param = param
        self.kind = kind

    def body(self) -> dict[str, Any]:
        """Return the error object."""
        error: dict[str, Any] = {"message": self.message, "type": self.kind}
        if self.code is not None:
            error["code"] = self.code
            error["doc_url"] = f"https://stripe.com/docs/error-codes/{self.code.replace('_', '-')}"
        if self.param is not None:
            error["param"] = self.param
        return {"error": error}


class Form:
    """The parameters of a request, each asked for once."""

    def __init__(self, body: bytes, known: Collection[str]) -> None:
        """Read a body; raises Wrong for a parameter that the endpoint does not know."""
        self.fields = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        for name in self.fields:
            if name.split("[")[0] not in known:
                raise Wrong(
                    f"Received unknown parameter: {name}", code="parameter_unknown", param=name
                )

    def text(self, name: str, default: str | None = None) -> str:
        """Return a parameter; raises Wrong when it is needed and not there."""
        value = self.fields.get(name, default)
        if value is None:
            raise Wrong(f"Missing required param: {name}.", code="parameter_missing", param=name)
        return value

    def integer(self, name: str, default: int | None = None) -> int:
        """Return a whole number of zero or more; raises Wrong."""
        value = self.text(name, None if default is None else str(default))
        if not (value.isascii() and value.isdigit()):
            raise Wrong(f"Invalid integer: {value}", code="parameter_invalid_integer", param=name)
        if len(value) > DIGITS_MAX and "amount" in name:
            raise Wrong("Amount must be no more than ₹999,999.99", code="amount_too_large")
        return int(value)

    def metadata(self, prefix: str = "metadata") -> dict[str, str]:
        """Return what the caller attached."""
        begin = f"{prefix}["
        return {
            name[len(begin) : -1]: value
            for name, value in self.fields.items()
            if name.startswith(begin) and name.endswith("]")
        }
