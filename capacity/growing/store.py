"""The statements that fill the tables of the service; `filling.py` runs them.

Every payment is a pure function of its number n, so the second statement of a chunk works on the
same payments as the first, and nothing has to be carried between them. Rows are what the service
would have written; only sealed bytes (answers, callbacks) are of the right length and no more.
All constraints, triggers and foreign keys are those of the service, and all of them are on.
"""

# ruff: noqa: S608 - the statements are put together from constants of this file alone

TIME_CHARACTERS = " || ".join(
    f"substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', ((ms >> {shift}) & 31)::integer + 1, 1)"
    for shift in range(45, -1, -5)
)

# Outcome by the last digits of a hash of n, in hundredths: captured, refunded, failed, expired.
PAYMENTS_OF_A_CHUNK = (
    """
    numbered AS MATERIALIZED (
        SELECT n, at, floor(extract(epoch FROM at) * 1000)::bigint AS ms,
               ((n * 2246822519) %% 4294967296) %% 100 AS lot,
               100 + (n * 7919) %% 500000 AS amount,
               width_bucket(((n * 2654435761) %% 4294967296)::float8 / 4294967296,
                            %(shares)s::float8[]) + 1 AS slot
        FROM (SELECT n, date_trunc('milliseconds',
                     %(from_at)s::timestamptz + (n - %(first)s) * %(step)s::interval) AS at
              FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n) AS timed
    ), grown AS MATERIALIZED (
        SELECT g.n, m.id AS merchant_id, g.at, g.amount,
               CASE WHEN g.lot < 86 THEN 'captured' WHEN g.lot < 95 THEN 'failed'
                    ELSE 'expired' END AS status,
               CASE WHEN g.lot < 3 THEN (g.amount + 1) / 2 ELSE 0 END AS refunded,
               g.n %% 5 = 0 AS has_payer,
               (g.amount * m.fee_basis_points + 5000) / 10000 AS fee,
               m.fee_basis_points, m.gst_basis_points,
               """
    + TIME_CHARACTERS
    + """ || lpad(g.n::text, 14, '0') AS tail
        FROM numbered AS g
        JOIN unnest(%(merchants)s::text[]) WITH ORDINALITY AS w (id, slot) ON w.slot = g.slot
        JOIN rizzpay.merchants AS m ON m.id = w.id
    )"""
)

# What happens to money, as captures and refunds of the service book it.
TRANSFERS_OF_A_CHUNK = """
    moved AS MATERIALIZED (
        SELECT g.n, g.merchant_id, g.at, g.tail, t.number, t.debit, t.credit, t.amount, t.phase,
               t.resolves, t.code, t.of_refund
        FROM grown AS g
        CROSS JOIN LATERAL (VALUES
            (1, 'gateway:sandbox', 'merchant_pending', g.amount, 'posted', NULL::integer,
             'capture', false),
            (2, 'merchant_pending', 'fees', g.fee, 'posted', NULL, 'fee', false),
            (3, 'merchant_pending', 'gst', (g.fee * g.gst_basis_points + 5000) / 10000, 'posted',
             NULL, 'gst', false),
            (4, 'merchant_pending', 'refunds', g.refunded, 'pending', NULL, 'refund', true),
            (5, 'merchant_pending', 'refunds', g.refunded, 'post', 4, 'refund', true),
            (6, 'refunds', 'gateway:sandbox', g.refunded, 'posted', NULL, 'refund_paid', true)
        ) AS t (number, debit, credit, amount, phase, resolves, code, of_refund)
        WHERE g.status = 'captured' AND t.amount > 0
    )"""

