-- Proof of 0003: the trail, its chain and its checkpoints only grow.
-- Raises when a promise is broken; changes nothing. Any role that may read the catalog runs it.
DO $$
DECLARE
    trail constant regclass[] := ARRAY['rizzpay.audit_log', 'rizzpay.audit_chain',
                                       'rizzpay.audit_checkpoints']::regclass[];
    broken text;
BEGIN
    SELECT string_agg(promise, '; ') INTO broken
    FROM (VALUES
        ('a trigger refuses every UPDATE, DELETE and TRUNCATE of the trail',
         (SELECT count(*) = 3 FROM pg_trigger
          WHERE tgrelid = ANY (trail) AND tgname = 'append_only' AND tgenabled = 'O'
            AND tgfoid = 'rizzpay.refuse_change()'::regprocedure
            AND tgtype = 2 + 8 + 16 + 32)), -- BEFORE, DELETE, UPDATE, TRUNCATE; a statement
        ('nobody at work has the right to change or remove any of it',
         NOT EXISTS (
             SELECT FROM unnest(trail) AS t (oid), unnest(ARRAY['rizzpay_app', 'rizzpay_worker',
                                                                'rizzpay_lookup']) AS r (name)
             WHERE has_table_privilege(r.name, t.oid, 'UPDATE, DELETE, TRUNCATE'))),
        ('the API neither reads nor writes chain and checkpoints',
         NOT has_table_privilege('rizzpay_app', 'rizzpay.audit_chain', 'SELECT, INSERT')
         AND NOT has_table_privilege('rizzpay_app', 'rizzpay.audit_checkpoints',
                                     'SELECT, INSERT')),
        ('row-level security of the log is on and forced',
         (SELECT relrowsecurity AND relforcerowsecurity
          FROM pg_class WHERE oid = 'rizzpay.audit_log'::regclass)),
        ('the log has one policy, for the API, reading and writing by merchant and mode',
         (SELECT count(*) = 1 AND bool_and(
                     polroles = ARRAY['rizzpay_app'::regrole::oid]
                     AND pg_get_expr(polqual, polrelid) LIKE '%tenant_ids()%tenant_livemode()%'
                     AND pg_get_expr(polwithcheck, polrelid)
                         LIKE '%tenant_ids()%tenant_livemode()%')
          FROM pg_policy WHERE polrelid = 'rizzpay.audit_log'::regclass)),
        ('ids of the log are given by the database, transactions are noted by it',
         (SELECT attidentity = 'a' FROM pg_attribute
          WHERE attrelid = 'rizzpay.audit_log'::regclass AND attname = 'id')
         AND (SELECT pg_get_expr(adbin, adrelid) = 'pg_current_xact_id()' FROM pg_attrdef
              JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
              WHERE adrelid = 'rizzpay.audit_log'::regclass AND attname = 'xid')),
        ('a row is sealed at most once and a position is used at most once',
         (SELECT count(*) = 2 FROM pg_constraint
          WHERE conrelid = 'rizzpay.audit_chain'::regclass
            AND pg_get_constraintdef(oid) IN ('PRIMARY KEY ("position")', 'UNIQUE (audit_id)'))),
        ('positions are positive and hashes have 32 bytes',
         (SELECT count(*) = 2 FROM pg_constraint
          WHERE conrelid = 'rizzpay.audit_chain'::regclass AND contype = 'c'
            AND (pg_get_constraintdef(oid) LIKE '%"position" > 0%'
                 OR pg_get_constraintdef(oid) LIKE '%octet_length(hash) = 32%'))),
        ('a checkpoint stands on a position of the chain',
         EXISTS (SELECT FROM pg_constraint
                 WHERE conrelid = 'rizzpay.audit_checkpoints'::regclass AND contype = 'f'
                   AND confrelid = 'rizzpay.audit_chain'::regclass)),
        ('sealing has its index',
         (SELECT indisvalid AND pg_get_indexdef(indexrelid) LIKE '%(xid, id)'
          FROM pg_index WHERE indexrelid = 'rizzpay.audit_log_sealing'::regclass))
    ) AS p (promise, holds)
    WHERE holds IS NOT TRUE;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION '0003 audit: %', broken;
    END IF;
END $$;
