-- Proof of 0001: settings decide what a transaction sees, jobs and data keys are guarded.
-- Raises when a promise is broken; changes nothing. Any role that may read the catalog runs it.
DO $$
DECLARE
    broken text;
BEGIN
    PERFORM set_config('app.merchant_id', 'mer_A,mer_B', true),
            set_config('app.livemode', 'true', true);
    SELECT string_agg(promise, '; ') INTO broken
    FROM (VALUES
        ('the settings name the merchants',
         rizzpay.tenant_ids() = ARRAY['mer_A', 'mer_B'] AND rizzpay.tenant_livemode())
    ) AS p (promise, holds)
    WHERE holds IS NOT TRUE;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION '0001 platform: %', broken;
    END IF;
    PERFORM set_config('app.merchant_id', '', true), set_config('app.livemode', '', true);
END $$;

DO $$
DECLARE
    broken text;
BEGIN
    SELECT string_agg(promise, '; ') INTO broken
    FROM (VALUES
        ('without settings there is no merchant and no mode',
         rizzpay.tenant_ids() = '{}' AND rizzpay.tenant_livemode() IS NULL),
        ('the schema belongs to the owner and nobody at work can create in it',
         (SELECT nspowner = 'rizzpay_owner'::regrole FROM pg_namespace WHERE nspname = 'rizzpay')
         AND NOT has_schema_privilege('rizzpay_app', 'rizzpay', 'CREATE')
         AND NOT has_schema_privilege('rizzpay_worker', 'rizzpay', 'CREATE')
         AND NOT has_schema_privilege('rizzpay_lookup', 'rizzpay', 'CREATE')),
        ('only the worker and the look-up see past row-level security',
         (SELECT array_agg(rolname::text ORDER BY rolname)
          FROM pg_roles WHERE rolname LIKE 'rizzpay\_%' AND (rolbypassrls OR rolsuper))
         = ARRAY['rizzpay_lookup', 'rizzpay_worker']),
        ('row-level security of jobs is on and forced',
         (SELECT relrowsecurity AND relforcerowsecurity
          FROM pg_class WHERE oid = 'rizzpay.jobs'::regclass)),
        ('jobs have one policy, for the API, reading and writing by merchant and mode',
         (SELECT count(*) = 1 AND bool_and(
                     polroles = ARRAY['rizzpay_app'::regrole::oid]
                     AND pg_get_expr(polqual, polrelid) LIKE '%tenant_ids()%tenant_livemode()%'
                     AND pg_get_expr(polwithcheck, polrelid)
                         LIKE '%tenant_ids()%tenant_livemode()%')
          FROM pg_policy WHERE polrelid = 'rizzpay.jobs'::regclass)),
        ('a job is known by kind and key once',
         EXISTS (SELECT FROM pg_constraint
                 WHERE conrelid = 'rizzpay.jobs'::regclass AND contype = 'u'
                   AND pg_get_constraintdef(oid) = 'UNIQUE (kind, key)')),
        ('a purpose has at most one active data key',
         (SELECT indisunique AND indisvalid
                 AND pg_get_expr(indpred, indrelid) LIKE '%status = ''active''%'
          FROM pg_index WHERE indexrelid = 'rizzpay.data_keys_one_active'::regclass)),
        ('purpose and status of a data key are from closed lists',
         (SELECT count(*) = 2 FROM pg_constraint
          WHERE conrelid = 'rizzpay.data_keys'::regclass AND contype = 'c' AND convalidated)),
        ('the API reads data keys and never writes them',
         has_table_privilege('rizzpay_app', 'rizzpay.data_keys', 'SELECT')
         AND NOT has_table_privilege('rizzpay_app', 'rizzpay.data_keys',
                                     'INSERT, UPDATE, DELETE, TRUNCATE')),
        ('nobody at work removes a data key',
         NOT has_table_privilege('rizzpay_worker', 'rizzpay.data_keys', 'DELETE, TRUNCATE'))
    ) AS p (promise, holds)
    WHERE holds IS NOT TRUE;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION '0001 platform: %', broken;
    END IF;
END $$;
