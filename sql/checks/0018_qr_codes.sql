-- Proof of 0018: a single-use code is paid once, a closed one stays closed, and one payment that a
-- gateway names is in a code's list once. Raises when a promise is broken; changes nothing.
DO $$
DECLARE
    owned constant regclass[] := ARRAY['rizzpay.qr_codes', 'rizzpay.qr_code_payments']::regclass[];
    broken text;
BEGIN
    SELECT string_agg(promise, '; ') INTO broken
    FROM (VALUES
        ('row-level security of both tables is on and forced',
         (SELECT count(*) = 2 AND bool_and(relrowsecurity AND relforcerowsecurity)
          FROM pg_class WHERE oid = ANY (owned))),
        ('each has one policy, for the API, reading and writing by merchant and mode',
         (SELECT count(*) = 2 AND count(DISTINCT polrelid) = 2 AND bool_and(
                     polroles = ARRAY['rizzpay_app'::regrole::oid]
                     AND pg_get_expr(polqual, polrelid) LIKE '%tenant_ids()%tenant_livemode()%'
                     AND pg_get_expr(polwithcheck, polrelid)
                         LIKE '%tenant_ids()%tenant_livemode()%')
          FROM pg_policy WHERE polrelid = ANY (owned))),
        ('a single-use code receives one payment',
         EXISTS (SELECT FROM pg_constraint
                 WHERE conrelid = 'rizzpay.qr_codes'::regclass AND contype = 'c' AND convalidated
                   AND conname = 'single_use_is_used_once'
                   AND pg_get_constraintdef(oid) LIKE '%payments_count_received <= 1%')),
        ('a trigger keeps a code from opening again and from receiving less',
         (SELECT count(*) = 1 FROM pg_trigger
          WHERE tgrelid = 'rizzpay.qr_codes'::regclass AND tgname = 'only_forward'
            AND tgenabled = 'O' AND tgfoid = 'rizzpay.check_qr_code()'::regprocedure
            AND tgtype = 1 + 2 + 16)), -- ROW, BEFORE, UPDATE
        ('money that a gateway names is one payment of a code',
         EXISTS (SELECT FROM pg_constraint
                 WHERE conrelid = 'rizzpay.qr_code_payments'::regclass AND contype = 'p'
                   AND pg_get_constraintdef(oid)
                       = 'PRIMARY KEY (qr_code_id, gateway_reference)')),
        ('codes that end by themselves are found by an index of their own',
         (SELECT indisvalid AND pg_get_expr(indpred, indrelid) LIKE '%active%close_by IS NOT NULL%'
          FROM pg_index WHERE indexrelid = to_regclass('rizzpay.qr_codes_ending'))),
        ('nobody deletes either',
         NOT EXISTS (SELECT FROM unnest(owned) AS t, unnest(ARRAY['rizzpay_app', 'rizzpay_worker'])
                     AS r (role) WHERE has_table_privilege(role, t, 'DELETE')))
    ) AS p (promise, holds)
    WHERE holds IS NOT TRUE;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION '0018 qr_codes: %', broken;
    END IF;
END $$;
