-- Proof of 0017: the API counts and probes, and neither moves a breaker nor takes a gateway away.
-- Raises when a promise is broken; changes nothing. Any role that may read the catalog runs it.
DO $$
DECLARE
    broken text;
BEGIN
    SELECT string_agg(promise, '; ') INTO broken
    FROM (VALUES
        ('the API moves no breaker',
         NOT has_table_privilege('rizzpay_app', 'rizzpay.gateway_breakers',
                                 'INSERT, DELETE, TRUNCATE')
         AND NOT has_column_privilege('rizzpay_app', 'rizzpay.gateway_breakers', 'state', 'UPDATE')
         AND NOT has_column_privilege('rizzpay_app', 'rizzpay.gateway_breakers', 'version',
                                      'UPDATE')),
        ('the API declares no downtime',
         NOT has_table_privilege('rizzpay_app', 'rizzpay.gateway_downtimes',
                                 'INSERT, UPDATE, DELETE, TRUNCATE')),
        ('a downtime does not end before it starts',
         EXISTS (SELECT FROM pg_constraint
                 WHERE conrelid = 'rizzpay.gateway_downtimes'::regclass AND contype = 'c'
                   AND pg_get_constraintdef(oid) LIKE '%ends_at >= starts_at%')),
        ('more failures than calls are refused',
         (SELECT count(*) = 2 FROM pg_constraint
          WHERE contype = 'c' AND convalidated
            AND (conrelid = 'rizzpay.gateway_tallies'::regclass
                 AND pg_get_constraintdef(oid) LIKE '%calls >= failures%'
                 OR conrelid = 'rizzpay.gateway_breakers'::regclass
                 AND pg_get_constraintdef(oid) LIKE '%probe_calls >= probe_failures%'))),
        ('nobody approves what he proposed, with any key',
         EXISTS (SELECT FROM pg_constraint
                 WHERE conrelid = 'rizzpay.routing_rule_sets'::regclass AND contype = 'c'
                   AND pg_get_constraintdef(oid) LIKE '%approved_by <> proposed_by%')
         AND EXISTS (SELECT FROM pg_constraint
                     WHERE conrelid = 'rizzpay.api_keys'::regclass AND contype = 'c'
                       AND convalidated AND conname = 'nobody_proposes_and_approves')),
        ('a version of the rules does not change and stays',
         NOT has_column_privilege('rizzpay_app', 'rizzpay.routing_rule_sets', 'document', 'UPDATE')
         AND NOT has_table_privilege('rizzpay_worker', 'rizzpay.routing_rule_sets',
                                     'DELETE, TRUNCATE')),
        ('a stored decision stays as it was made',
         NOT has_table_privilege('rizzpay_app', 'rizzpay.routing_decisions',
                                 'UPDATE, DELETE, TRUNCATE')
         AND NOT has_table_privilege('rizzpay_worker', 'rizzpay.routing_decisions',
                                     'UPDATE, DELETE, TRUNCATE')),
        ('decisions are behind row-level security, by merchant and mode',
         (SELECT relrowsecurity AND relforcerowsecurity
          FROM pg_class WHERE oid = 'rizzpay.routing_decisions'::regclass)
         AND (SELECT count(*) = 1 AND bool_and(pg_get_expr(polqual, polrelid)
                         LIKE '%tenant_ids()%tenant_livemode()%')
              FROM pg_policy WHERE polrelid = 'rizzpay.routing_decisions'::regclass))
    ) AS p (promise, holds)
    WHERE holds IS NOT TRUE;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION '0017 routing: %', broken;
    END IF;
END $$;
