"""The one error object of the API, built from a row of the catalog.

Nothing here repeats what a client sent: `param` is the name of a field of ours, `message` is the
catalog's sentence or one that our own code made.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from rizzpay.api.catalog import CATALOG, Action, Kind, Source
from rizzpay.core.errors import NOTHING


class Connector(msgspec.Struct, frozen=True):
    """What the gateway itself said."""

    name: str
    code: str


class Error(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request was not done. Exactly one error an answer."""

    type: Kind
    code: str
    message: str
    param: str | UnsetType = UNSET
    source: Source
    step: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    recommended_action: Action
    connector: Connector | UnsetType = UNSET
    payment_id: str | UnsetType = UNSET
    refund_id: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    original_request_id: str | UnsetType = UNSET
    request_id: str | UnsetType = UNSET
    doc: str
    legacy_code: str | UnsetType = UNSET


class ErrorAnswer(msgspec.Struct, frozen=True):
    """The body of every answer of 400 and above."""

    error: Error


# What `Refused.extra` may add to the object; anything else in it is for our own code.
EXTRAS = frozenset(
    {
        "payment_id",
        "refund_id",
        "status",
        "original_request_id",
        "connector",
        "reason",
        "step",
        "source",
        "recommended_action",
    }
)


def error(
    code: str,
    message: str = "",
    *,
    param: str | None = None,
    request_id: str = "",
    extra: Mapping[str, Any] = NOTHING,
) -> Error:
    """Return the error object of a code; a code that is not in the catalog is internal_error."""
    problem = CATALOG.get(code, CATALOG["internal_error"])
    parts: dict[str, Any] = {
        "source": problem.source,
        "recommended_action": problem.action,
        "step": problem.step,
        "legacy_code": problem.legacy_code,
        "param": param,
        "request_id": request_id,
        **{name: value for name, value in extra.items() if name in EXTRAS},
    }
    return Error(
        type=problem.kind,
        code=problem.code,
        message=message or problem.meaning,
        doc=f"/docs/errors#{problem.code}",
        **{name: value for name, value in parts.items() if value},
    )


def status_of(code: str) -> int:
    """Return the HTTP status of a code."""
    return CATALOG.get(code, CATALOG["internal_error"]).status


def body(answer: Error) -> bytes:
    """Return the bytes of an error answer."""
    return msgspec.json.encode(ErrorAnswer(answer))
