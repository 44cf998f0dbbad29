"""What is handed to the writer, and how it looks while it is under way; nothing is done here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec import Struct

from rizzpay.core.tenant import Tenant
from rizzpay.core.values import value
from rizzpay.idempotency.model import Answer, Claim
from rizzpay.payments.model import Changes, Context, Snapshot
from rizzpay.payments.types import Served
from rizzpay.webhooks.model import NewEvent

Decide = Callable[[Snapshot | None, Context], Changes]


@value
class Write(Struct, frozen=True):
    """One decision to be made and written.

    `claim` opens an idempotency key (first half of a request); `completes` closes one with
    `answer(snapshot, request id)` (second half; None leaves it open). `settles` names the object
    whose claim, if it is still open because its request was cut off, gets the answer. `begins`
    says that the payment does not exist yet, so that nobody looks for it. `callback` is the number
    of the gateway's callback that is applied: that is noted in the same transaction. `came_by` is
    the QR code that is locked for the decision, and the name of the money that came by it.
    """

    tenant: Tenant
    payment_id: str
    decide: Decide
    actor: str
    request_id: str | None = None
    claim: Claim | None = None
    completes: str | None = None
    settles: str | None = None
    answer: Callable[[Snapshot, str], Answer | None] | None = None
    begins: bool = False
    callback: int | None = None
    came_by: tuple[str, str] | None = None


@value
class Written(Struct, frozen=True):
    """It is committed: the payment as it is now, and the answer if the write had one to give."""

    after: Snapshot
    answer: Answer | None


Result = Written | Served


@dataclass(slots=True)
class Item:
    """A write on its way through its transaction."""

    write: Write
    outcome: Result | Exception | None = None
    before: Snapshot | None = None
    changes: Changes | None = None
    after: Snapshot | None = None
    events: Sequence[NewEvent] = ()
