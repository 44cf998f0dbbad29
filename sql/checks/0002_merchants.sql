-- Proof of 0002: a merchant has two live keys at most, and only one function sees all keys.
-- Raises when a promise is broken; changes nothing. Any role that may read the catalog runs it.
DO $$
DECLARE
    broken text;
BEGIN
    SELECT string_agg(promise, '; ') INTO broken
    FROM (VALUES
        ('row-level security of merchants and keys is on and forced',
         (SELECT bool_and(relrowsecurity AND relforcerowsecurity)
          FROM pg_class
          WHERE oid IN ('rizzpay.merchants'::regclass, 'rizzpay.api_keys'::regclass))),
        ('merchants have one policy, for the API, by id',
         (SELECT count(*) = 1 AND bool_and(
                     polroles = ARRAY['rizzpay_app'::regrole::oid]
                     AND pg_get_expr(polqual, polrelid) LIKE '%id = ANY%tenant_ids()%')
          FROM pg_policy WHERE polrelid = 'rizzpay.merchants'::regclass)),
        ('keys have one policy, for the API, reading and writing by merchant and mode',
         (SELECT count(*) = 1 AND bool_and(
                     polroles = ARRAY['rizzpay_app'::regrole::oid]
                     AND pg_get_expr(polqual, polrelid) LIKE '%tenant_ids()%tenant_livemode()%'
                     AND pg_get_expr(polwithcheck, polrelid)
                         LIKE '%tenant_ids()%tenant_livemode()%')
          FROM pg_policy WHERE polrelid = 'rizzpay.api_keys'::regclass)),
        ('a merchant has at most two keys that are not revoked, in each mode',
         (SELECT indisunique AND indisvalid
                 AND pg_get_indexdef(indexrelid) LIKE '%(merchant_id, livemode, slot)%'
                 AND pg_get_expr(indpred, indrelid) LIKE '%revoked_at IS NULL%'
          FROM pg_index WHERE indexrelid = 'rizzpay.api_keys_two_live'::regclass)
         AND EXISTS (SELECT FROM pg_constraint
                     WHERE conrelid = 'rizzpay.api_keys'::regclass AND contype = 'c'
                       AND pg_get_constraintdef(oid) LIKE '%slot%1%2%')),
        ('of a secret only a digest of 32 bytes is kept',
         EXISTS (SELECT FROM pg_constraint
                 WHERE conrelid = 'rizzpay.api_keys'::regclass AND contype = 'c'
                   AND pg_get_constraintdef(oid) LIKE '%octet_length(digest) = 32%')),
        ('the API cannot make or change a merchant, nor remove a key',
         NOT has_table_privilege('rizzpay_app', 'rizzpay.merchants',
                                 'INSERT, UPDATE, DELETE, TRUNCATE')
         AND NOT has_table_privilege('rizzpay_app', 'rizzpay.api_keys', 'DELETE, TRUNCATE')),
        ('the look-up runs as rizzpay_lookup with its own search path',
         (SELECT prosecdef AND proowner = 'rizzpay_lookup'::regrole
                 AND proconfig @> ARRAY['search_path=pg_catalog, rizzpay']
          FROM pg_proc WHERE oid = 'rizzpay.find_api_key(text)'::regprocedure)),
        ('the look-up is for the API and the worker, not for everybody',
         has_function_privilege('rizzpay_app', 'rizzpay.find_api_key(text)', 'EXECUTE')
         AND NOT EXISTS (
             SELECT FROM pg_proc, aclexplode(proacl)
             WHERE oid = 'rizzpay.find_api_key(text)'::regprocedure AND grantee = 0)),
        ('nobody can log in as the role of the look-up, and it only reads',
         (SELECT NOT rolcanlogin FROM pg_roles WHERE rolname = 'rizzpay_lookup')
         AND NOT EXISTS (SELECT FROM information_schema.role_table_grants
                         WHERE grantee = 'rizzpay_lookup' AND privilege_type <> 'SELECT'))
    ) AS p (promise, holds)
    WHERE holds IS NOT TRUE;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION '0002 merchants: %', broken;
    END IF;
END $$;
