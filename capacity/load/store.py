"""SQL of the load verbs: they read with the worker's role and change nothing.

Private to `capacity.load`.
"""

SETTINGS = """
SELECT name, setting FROM pg_settings WHERE name = ANY (%(names)s)
"""
# What a role or a database sets for itself, which is what the service's connections have.
OVERRIDES = """
SELECT coalesce(r.rolname, 'all roles'), setting
FROM pg_db_role_setting s
LEFT JOIN pg_roles r ON r.oid = s.setrole
CROSS JOIN LATERAL unnest(s.setconfig) AS setting
WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
"""

WRITING = """
SELECT d.xact_commit, d.xact_rollback, w.wal_bytes, w.wal_fpi
FROM pg_stat_database d CROSS JOIN pg_stat_wal w
WHERE d.datname = current_database()
"""
# Flushes of the log and their time; the time is 0 unless track_wal_io_timing is on. Before
# PostgreSQL 18 they stand in pg_stat_wal.
FLUSHES_18 = """
SELECT coalesce(sum(fsyncs), 0), coalesce(sum(fsync_time), 0) FROM pg_stat_io WHERE object = 'wal'
"""
FLUSHES = "SELECT wal_sync, wal_sync_time FROM pg_stat_wal"

NOW = "SELECT clock_timestamp()"
SIZE = "SELECT reltuples::bigint FROM pg_class WHERE oid = 'rizzpay.payments'::regclass"
# One row for each acknowledgement that is not as it should be. A payment's id is its table's key,
# so "once" means: its idempotency key has one claim, and that claim has made this payment.
WRONG = """
SELECT said.payment, p.id IS NOT NULL, c.object_id
FROM unnest(%(merchants)s::text[], %(keys)s::text[], %(payments)s::text[])
     AS said (merchant, key, payment)
LEFT JOIN rizzpay.payments p ON p.id = said.payment AND p.merchant_id = said.merchant
LEFT JOIN rizzpay.idempotency_claims c
     ON c.merchant_id = said.merchant AND NOT c.livemode AND c.key = said.key
WHERE p.id IS NULL OR c.object_id IS DISTINCT FROM said.payment
"""
NOT_CAPTURED = """
SELECT said.payment, p.status
FROM unnest(%(payments)s::text[]) AS said (payment)
LEFT JOIN rizzpay.payments p ON p.id = said.payment
WHERE p.status IS DISTINCT FROM 'captured'
"""
# Exactly one posting of the payer's money for each capture.
CAPTURES = """
SELECT said.payment, count(t.id)
FROM unnest(%(payments)s::text[]) AS said (payment)
LEFT JOIN rizzpay.ledger_transfers t
     ON t.payment_id = said.payment AND t.debit LIKE 'gateway:%%' AND t.phase IN ('posted', 'post')
GROUP BY said.payment HAVING count(t.id) <> 1
"""
NOT_REFUNDED = """
SELECT said.payment, count(r.id)
FROM unnest(%(payments)s::text[]) AS said (payment)
LEFT JOIN rizzpay.refunds r ON r.payment_id = said.payment
GROUP BY said.payment HAVING count(r.id) <> 1
"""
# In the time of the run: payments of these merchants, claims that made a payment (whoever sent
# them, there is one for each), and how many of these claims are of this run.
WRITTEN = """
SELECT (SELECT count(*) FROM rizzpay.payments p
        WHERE p.merchant_id = ANY (%(merchants)s) AND NOT p.livemode
          AND p.created_at BETWEEN %(since)s AND %(until)s),
       count(*), count(*) FILTER (WHERE starts_with(c.key, %(run)s))
FROM rizzpay.idempotency_claims c
WHERE c.merchant_id = ANY (%(merchants)s) AND NOT c.livemode
  AND c.created_at BETWEEN %(since)s AND %(until)s AND starts_with(c.object_id, 'pay_')
"""
# A pending transfer counts until it is resolved, a post or void resolves it, posted counts.
BOOKS = """
WITH moves AS (
    SELECT t.merchant_id, t.livemode, t.currency, t.debit, t.credit,
           CASE WHEN t.phase IN ('posted', 'post') THEN t.amount ELSE 0 END AS posted,
           CASE WHEN t.phase = 'pending' AND NOT EXISTS (
                    SELECT FROM rizzpay.ledger_transfers r WHERE r.pending_id = t.id)
                THEN t.amount ELSE 0 END AS pending
    FROM rizzpay.ledger_transfers t
    WHERE t.merchant_id = ANY (%(merchants)s)
), sums AS (
    SELECT merchant_id, livemode, currency, name,
           sum(debits) AS debits, sum(credits) AS credits,
           sum(debits_pending) AS debits_pending, sum(credits_pending) AS credits_pending
    FROM (
        SELECT merchant_id, livemode, currency, debit AS name, posted AS debits, 0 AS credits,
               pending AS debits_pending, 0 AS credits_pending FROM moves
        UNION ALL
        SELECT merchant_id, livemode, currency, credit, 0, posted, 0, pending FROM moves
    ) AS sides
    GROUP BY merchant_id, livemode, currency, name
)
SELECT coalesce(a.merchant_id, s.merchant_id), coalesce(a.name, s.name)
FROM (SELECT merchant_id, livemode, currency, name,
             debits_posted, credits_posted, debits_pending, credits_pending
      FROM rizzpay.ledger_accounts WHERE merchant_id = ANY (%(merchants)s)) a
FULL JOIN sums s USING (merchant_id, livemode, currency, name)
WHERE (coalesce(a.debits_posted, 0), coalesce(a.credits_posted, 0),
       coalesce(a.debits_pending, 0), coalesce(a.credits_pending, 0))
   IS DISTINCT FROM
      (coalesce(s.debits, 0), coalesce(s.credits, 0),
       coalesce(s.debits_pending, 0), coalesce(s.credits_pending, 0))
"""
BALANCE = """
SELECT currency, sum(debits_posted), sum(credits_posted), sum(debits_pending),
       sum(credits_pending)
FROM rizzpay.ledger_accounts
WHERE merchant_id = ANY (%(merchants)s)
GROUP BY currency
HAVING sum(debits_posted) <> sum(credits_posted) OR sum(debits_pending) <> sum(credits_pending)
"""
