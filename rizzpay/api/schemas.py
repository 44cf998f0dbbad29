"""What a merchant may send: one struct a body or query string.

The structs are the validation and, through openapi.py, the documentation. They never travel
further than this layer: intake.py makes the domain's types of them. `check` is the only way in;
its messages say what is expected and never what was sent.
"""

import functools
import re
import types
import typing
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from rizzpay.api.bodies import AMOUNT_MESSAGE, dotted
from rizzpay.core.errors import Refused
from rizzpay.core.money import AMOUNT_MAX

Body = TypeVar("Body", bound=msgspec.Struct)

# One line of text: no controls, nothing that turns the direction of writing.
PLAIN = r"^[^\u0000-\u001f\u007f\u2028\u2029\u202a-\u202e\u2066-\u2069]*$"
Amount = Annotated[
    int, Meta(ge=1, le=AMOUNT_MAX, description="Minor units of the currency: paise for INR.")
]
Currency = Literal["INR", "USD", "EUR", "GBP", "AED", "SGD", "JPY", "KWD"]
PaymentId = Annotated[str, Meta(pattern="^pay_[0-9A-HJKMNP-TV-Z]{26}$")]
Reference = Annotated[
    str, Meta(min_length=1, max_length=40, pattern=PLAIN, description="Your own reference.")
]
Words = Annotated[str, Meta(min_length=1, max_length=255, pattern=PLAIN)]
Note = Annotated[str, Meta(max_length=255, pattern=PLAIN)]
Metadata = Annotated[
    dict[
        Annotated[str, Meta(pattern="^[A-Za-z0-9_.-]{1,40}$")],
        Annotated[str, Meta(max_length=256)],
    ],
    Meta(max_length=15, description="Pairs of your own. No card, CVV or Aadhaar numbers."),
]
Vpa = Annotated[str, Meta(pattern="^[A-Za-z0-9._-]{2,256}@[A-Za-z][A-Za-z0-9]{1,63}$")]
UnixTime = Annotated[int, Meta(ge=0, le=253_402_300_799, description="Unix seconds, UTC.")]
PageSize = Annotated[int, Meta(ge=1, le=100)]
Cursor = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,1024}$")]
Scope = Literal[
    "payments:read",
    "payments:write",
    "refunds:read",
    "refunds:write",
    "events:read",
    "webhooks:read",
    "webhooks:write",
    "balance:read",
    "keys:read",
    "keys:write",
    "routing:read",
    "routing:propose",
    "routing:approve",
]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An object in which nothing unknown is tolerated."""


class CardMethod(_Strict, tag_field="type", tag="card", frozen=True, kw_only=True):
    """A card, by the token that stands for it; without one, the gateway's page asks for it."""

    token: Annotated[str, Meta(pattern="^tok_[A-Za-z0-9_]{1,60}$")] | None = None


class UpiMethod(_Strict, tag_field="type", tag="upi", frozen=True, kw_only=True):
    """UPI: a link or QR for the customer's app, or a request to it where that is permitted."""

    flow: Literal["intent", "qr", "collect"] = "intent"
    vpa: Vpa | None = None


class NetBankingMethod(_Strict, tag_field="type", tag="netbanking", frozen=True, kw_only=True):
    """Redirect to the customer's bank."""

    bank: Annotated[str, Meta(pattern="^[A-Z]{3,11}$", examples=["HDFC"])]


class WalletMethod(_Strict, tag_field="type", tag="wallet", frozen=True, kw_only=True):
    """Redirect to a wallet."""

    wallet: Literal["paytm", "phonepe", "amazonpay"]


class BankTransferMethod(_Strict, tag_field="type", tag="bank_transfer", frozen=True, kw_only=True):
    """The customer pays into an account number made for this payment."""


AnyMethod = CardMethod | UpiMethod | NetBankingMethod | WalletMethod | BankTransferMethod