ROWS = (
    "WITH "
    + PAYMENTS_OF_A_CHUNK
    + ","
    + TRANSFERS_OF_A_CHUNK
    + """,
    payers AS (
        INSERT INTO rizzpay.payers (id, merchant_id, livemode, email_index, created_at)
        SELECT 'cus_' || tail || '00', merchant_id, false, sha256(tail::bytea), at
        FROM grown WHERE has_payer
    ), payments AS (
        INSERT INTO rizzpay.payments
            (id, merchant_id, livemode, status, amount, currency, amount_authorized,
             amount_captured, amount_refunded, capture_method, method, reference, payer_id,
             gateway, gateway_reference, rrn, failure, fee_basis_points, gst_basis_points,
             late_authorization, version, created_at, updated_at)
        SELECT 'pay_' || tail || '00', merchant_id, false, status, amount, 'INR',
               CASE WHEN status = 'captured' THEN amount ELSE 0 END,
               CASE WHEN status = 'captured' THEN amount ELSE 0 END, refunded, 'automatic',
               '{"type": "upi", "flow": "intent"}', 'order-' || n,
               CASE WHEN has_payer THEN 'cus_' || tail || '00' END,
               'sandbox', 'sbx_' || tail,
               CASE WHEN status = 'captured' THEN 'G' || lpad(n::text, 11, '0') END,
               CASE WHEN status = 'failed'
                    THEN '{"reason": "insufficient_funds", "gateway_code": "U30",
                           "recommended_action": "ask_customer"}'::jsonb END,
               fee_basis_points, gst_basis_points, 'capture', CASE WHEN refunded > 0 THEN 5 ELSE 3
               END, at, at + interval '40 seconds'
        FROM grown
    ), attempts AS (
        INSERT INTO rizzpay.payment_attempts
            (id, payment_id, merchant_id, livemode, kind, status, amount, gateway,
             gateway_reference, rrn, created_at, updated_at)
        SELECT 'att_' || tail || '00', 'pay_' || tail || '00', merchant_id, false, 'authorize',
               CASE status WHEN 'captured' THEN 'approved' WHEN 'failed' THEN 'declined'
                    ELSE 'abandoned' END, amount, 'sandbox', 'sbx_' || tail,
               CASE WHEN status = 'captured' THEN 'G' || lpad(n::text, 11, '0') END,
               at, at + interval '40 seconds'
        FROM grown
    ), refunds AS (
        INSERT INTO rizzpay.refunds
            (id, payment_id, merchant_id, livemode, status, amount, currency, origin, gateway,
             gateway_reference, hold_transfer_id, status_history, sent_at, version, created_at,
             updated_at)
        SELECT 'rfnd_' || tail || '00', 'pay_' || tail || '00', merchant_id, false, 'processed',
               refunded, 'INR', 'api', 'sandbox', 'sbr_' || tail, 'trf_' || tail || '04',
               '[{"status": "created", "at": 0}, {"status": "processed", "at": 0}]',
               at + interval '1 hour', 2, at + interval '1 hour', at + interval '1 hour'
        FROM grown WHERE refunded > 0
    ), transfers AS (
        INSERT INTO rizzpay.ledger_transfers
            (id, merchant_id, livemode, currency, debit, credit, amount, phase, pending_id, code,
             payment_id, refund_id, created_at)
        SELECT 'trf_' || tail || lpad(number::text, 2, '0'), merchant_id, false, 'INR', debit,
               credit, amount, phase,
               CASE WHEN resolves IS NOT NULL
                    THEN 'trf_' || tail || lpad(resolves::text, 2, '0') END,
               code, 'pay_' || tail || '00',
               CASE WHEN of_refund THEN 'rfnd_' || tail || '00' END,
               at + interval '40 seconds'
        FROM moved ORDER BY n, number
    ), claims AS (
        INSERT INTO rizzpay.idempotency_claims
            (merchant_id, livemode, key, request_hash, request_id, object_id, response_status,
             response_body, created_at, completed_at)
        SELECT merchant_id, false, 'grown-' || n, sha256(tail::bytea), 'req_' || tail || '00',
               'pay_' || tail || '00', 201, decode(repeat(md5(tail), 40), 'hex'), at, at
        FROM grown WHERE at > %(claims_from)s::timestamptz
    ), callbacks AS (
        INSERT INTO rizzpay.gateway_callbacks
            (gateway, provider_event_id, body, received_at, applied_at, result)
        SELECT 'sandbox', 'grown-' || n, decode(repeat(md5(tail), 24), 'hex'),
               at + interval '40 seconds', at + interval '40 seconds', 'applied'
        FROM grown
        WHERE status <> 'expired' AND at > %(callbacks_from)s::timestamptz
        ORDER BY n
    )
    INSERT INTO rizzpay.audit_log
        (at, merchant_id, livemode, actor, action, object_id, request_id, detail)
    SELECT at, merchant_id, false, %(actor)s, 'payment.' || status, 'pay_' || tail || '00', NULL,
           jsonb_build_object('status', status)
    FROM grown ORDER BY n
"""
)

