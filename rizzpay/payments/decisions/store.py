"""SQL of routing decisions; private to `rizzpay.payments.decisions`."""

from collections.abc import Sequence

from rizzpay.gateways.routing import deciding
from rizzpay.gateways.routing.deciding import Record
from rizzpay.infra.arrays import boolean, json, text
from rizzpay.infra.database import Connection
from rizzpay.infra.pipeline import Sender
from rizzpay.payments.types import Attempt, Payment

INSERT = """
INSERT INTO rizzpay.routing_decisions (attempt_id, merchant_id, livemode, record)
SELECT attempt_id, merchant_id, livemode, record
FROM unnest(%(attempt_ids)b::text[], %(merchant_ids)b::text[], %(livemodes)b::boolean[],
            %(records)b::json[]) AS fresh (attempt_id, merchant_id, livemode, record)
"""

REROUTE = """
UPDATE rizzpay.payments AS payment
SET gateway = changed.gateway
FROM unnest(%(ids)b::text[], %(gateways)b::text[]) AS changed (id, gateway)
WHERE payment.id = changed.id
"""

GET = "SELECT record::text FROM rizzpay.routing_decisions WHERE attempt_id = %(id)s"


def insert(sender: Sender, made: Sequence[tuple[Attempt, Record]]) -> None:
    """Keep how attempts were routed, behind the attempts themselves."""
    if made:
        sender.send(
            INSERT,
            {
                "attempt_ids": text([attempt.id for attempt, _ in made]),
                "merchant_ids": text([attempt.tenant.merchant_id for attempt, _ in made]),
                "livemodes": boolean([attempt.tenant.livemode for attempt, _ in made]),
                "records": json([record.written() for _, record in made]),
            },
        )


def reroute(conn: Connection, payments: Sequence[Payment]) -> None:
    """Write the gateways of payments that were asked of another one."""
    if payments:
        values = {
            "ids": text([one.id for one in payments]),
            "gateways": text([one.gateway for one in payments]),
        }
        conn.expect(conn.send(REROUTE, values), len(payments), "payments")


def get(conn: Connection, attempt_id: str) -> Record | None:
    """Return how an attempt was routed; None where the order of the settings was followed."""
    row = conn.execute(GET, {"id": attempt_id}).fetchone()
    return deciding.read(row[0]) if row is not None else None
