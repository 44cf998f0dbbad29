"""The statement that queues what has expired; private to `rizzpay.payments.expiry`."""

from datetime import datetime

from rizzpay.infra.pipeline import Sender, Sent
from rizzpay.payments.model import EXPIRE_PAYMENT

# One that has its job waits for the next try of it. All who queue these take them in this order.
QUEUE = """
INSERT INTO rizzpay.jobs (kind, key, merchant_id, livemode, run_at)
SELECT %(kind)s, payment.id, payment.merchant_id, payment.livemode, payment.expires_at
FROM rizzpay.payments AS payment
WHERE payment.status = 'requires_action'
  AND payment.expires_at BETWEEN %(since)s AND %(now)s
  AND NOT EXISTS (SELECT FROM rizzpay.jobs AS job
                  WHERE job.kind = %(kind)s AND job.key = payment.id)
ORDER BY payment.expires_at, payment.id
LIMIT %(most)s
ON CONFLICT (kind, key) DO NOTHING
"""


def queue(sender: Sender, since: datetime, now: datetime, most: int) -> Sent:
    """Queue payments whose time ran out between two moments, `most` at most, the oldest first."""
    return sender.send(QUEUE, {"kind": EXPIRE_PAYMENT, "since": since, "now": now, "most": most})
