"""The operator's desk for open money: what is open, what is known of it, and asking at once.

Runs with the worker's role and sees all merchants. It settles nothing: only a gateway's answer, a
callback or reconciliation does (decision 0004).
"""

from rizzpay.audit import service as audit
from rizzpay.audit.model import Entry
from rizzpay.core import clock
from rizzpay.core.errors import Refused
from rizzpay.core.tenant import Tenant
from rizzpay.infra import jobs
from rizzpay.infra.database import Connection
from rizzpay.payments.model import RESOLVE_ATTEMPT, RESOLVE_REFUND, SEND_REFUND
from rizzpay.payments.review import store
from rizzpay.payments.review.model import Fate, Matter, Total, Wanted

ASKING = (RESOLVE_ATTEMPT, RESOLVE_REFUND, SEND_REFUND)
NOTHING_TO_ASK = frozenset({Fate.CONFLICTED, Fate.REFUND_OWED})


def open_matters(conn: Connection, wanted: Wanted, limit: int) -> list[Matter]:
    """Return open matters, the oldest first."""
    return store.matters(conn, wanted, limit)


def totals(conn: Connection, wanted: Wanted) -> list[Total]:
    """Return how many matters are open, and how much that is, by fate, mode and currency."""
    return store.totals(conn, wanted)


def count(conn: Connection) -> store.OpenMatters:
    """Return how much of all merchants is not settled: for metrics."""
    return store.count_open(conn)


def ask_now(conn: Connection, object_id: str, actor: str) -> list[Matter]:
    """Let the worker ask the gateway about an object, or about all that is open of a payment.

    Returns what will be asked about. Its schedule is kept, so that this does not put a case off.
    Raises Refused: not_found when nothing of it is open, operation_not_possible when no enquiry
    can settle what is.
    """
    now = clock.now()
    found = store.matters(conn, Wanted(since_before=now, object_id=object_id), limit=100)
    if not found:
        raise Refused("not_found", "Nothing is open under this id.")
    asked = [matter for matter in found if matter.fate not in NOTHING_TO_ASK]
    if not asked:
        raise Refused("operation_not_possible", f"It is {found[0].fate}; a person has to decide.")
    for matter in asked:
        tenant = Tenant(matter.merchant_id, matter.livemode)
        if not jobs.hurry(conn, ASKING, matter.object_id, now):
            kind = RESOLVE_REFUND if matter.what == "refund" else RESOLVE_ATTEMPT
            jobs.enqueue(conn, [jobs.NewJob(kind, matter.object_id, now, tenant=tenant)])
        noted = {"object": matter.object_id, "fate": matter.fate.value}
        audit.append(
            conn, [Entry(now, actor, "payment.enquiry_asked", matter.payment_id, noted, tenant)]
        )
    return asked
