"""What the writer is handed, and what it hands back: values only."""

from collections.abc import Callable

from msgspec import Struct

from rizzpay.audit.model import Entry
from rizzpay.core.tenant import Tenant
from rizzpay.core.values import value
from rizzpay.idempotency.model import Answer, Claim
from rizzpay.payments.model import Changes, Context, Snapshot
from rizzpay.payments.types import Served

Decide = Callable[[Snapshot | None, Context], Changes]


@value
class Write(Struct, frozen=True):
    """One decision to be made and written.

    `claim` opens an idempotency key (first half of a request); `completes` closes one with
    `answer(snapshot, request id)` (second half; None leaves it open). `settles` names the object
    whose claim, if it is still open because its request was cut off, gets the answer. `begins`
    says that the payment does not exist yet, so that nobody looks for it. `callback` is the number
    of the gateway's callback that is applied: that is noted in the same transaction.
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


@value
class Written(Struct, frozen=True):
    """It is committed: the payment as it is now, and the answer if the write had one to give."""

    after: Snapshot
    answer: Answer | None


Result = Written | Served


def entry(write: Write, changes: Changes) -> Entry:
    """Return what the trail says of a change."""
    return Entry(
        at=changes.payment.updated_at,
        actor=write.actor,
        action=changes.action,
        object_id=changes.payment.id,
        detail={**changes.note, "status": changes.payment.status.value},
        tenant=write.tenant,
        request_id=write.request_id,
    )
