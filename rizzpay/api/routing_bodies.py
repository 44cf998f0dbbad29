"""What an administrator may send about routing."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from rizzpay.api.schemas import Amount, Currency, PaymentId, UnixTime
from rizzpay.gateways.routing.rules import RuleSet

Version = Annotated[int, Meta(ge=1, le=2**53)]


class RuleSetBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """New rules, or the number of an older version whose rules are to be in force again."""

    rule_set: RuleSet | None = None
    restores: Version | None = None


class EvaluateBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A payment that might be; `version` null asks the rules in force, else any version.

    What is not given: the merchant of the key, now, and a payment id that nobody has.
    """

    method: Annotated[str, Meta(pattern="^[a-z_]{1,40}$")]
    amount: Amount
    currency: Currency = "INR"
    capture_method: Literal["automatic", "manual"] = "automatic"
    issuer: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    merchant_id: Annotated[str, Meta(pattern="^mer_[0-9A-HJKMNP-TV-Z]{26}$")] | None = None
    mcc: Annotated[str, Meta(pattern="^[0-9]{4}$")] | None = None
    payment_id: PaymentId | None = None
    at: UnixTime | None = None
    version: Version | None = None