# Sums and numbers are shared by all chunks: they come last, so that their rows are locked briefly.
SUMS = (
    "WITH "
    + PAYMENTS_OF_A_CHUNK
    + ","
    + TRANSFERS_OF_A_CHUNK
    + """,
    changed AS (
        SELECT merchant_id, name, sum(debits_posted) AS debits_posted,
               sum(credits_posted) AS credits_posted
        FROM moved
        CROSS JOIN LATERAL (VALUES (debit, amount, 0), (credit, 0, amount))
             AS side (name, debits_posted, credits_posted)
        WHERE phase <> 'pending'  -- each of them is resolved in the same chunk
        GROUP BY merchant_id, name
    )
    INSERT INTO rizzpay.ledger_accounts
        (merchant_id, livemode, currency, name, debits_posted, credits_posted)
    SELECT merchant_id, false, 'INR', name, debits_posted, credits_posted
    FROM changed ORDER BY merchant_id, name
    ON CONFLICT (merchant_id, livemode, currency, name) DO UPDATE
    SET debits_posted = rizzpay.ledger_accounts.debits_posted + excluded.debits_posted,
        credits_posted = rizzpay.ledger_accounts.credits_posted + excluded.credits_posted
"""
)

EVENTS = (
    "WITH "
    + PAYMENTS_OF_A_CHUNK
    + """,
    told AS (
        SELECT g.merchant_id, g.n, e.number, e.type, e.object_id, e.at, g.tail, g.status, g.amount,
               row_number() OVER (PARTITION BY g.merchant_id ORDER BY g.n, e.number) AS rank
        FROM grown AS g
        CROSS JOIN LATERAL (VALUES
            (1, 'payment.requires_action', 'pay_' || g.tail || '00', g.at),
            (2, 'payment.' || g.status, 'pay_' || g.tail || '00', g.at + interval '40 seconds'),
            (3, 'refund.processed', 'rfnd_' || g.tail || '00', g.at + interval '1 hour')
        ) AS e (number, type, object_id, at)
        WHERE (e.number < 3 OR g.refunded > 0) AND g.at > %(events_from)s::timestamptz
    ), counted AS (
        INSERT INTO rizzpay.event_counters (merchant_id, livemode, last_sequence)
        SELECT merchant_id, false, count(*) FROM told GROUP BY merchant_id ORDER BY merchant_id
        ON CONFLICT (merchant_id, livemode) DO UPDATE
        SET last_sequence = rizzpay.event_counters.last_sequence + excluded.last_sequence
        RETURNING merchant_id, last_sequence
    ), sizes AS (
        SELECT merchant_id, count(*) AS more FROM told GROUP BY merchant_id
    )
    INSERT INTO rizzpay.events
        (id, merchant_id, livemode, sequence, type, object_id, object_sequence, data, created_at)
    SELECT 'evt_' || t.tail || lpad(t.number::text, 2, '0'), t.merchant_id, false,
           c.last_sequence - s.more + t.rank, t.type, t.object_id, t.number,
           ('{"id": "' || t.object_id || '", "object": "payment", "livemode": false, '
            || '"merchant_id": "' || t.merchant_id || '", "status": "' || t.status
            || '", "amount": ' || t.amount || ', "currency": "INR", "capture_method": "automatic", '
            || '"method": {"type": "upi", "flow": "intent"}, "customer": null, '
            || '"reference": "order-' || t.n || '", "metadata": {}, "gateway": {"name": "sandbox", '
            || '"reference": "sbx_' || t.tail || '", "rrn": null}, "next_action": null, '
            || '"failure": null, "late_authorization": false}')::json,
           t.at
    FROM told AS t
    JOIN counted AS c ON c.merchant_id = t.merchant_id
    JOIN sizes AS s ON s.merchant_id = t.merchant_id
    ORDER BY t.n, t.number
"""
)

