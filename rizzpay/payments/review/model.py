"""An open matter: an amount of which nobody can say yet where it is, and what is known of it."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from rizzpay.core.values import value


class Fate(StrEnum):
    """Why the fate of an amount is open."""

    PROCESSING = "processing"  # asked for; the gateway has not decided, or nobody has heard
    UNKNOWN = "unknown"  # a request may have moved it
    CONFLICTED = "conflicted"  # the gateway says what cannot be
    REFUND_OWED = "refund_owed"  # we owe it to the customer and the gateway refused to give it back


@value
class Matter(Struct, frozen=True, gc=False):
    """One open matter. `object_id` is an attempt, a refund, or a conflicted payment.

    `amount` is in minor units of `currency`, as we asked for it. `next_enquiry_at` is None where
    nobody will ask again: then only a person or a callback can settle it. `evidence` is what the
    gateway said last, or why it is not known.
    """

    object_id: str
    payment_id: str
    merchant_id: str
    livemode: bool
    what: str  # authorize, capture, void or refund
    fate: Fate
    amount: int
    currency: str
    gateway: str
    gateway_reference: str | None
    rrn: str | None
    since: datetime
    enquiries: int
    next_enquiry_at: datetime | None
    evidence: str | None
    case_id: str | None
    case_reason: str | None
    case_opened_at: datetime | None


@value
class Wanted(Struct, frozen=True, gc=False):
    """Which open matters: those since before `since_before`; None takes all."""

    since_before: datetime
    merchant_id: str | None = None
    livemode: bool | None = None
    gateway: str | None = None
    fate: Fate | None = None
    object_id: str | None = None


@value
class Total(Struct, frozen=True, gc=False):
    """How many open matters of one fate there are, and how much that is; not a page of them."""

    fate: Fate
    livemode: bool
    currency: str
    count: int
    amount: int
