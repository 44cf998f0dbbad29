-- Proof of 0010: partitions have the walls of their parent, nobody at work reaches one past it, and
-- only the three functions make or drop them. Raises when a promise is broken; changes nothing.
DO $$
DECLARE
    broken text;
BEGIN
    SELECT string_agg(promise, '; ') INTO broken
    FROM (VALUES
        ('events and deliveries lie in ranges of the id of an event',
         pg_get_partkeydef('rizzpay.events'::regclass) = 'RANGE (id)'
         AND pg_get_partkeydef('rizzpay.webhook_deliveries'::regclass) = 'RANGE (event_id)'),
        ('both have a rest, so that no row is without a place',
         (SELECT count(*) = 2 FROM rizzpay.partitions WHERE is_rest)),
        ('row-level security of every partition is on and forced, with the policy of the API',
         (SELECT bool_and(c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (
                     SELECT FROM pg_policy AS p
                     WHERE p.polrelid = c.oid
                       AND p.polroles = ARRAY['rizzpay_app'::regrole::oid]
                       AND pg_get_expr(p.polqual, c.oid) LIKE '%tenant_ids()%tenant_livemode()%'
                       AND pg_get_expr(p.polwithcheck, c.oid)
                           LIKE '%tenant_ids()%tenant_livemode()%'))
          FROM rizzpay.partitions AS l JOIN pg_class AS c ON c.relname = l.name
          AND c.relnamespace = 'rizzpay'::regnamespace)),
        ('nobody at work has a right on a partition itself',
         NOT EXISTS (
             SELECT FROM rizzpay.partitions AS l,
                         unnest(ARRAY['rizzpay_app', 'rizzpay_worker']) AS r (name)
             WHERE has_any_column_privilege(r.name, format('rizzpay.%I', l.name),
                                            'SELECT, INSERT, UPDATE')
                OR has_table_privilege(r.name, format('rizzpay.%I', l.name), 'DELETE, TRUNCATE'))),
        ('a trigger refuses every UPDATE, DELETE and TRUNCATE of every partition of events',
         NOT EXISTS (
             SELECT FROM rizzpay.partitions AS l
             WHERE l.parent = 'events' AND NOT EXISTS (
                 SELECT FROM pg_trigger
                 WHERE tgrelid = format('rizzpay.%I', l.name)::regclass
                   AND tgname = 'append_only' AND tgenabled = 'O'
                   AND tgfoid = 'rizzpay.refuse_change()'::regprocedure
                   AND tgtype = 2 + 8 + 16 + 32))), -- BEFORE, DELETE, UPDATE, TRUNCATE; a statement
        ('in a partition a merchant has a sequence number once in a mode',
         NOT EXISTS (
             SELECT FROM rizzpay.partitions AS l
             WHERE l.parent = 'events' AND NOT EXISTS (
                 SELECT FROM pg_index AS i
                 WHERE i.indrelid = format('rizzpay.%I', l.name)::regclass
                   AND i.indisunique AND i.indisvalid
                   AND pg_get_indexdef(i.indexrelid) LIKE '%(merchant_id, livemode, sequence)'))),
        ('an event goes to an endpoint by itself once, in whatever month',
         (SELECT i.indisunique AND i.indisvalid FROM pg_index AS i
          WHERE i.indexrelid = 'rizzpay.webhook_deliveries_once'::regclass)),
        ('only the worker and the owner make and drop partitions',
         has_function_privilege('rizzpay_worker', 'rizzpay.add_partition(text, date)', 'EXECUTE')
         AND NOT EXISTS (
             SELECT FROM unnest(ARRAY[
                 'rizzpay.add_partition(text, date)', 'rizzpay.adopt_rest(text)',
                 'rizzpay.drop_partition(text, timestamptz)',
                 'rizzpay.guard_partition(text, text)']) AS f (name)
             WHERE has_function_privilege('rizzpay_app', f.name, 'EXECUTE')
                OR has_function_privilege('rizzpay_lookup', f.name, 'EXECUTE'))),
        ('the three functions run as the owner with a fixed path',
         (SELECT count(*) = 3 AND bool_and(
                     prosecdef AND proowner = 'rizzpay_owner'::regrole
                     AND 'search_path=pg_catalog, pg_temp' = ANY (proconfig))
          FROM pg_proc
          WHERE pronamespace = 'rizzpay'::regnamespace
            AND proname IN ('add_partition', 'adopt_rest', 'drop_partition'))),
        ('the time part of an id can be written and read',
         rizzpay.ulid_floor('2016-07-30 22:36:16.385+00') = '01ARYZ6S41'
         AND rizzpay.ulid_time('01ARYZ6S41') = '2016-07-30 22:36:16.385+00')
    ) AS p (promise, holds)
    WHERE holds IS NOT TRUE;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION '0010 partitions: %', broken;
    END IF;
END $$;