NOTE_CHUNK = """
INSERT INTO rizzpay.audit_log (at, actor, action, object_id, detail)
VALUES (now(), %(actor)s, 'capacity.grown', %(object_id)s,
        jsonb_build_object('first', %(first)s::bigint, 'last', %(last)s::bigint))
"""
CHUNKS = """
SELECT (detail ->> 'first')::bigint, (detail ->> 'last')::bigint
FROM rizzpay.audit_log WHERE object_id = %(object_id)s ORDER BY 1
"""

MAKE_MERCHANTS = """
INSERT INTO rizzpay.merchants (id, name, mcc, requests_per_minute, created_at)
SELECT id, 'Grown ' || number, '5411', 600, now()
FROM unnest(%(merchants)s::text[]) WITH ORDINALITY AS wanted (id, number)
ON CONFLICT (id) DO NOTHING
"""
UNKNOWN_MERCHANTS = """
SELECT id FROM unnest(%(known)s::text[]) AS wanted (id)
WHERE NOT EXISTS (SELECT FROM rizzpay.merchants AS m WHERE m.id = wanted.id)
"""
ADD_MONTH = "SELECT rizzpay.add_partition(%(parent)s, %(month)s::date)"
LIVE = "SELECT EXISTS (SELECT FROM rizzpay.payments WHERE livemode)"
SETTINGS = "SET work_mem = '128MB'; SET jit = off"
NOW = "SELECT now()"
ROWS_OF_TABLES = """
SELECT c.relname::text, greatest(c.reltuples, 0)::bigint, pg_total_relation_size(c.oid)
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'rizzpay' AND c.relkind = 'r'
ORDER BY 3 DESC
"""

# Sealing, as docs/audit.md describes it for a verifier outside. Only rows of the loader are sealed
# here, and only if no other row waits before them: the rest is the worker's business.
TRY_SEAL = "SELECT pg_try_advisory_xact_lock(7249002)"
HEAD = "SELECT position, audit_id, hash FROM rizzpay.audit_chain ORDER BY position DESC LIMIT 1"
UNSEALED = """
SELECT a.id, a.actor = %(actor)s,
       '{"action":"' || a.action || '","actor":"' || a.actor || '","at":"'
       || to_char(a.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
       || '","detail":'
       || CASE WHEN a.action = 'capacity.grown'
               THEN '{"first":' || (a.detail ->> 'first') || ',"last":' || (a.detail ->> 'last')
                    || '}'
               ELSE '{"status":"' || (a.detail ->> 'status') || '"}' END
       || ',"id":' || a.id || ',"livemode":' || coalesce(a.livemode::text, 'null')
       || ',"merchant_id":' || coalesce('"' || a.merchant_id || '"', 'null')
       || ',"object_id":"' || a.object_id || '","request_id":null,"xid":' || a.xid::text || '}'
FROM rizzpay.audit_log AS a
WHERE (a.xid, a.id) > (%(xid)s::text::xid8, %(id)s::bigint)
  AND a.xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY a.xid, a.id
LIMIT %(limit)s
"""
XID_OF = "SELECT xid::text FROM rizzpay.audit_log WHERE id = %(id)s"
LINK = "COPY rizzpay.audit_chain (position, audit_id, hash) FROM STDIN (FORMAT binary)"