class Customer(_Strict, frozen=True, kw_only=True):
    """Who pays; stored encrypted."""

    name: Annotated[str, Meta(min_length=1, max_length=100, pattern=PLAIN)] | None = None
    email: (
        Annotated[
            str,
            Meta(max_length=254, pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+$"),
        ]
        | None
    ) = None
    phone: Annotated[str, Meta(pattern=r"^\+?[0-9]{7,15}$")] | None = None


class PaymentBody(_Strict, frozen=True, kw_only=True):
    """Collect an amount from a customer."""

    amount: Amount
    currency: Currency = "INR"
    method: AnyMethod
    capture_method: Annotated[
        Literal["automatic", "manual"], Meta(description="manual: cards only.")
    ] = "automatic"
    reference: Reference | None = None
    description: Words | None = None
    customer: Customer | None = None
    metadata: Metadata | UnsetType = UNSET
    notes: Annotated[Metadata, Meta(description="Another name of metadata.")] | UnsetType = UNSET
    return_url: Annotated[str, Meta(max_length=2048, pattern=r"^https?://[!-~]+$")] | None = None


class CaptureBody(_Strict, frozen=True, kw_only=True):
    """Take what was authorized, all or a part."""

    amount: Annotated[Amount, Meta(description="All that is left when missing.")] | None = None
    final: Annotated[bool, Meta(description="Release what is left afterwards.")] = True


class CancelBody(_Strict, frozen=True, kw_only=True):
    """Call a payment off, or release what is authorized."""

    reason: Words | None = None


class RefundBody(_Strict, frozen=True, kw_only=True):
    """Give captured money back to the same instrument."""

    payment_id: PaymentId
    amount: Annotated[Amount, Meta(description="All that is left when missing.")] | None = None
    reason: Words | None = None
    reference: Reference | None = None
    metadata: Metadata | UnsetType = UNSET
    notes: Annotated[Metadata, Meta(description="Another name of metadata.")] | UnsetType = UNSET


class NoBody(_Strict, frozen=True, kw_only=True):
    """Nothing: an empty body or an empty object."""


class ApiKeyBody(_Strict, frozen=True, kw_only=True):
    """A second key, for rotation or for a part of the work."""

    label: Annotated[str, Meta(max_length=80, pattern=PLAIN)] = ""
    scopes: (
        Annotated[list[Scope], Meta(min_length=1, max_length=10, description="Default: all yours.")]
        | None
    ) = None
    allowed_cidrs: Annotated[
        list[Annotated[str, Meta(max_length=43, examples=["203.0.113.0/24"])]],
        Meta(max_length=20, description="IPv4 or IPv6 networks; empty: from anywhere."),
    ] = []
    expires_at: UnixTime | None = None


EventPattern = Annotated[str, Meta(pattern=r"^(\*|[a-z_]{1,40}\.(\*|[a-z_]{1,40}))$")]
EventPatterns = Annotated[
    list[EventPattern],
    Meta(min_length=1, max_length=50, description="Event types, `payment.*` or `*`."),
]
TargetUrl = Annotated[str, Meta(max_length=2048, pattern=r"^https?://[!-~]+$")]


class WebhookEndpointBody(_Strict, frozen=True, kw_only=True):
    """Where events are sent to."""

    url: TargetUrl
    event_types: EventPatterns = msgspec.field(default_factory=lambda: ["*"])
    description: Note = ""


class WebhookEndpointChange(_Strict, frozen=True, kw_only=True):
    """What is to be different."""

    url: TargetUrl | UnsetType = UNSET
    event_types: EventPatterns | UnsetType = UNSET
    description: Note | UnsetType = UNSET
    status: Literal["enabled", "disabled"] | UnsetType = UNSET


class ReplayBody(_Strict, frozen=True, kw_only=True):
    """To one endpoint, whatever types it asked for; or to all that take the event."""

    endpoint_id: Annotated[str, Meta(pattern="^whe_[0-9A-HJKMNP-TV-Z]{26}$")] | None = None


class PageQuery(_Strict, frozen=True, kw_only=True):
    """A page of a list, newest first."""

    limit: PageSize = 10
    cursor: Cursor | None = None


class PaymentsQuery(PageQuery, frozen=True, kw_only=True):
    """A page of payments."""

    status: (
        Literal[
            "created",
            "requires_action",
            "processing",
            "authorized",
            "partially_captured",
            "captured",
            "failed",
            "cancelled",
            "expired",
            "unknown",
            "conflicted",
            "requires_merchant_action",
        ]
        | None
    ) = None
    created_gte: UnixTime | None = msgspec.field(default=None, name="created[gte]")
    created_lt: UnixTime | None = msgspec.field(default=None, name="created[lt]")
    reference: Reference | None = None
    customer_email: Annotated[str, Meta(min_length=3, max_length=254)] | None = None
    customer_phone: Annotated[str, Meta(pattern=r"^\+?[0-9]{7,15}$")] | None = None
    expand: list[Literal["attempts"]] = msgspec.field(default_factory=list, name="expand[]")


class PaymentQuery(_Strict, frozen=True, kw_only=True):
    """How to show one payment."""

    sync: Annotated[bool, Meta(description="Ask the gateway first, at most five seconds.")] = False
    expand: list[Literal["attempts"]] = msgspec.field(default_factory=list, name="expand[]")


class RefundsQuery(PageQuery, frozen=True, kw_only=True):
    """A page of refunds."""

    payment_id: PaymentId | None = None


class EventsQuery(_Strict, frozen=True, kw_only=True):
    """Events in the order of their sequence."""

    after_sequence: Annotated[int, Meta(ge=0, le=AMOUNT_MAX)] = 0
    limit: PageSize = 10
    type: EventPattern | None = None


class NoQuery(_Strict, frozen=True, kw_only=True):
    """No parameters."""


def check(value: dict[str, Any], wanted: type[Body]) -> Body:
    """Return the struct; raises Refused(invalid_request) that names the field."""
    try:
        return msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        raise _refusal(str(error)) from None


def check_query(values: dict[str, list[str]], wanted: type[Body]) -> Body:
    """Return the struct of a query string; texts become integers and booleans where they are."""
    kinds = _kinds(wanted)
    parsed: dict[str, Any] = {}
    for name, found in values.items():
        kind = kinds.get(name, str)
        if kind is not list and len(found) > 1:
            raise Refused(
                "invalid_request", "The parameter may appear only once.", param=dotted((name,))
            )
        parsed[name] = found if kind is list else _scalar(found[0], kind)
    return check(parsed, wanted)


@functools.cache
def _kinds(wanted: type[msgspec.Struct]) -> dict[str, type]:
    """Return what each parameter of a query is written as."""
    hints = typing.get_type_hints(wanted)
    return {
        field.encode_name: _plain(hints[field.name]) for field in msgspec.structs.fields(wanted)
    }


def _plain(hint: Any) -> type:
    """Return int, bool, list or str: what a parameter with this annotation is written as."""
    if typing.get_origin(hint) in {types.UnionType, typing.Union}:
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    origin = typing.get_origin(hint) or hint
    return origin if origin in {int, bool, list} else str


def _scalar(text: str, kind: type) -> Any:
    if kind is int and re.fullmatch(r"-?(0|[1-9][0-9]{0,17})", text):
        return int(text)
    if kind is bool and text in {"true", "false"}:
        return text == "true"
    return text


_AT = re.compile(r" - at `(?:key` in `)?\$(?P<path>[^`]*)`$")
_NAMED = re.compile(r"^Object (?P<what>missing required|contains unknown) field `(?P<name>.*)`$")
_LIMIT = re.compile(r"^Expected `\w+`( of length)? (<=|>=|<|>) -?\d+$")
_TYPE = re.compile(r"^Expected `[\w| ]+`, got `\w+`$")


def _refusal(text: str) -> Refused:
    """Turn msgspec's sentence into ours; it may hold the client's value, ours does not."""
    match = _AT.search(text)
    sentence = text[: match.start()] if match else text
    path = _steps(match["path"] if match else "")
    named = _NAMED.match(sentence)
    if named:
        path = (*path, named["name"])
        missing = named["what"].startswith("missing")
        sentence = "This field is required." if missing else "There is no such field."
    elif path == ("amount",) and _TYPE.match(sentence):
        sentence = AMOUNT_MESSAGE
    elif not (_LIMIT.match(sentence) or _TYPE.match(sentence)):
        sentence = _EXPECTED.get(path, "The value is not one that this field can have.")
    return Refused("invalid_request", sentence, param=dotted(path))


def _steps(path: str) -> tuple[str, ...]:
    """Split msgspec's `.a.b[0][...]` into names, dropping `...`, which stands for any key."""
    names = re.findall(r"\.([^.\[\]]+(?:\[[a-z]+\]|\[\])?)|\[(\d+)\]", path)
    return tuple(name or index for name, index in names)


_EXPECTED: dict[tuple[str, ...], str] = {
    ("currency",): "The currency is an ISO 4217 code in capital letters: INR.",
    ("method", "type"): "The type is card, upi, netbanking, wallet or bank_transfer.",
    ("method", "token"): "A token is tok_ and up to 60 letters, digits or underscores.",
    ("method", "vpa"): "A VPA is name@handle.",
    ("method", "flow"): "The flow is intent, qr or collect.",
    ("method", "bank"): "The bank is a code of 3 to 11 capital letters, like HDFC.",
    ("method", "wallet"): "The wallet is paytm, phonepe or amazonpay.",
    ("metadata",): "A key is 1 to 40 of A-Z a-z 0-9 _ . -, a value a text of at most 256.",
    ("notes",): "A key is 1 to 40 of A-Z a-z 0-9 _ . -, a value a text of at most 256.",
    ("customer", "email"): "The email is name@domain.",
    ("customer", "phone"): "The phone is 7 to 15 digits, perhaps with + in front.",
    ("type",): "The type is upi_qr or bharat_qr.",
    ("usage",): "The usage is single_use or multiple_use.",
    ("payment_id",): "The id is pay_ and 26 letters and digits.",
    ("return_url",): "The URL begins with https:// and has no blanks.",
    ("url",): "The URL begins with https:// and has no blanks.",
}
