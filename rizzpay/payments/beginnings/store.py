"""The statement that writes a batch of new payments; private to `rizzpay.payments.beginnings`.

It says what INSERT_PAYMENTS, INSERT_ATTEMPTS, INSERT, APPEND, PUBLISH and ENQUEUE of the tables'
own stores say, for rows of which each table gets one. Together they read the batch once and are set
up once: of the six statements that it stands for, most of the price of a small batch was that.
"""

from collections.abc import Sequence

from rizzpay.infra.database import Database
from rizzpay.infra.envelope import Envelope
from rizzpay.infra.pipeline import Sender
from rizzpay.payments.beginnings import rows
from rizzpay.payments.beginnings.rows import Begun

ROW_TYPE = "SELECT 'rizzpay.beginning'::regtype::oid::bigint"

# Claims are written by the statement itself and so before everything else: a key that is not new
# ends it with nothing done, and whoever comes with the same key waits before he holds counters.
# The rows come in order of their keys. `behind` is how many events of the same merchant come after
# this one; the left join lets an event without a counter fail on its missing number. Events of
# merchants without an open endpoint get no job of their own.
BEGIN = """
WITH begun AS MATERIALIZED (
    SELECT payment_id, merchant_id, livemode, status, amount, currency, capture_method, method,
           reference, description, metadata, return_url, payer_id, gateway, gateway_reference,
           next_action, fee_basis_points, gst_basis_points, late_authorization, expires_at, version,
           created_at, updated_at, attempt_id, attempt_status, attempted_at, key, request_hash,
           request_id, response_status, response_body, actor, action, detail, event_id, event_type,
           behind, event, job_kind, job_key, run_at
    FROM unnest(%(beginnings)b::rizzpay.beginning[])
), paid AS (
    INSERT INTO rizzpay.payments
        (id, merchant_id, livemode, status, amount, currency, capture_method, method, reference,
         description, metadata, return_url, payer_id, gateway, gateway_reference, next_action,
         fee_basis_points, gst_basis_points, late_authorization, expires_at, version, created_at,
         updated_at)
    SELECT payment_id, merchant_id, livemode, status, amount, currency, capture_method, method,
           reference, description, metadata, return_url, payer_id, gateway, gateway_reference,
           next_action, fee_basis_points, gst_basis_points, late_authorization, expires_at,
           version, created_at, updated_at
    FROM begun
), attempted AS (
    INSERT INTO rizzpay.payment_attempts
        (id, payment_id, merchant_id, livemode, kind, status, amount, gateway, gateway_reference,
         created_at, updated_at)
    SELECT attempt_id, payment_id, merchant_id, livemode, 'authorize', attempt_status, amount,
           gateway, gateway_reference, attempted_at, attempted_at
    FROM begun
), noted AS (
    INSERT INTO rizzpay.audit_log
        (at, merchant_id, livemode, actor, action, object_id, request_id, detail)
    SELECT updated_at, merchant_id, livemode, actor, action, payment_id, request_id, detail
    FROM begun
), queued AS (
    INSERT INTO rizzpay.jobs (kind, key, merchant_id, livemode, run_at)
    SELECT job_kind, job_key, merchant_id, livemode, run_at FROM begun
    WHERE job_kind IS NOT NULL
    UNION ALL
    SELECT 'webhook.fan_out', event_id, merchant_id, livemode, updated_at FROM begun
    WHERE EXISTS (SELECT FROM rizzpay.webhook_endpoints AS endpoint
                  WHERE endpoint.merchant_id = begun.merchant_id
                    AND endpoint.livemode = begun.livemode AND endpoint.status = 'enabled')
), counted AS (
    INSERT INTO rizzpay.event_counters (merchant_id, livemode, last_sequence)
    SELECT merchant_id, livemode, count(*) FROM begun
    GROUP BY merchant_id, livemode
    ORDER BY merchant_id, livemode
    ON CONFLICT (merchant_id, livemode) DO UPDATE
    SET last_sequence = rizzpay.event_counters.last_sequence + excluded.last_sequence
    RETURNING merchant_id, livemode, last_sequence
), told AS (
    INSERT INTO rizzpay.events (id, merchant_id, livemode, sequence, type, object_id,
                                object_sequence, data, created_at)
    SELECT begun.event_id, begun.merchant_id, begun.livemode,
           counted.last_sequence - begun.behind, begun.event_type, begun.payment_id,
           begun.version, begun.event, begun.updated_at
    FROM begun LEFT JOIN counted
      ON counted.merchant_id = begun.merchant_id AND counted.livemode = begun.livemode
)
INSERT INTO rizzpay.idempotency_claims
    (merchant_id, livemode, key, request_hash, request_id, object_id, created_at,
     response_status, response_body, completed_at)
SELECT merchant_id, livemode, key, request_hash, request_id, payment_id, created_at,
       response_status, response_body, CASE WHEN response_status IS NOT NULL THEN now() END
FROM begun
"""


class RowType:
    """The number of `rizzpay.beginning` in a database, which a packed array has to name."""

    def __init__(self, database: Database) -> None:
        """Ask for nothing yet."""
        self._database = database
        self._number: int | None = None

    def number(self) -> int:
        """Return it; asked for once."""
        if self._number is None:
            with self._database.transaction() as conn:
                row = conn.execute(ROW_TYPE).fetchone()
            self._number = int(row[0]) if row else 0
        return self._number

    def forget(self) -> None:
        """Ask again next time: it was wrong."""
        self._number = None


def insert(sender: Sender, envelope: Envelope, type_number: int, begun: Sequence[Begun]) -> None:
    """Write new payments with all that belongs to them; a key that is not new ends it."""
    sender.send(BEGIN, {"beginnings": rows.packed(type_number, envelope, begun)})
