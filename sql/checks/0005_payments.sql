-- Proof of 0005: what may never be true of a payment is refused by the database as well.
-- Raises when a promise is broken; changes nothing. Any role that may read the catalog runs it.
DO $$
DECLARE
    owned constant regclass[] := ARRAY['rizzpay.payers', 'rizzpay.payments',
        'rizzpay.payment_attempts', 'rizzpay.refunds', 'rizzpay.idempotency_claims',
        'rizzpay.review_cases']::regclass[];
    broken text;
BEGIN
    SELECT string_agg(promise, '; ') INTO broken
    FROM (VALUES
        ('row-level security of all six tables is on and forced',
         (SELECT count(*) = 6 AND bool_and(relrowsecurity AND relforcerowsecurity)
          FROM pg_class WHERE oid = ANY (owned))),
        ('each has one policy, for the API, reading and writing by merchant and mode',
         (SELECT count(*) = 6 AND count(DISTINCT polrelid) = 6 AND bool_and(
                     polroles = ARRAY['rizzpay_app'::regrole::oid]
                     AND pg_get_expr(polqual, polrelid) LIKE '%tenant_ids()%tenant_livemode()%'
                     AND pg_get_expr(polwithcheck, polrelid)
                         LIKE '%tenant_ids()%tenant_livemode()%')
          FROM pg_policy WHERE polrelid = ANY (owned))),
        ('captures stay within what was authorised, refunds within what was captured',
         (SELECT count(*) = 2 FROM pg_constraint
          WHERE conrelid = 'rizzpay.payments'::regclass AND contype = 'c' AND convalidated
            AND conname IN ('captures_within_authorized', 'refunds_within_captured')
            AND pg_get_constraintdef(oid) LIKE '%+%<=%')),
        ('no amount of a payment is negative, and its own is at least one',
         (SELECT count(*) >= 5 FROM pg_constraint
          WHERE conrelid = 'rizzpay.payments'::regclass AND contype = 'c' AND convalidated
            AND pg_get_constraintdef(oid) LIKE '%(amount\_% >= 0)%')
         AND EXISTS (SELECT FROM pg_constraint
                     WHERE conrelid = 'rizzpay.payments'::regclass AND contype = 'c'
                       AND pg_get_constraintdef(oid) LIKE '%amount >= 1%')),
        ('a payment has at most one successful authorisation',
         (SELECT indisunique AND indisvalid
                 AND pg_get_indexdef(indexrelid) LIKE '%(payment_id)%'
                 AND pg_get_expr(indpred, indrelid) LIKE '%authorize%approved%'
          FROM pg_index WHERE indexrelid = 'rizzpay.payment_attempts_one_success'::regclass)),
        ('a retrieval reference of a gateway belongs to one payment',
         (SELECT indisunique AND indisvalid AND pg_get_indexdef(indexrelid) LIKE '%(gateway, rrn)%'
          FROM pg_index WHERE indexrelid = 'rizzpay.payments_rrn'::regclass)),
        ('a trigger refuses moves that the table of transitions does not have',
         (SELECT count(*) = 1 FROM pg_trigger
          WHERE tgrelid = 'rizzpay.payments'::regclass AND tgname = 'legal_transition'
            AND tgenabled = 'O' AND tgfoid = 'rizzpay.check_payment_transition()'::regprocedure
            AND tgtype = 1 + 2 + 16)), -- ROW, BEFORE, UPDATE
        ('a key is claimed once by a merchant in a mode',
         EXISTS (SELECT FROM pg_constraint
                 WHERE conrelid = 'rizzpay.idempotency_claims'::regclass AND contype = 'p'
                   AND pg_get_constraintdef(oid) = 'PRIMARY KEY (merchant_id, livemode, key)')),
        ('a case is opened once for an object and a reason',
         EXISTS (SELECT FROM pg_constraint
                 WHERE conrelid = 'rizzpay.review_cases'::regclass AND contype = 'u'
                   AND pg_get_constraintdef(oid) = 'UNIQUE (object_id, reason)')),
        ('of a payer there are sealed bytes and keyed indexes, and no text',
         (SELECT bool_and(data_type = 'bytea') AND count(*) = 7
          FROM information_schema.columns
          WHERE table_schema = 'rizzpay' AND table_name = 'payers'
            AND column_name IN ('name', 'email', 'phone', 'vpa',
                                'email_index', 'phone_index', 'vpa_index'))),
        ('nobody at work removes anything but claims',
         NOT EXISTS (
             SELECT FROM unnest(owned) AS t (oid),
                         unnest(ARRAY['rizzpay_app', 'rizzpay_worker']) AS r (name)
             WHERE has_table_privilege(r.name, t.oid, 'TRUNCATE')
                OR (has_table_privilege(r.name, t.oid, 'DELETE')
                    AND t.oid <> 'rizzpay.idempotency_claims'::regclass)))
    ) AS p (promise, holds)
    WHERE holds IS NOT TRUE;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION '0005 payments: %', broken;
    END IF;
END $$;
