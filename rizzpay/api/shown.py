"""What objects of the API are made of: their base, a page of them, times and amounts."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Time = Annotated[int, Meta(ge=0, description="Unix seconds, UTC.")]
Minor = Annotated[int, Meta(ge=0, description="Minor units of the currency: paise for INR.")]


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """Part of an answer."""


class Listed(Shown, frozen=True, kw_only=True):
    """A page; pass `next_cursor` as `cursor` for the one after it."""

    object: Literal["list"] = "list"
    url: str
    has_more: bool
    next_cursor: str | None
