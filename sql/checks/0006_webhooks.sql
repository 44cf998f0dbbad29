-- Proof of 0006: events are numbered without a gap for each merchant, only grow, and a gateway's
-- callback is taken once. Raises when a promise is broken; changes nothing.
-- Events lie in partitions since 0010, and an index is of one partition.
-- Run it as rizzpay_worker: it sees every merchant, so that the numbers mean something.
DO $$
DECLARE
    owned constant regclass[] := ARRAY['rizzpay.event_counters', 'rizzpay.events',
        'rizzpay.webhook_endpoints', 'rizzpay.webhook_deliveries']::regclass[];
    broken text;
BEGIN
    SELECT string_agg(promise, '; ') INTO broken
    FROM (VALUES
        ('row-level security of all four tables is on and forced',
         (SELECT count(*) = 4 AND bool_and(relrowsecurity AND relforcerowsecurity)
          FROM pg_class WHERE oid = ANY (owned))),
        ('each has one policy, for the API, reading and writing by merchant and mode',
         (SELECT count(*) = 4 AND count(DISTINCT polrelid) = 4 AND bool_and(
                     polroles = ARRAY['rizzpay_app'::regrole::oid]
                     AND pg_get_expr(polqual, polrelid) LIKE '%tenant_ids()%tenant_livemode()%'
                     AND pg_get_expr(polwithcheck, polrelid)
                         LIKE '%tenant_ids()%tenant_livemode()%')
          FROM pg_policy WHERE polrelid = ANY (owned))),
        ('a trigger refuses every UPDATE, DELETE and TRUNCATE of events',
         (SELECT count(*) = 1 FROM pg_trigger
          WHERE tgrelid = 'rizzpay.events'::regclass AND tgname = 'append_only'
            AND tgenabled = 'O' AND tgfoid = 'rizzpay.refuse_change()'::regprocedure
            AND tgtype = 2 + 8 + 16 + 32)), -- BEFORE, DELETE, UPDATE, TRUNCATE; a statement
        ('nobody at work has the right to change events, nor to remove anything',
         NOT EXISTS (
             SELECT FROM unnest(owned) AS t (oid),
                         unnest(ARRAY['rizzpay_app', 'rizzpay_worker']) AS r (name)
             WHERE has_table_privilege(r.name, t.oid, 'DELETE, TRUNCATE')
                OR has_table_privilege(r.name, 'rizzpay.events', 'UPDATE'))),
        ('a merchant has a sequence number once in a mode',
         (SELECT count(*) > 0 AND bool_and(EXISTS (
                     SELECT FROM pg_index AS x
                     WHERE x.indrelid = i.inhrelid AND x.indisunique AND x.indisvalid
                       AND pg_get_indexdef(x.indexrelid)
                           LIKE '%(merchant_id, livemode, sequence)'))
          FROM pg_inherits AS i WHERE i.inhparent = 'rizzpay.events'::regclass)),
        ('numbers of a merchant have no gap',
         NOT EXISTS (SELECT FROM rizzpay.events GROUP BY merchant_id, livemode
                     HAVING count(*) <> max(sequence) - min(sequence) + 1)),
        ('an event goes to an endpoint by itself once',
         (SELECT indisunique AND indisvalid
                 AND pg_get_indexdef(indexrelid) LIKE '%(endpoint_id, event_id)%'
                 AND pg_get_expr(indpred, indrelid) LIKE '%origin = ''event''%'
          FROM pg_index WHERE indexrelid = 'rizzpay.webhook_deliveries_once'::regclass)),
        ('a callback of a gateway is taken once',
         EXISTS (SELECT FROM pg_constraint
                 WHERE conrelid = 'rizzpay.gateway_callbacks'::regclass AND contype = 'u'
                   AND pg_get_constraintdef(oid) = 'UNIQUE (gateway, provider_event_id)')),
        ('the API adds callbacks and cannot read or change them',
         has_table_privilege('rizzpay_app', 'rizzpay.gateway_callbacks', 'INSERT')
         AND NOT has_column_privilege('rizzpay_app', 'rizzpay.gateway_callbacks', 'body', 'SELECT')
         AND NOT has_table_privilege('rizzpay_app', 'rizzpay.gateway_callbacks',
                                     'UPDATE, DELETE, TRUNCATE')),
        ('a signing secret is sealed bytes',
         (SELECT bool_and(data_type = 'bytea') AND count(*) = 2
          FROM information_schema.columns
          WHERE table_schema = 'rizzpay' AND table_name = 'webhook_endpoints'
            AND column_name IN ('secret', 'previous_secret')))
    ) AS p (promise, holds)
    WHERE holds IS NOT TRUE;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION '0006 webhooks: %', broken;
    END IF;
END $$;
