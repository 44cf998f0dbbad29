"""From a gateway's callback about a QR code to what the writer is to do about it, and back.

The door through which the writer locks codes and writes what was decided about them.
"""

from collections.abc import Callable, Sequence

from rizzpay.core import clock, ids
from rizzpay.gateways.port import Approved, Callback
from rizzpay.infra.database import Connection
from rizzpay.infra.pipeline import Sender
from rizzpay.payments.qr_codes import store
from rizzpay.payments.qr_codes.crediting import Receipt, credit
from rizzpay.payments.qr_codes.model import Locked, QrCode
from rizzpay.payments.qr_codes.store import Owner
from rizzpay.payments.types import Payment
from rizzpay.payments.writes import Write


def owners(conn: Sender, object_ids: Sequence[str]) -> dict[str, Owner]:
    """Return those of the objects that are codes; nobody is asked when none looks like one."""
    codes = [object_id for object_id in object_ids if ids.looks_like("qr_code", object_id)]
    return store.owners(conn, codes) if codes else {}


def write(owner: Owner, number: int, callback: Callback) -> Write:
    """Return the write that applies callback `number`, which becomes a payment if it is news."""
    outcome = callback.outcome
    receipt = Receipt(ids.new_id("payment", clock.now()), owner.gateway, outcome)
    reference = outcome.gateway_reference if isinstance(outcome, Approved) else ""
    return Write(
        tenant=owner.tenant,
        payment_id=receipt.payment_id,
        decide=lambda _, context: credit(receipt, context),
        actor=f"gateway:{owner.gateway}",
        callback=number,
        came_by=(owner.code_id, reference),
    )


def lock(conn: Sender, came_by: Sequence[tuple[str, str]]) -> Callable[[], dict[str, Locked]]:
    """Lock codes until commit, each with a name of money that came by it; the answer comes later.

    In order of their ids, after payments and before everything that the writer writes.
    """
    return store.lock(conn, came_by)


def record(conn: Connection, came: Sequence[tuple[QrCode, Payment]]) -> None:
    """Write codes as money left them, and which payment that was; of a code the last one counts."""
    store.update(conn, list({code.id: code for code, _ in came}.values()))
    store.add_payments(conn, [(code.id, payment) for code, payment in came])
