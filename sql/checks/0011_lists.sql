-- Proof of 0011: rare things have an index, and none of the indexes costs a payment that is made
-- and paid. Raises when a promise is broken; changes nothing.
DO $$
DECLARE
    broken text;
BEGIN
    SELECT string_agg(promise, '; ') INTO broken
    FROM (VALUES
        ('rare statuses and types of events are found by merchant, mode and name, in order',
         (SELECT count(*) = 2 FROM pg_index AS i
          WHERE i.indisvalid
            AND (i.indexrelid = 'rizzpay.payments_by_status'::regclass
                 AND pg_get_indexdef(i.indexrelid)
                     LIKE '%(merchant_id, livemode, status, created_at DESC, id DESC)%'
                 OR i.indexrelid = 'rizzpay.events_by_type'::regclass
                 AND pg_get_indexdef(i.indexrelid)
                     LIKE '%(merchant_id, livemode, type, sequence)%'))),
        ('neither holds what every payment goes through',
         (SELECT bool_and(pg_get_expr(indpred, indrelid) LIKE '%requires\_action%'
                          AND pg_get_expr(indpred, indrelid) LIKE '%captured%')
          FROM pg_index WHERE indexrelid IN ('rizzpay.payments_by_status'::regclass,
                                             'rizzpay.events_by_type'::regclass))),
        ('every partition of events has the index of types',
         (SELECT count(*) = (SELECT count(*) FROM pg_inherits
                             WHERE inhparent = 'rizzpay.events'::regclass)
          FROM pg_inherits WHERE inhparent = 'rizzpay.events_by_type'::regclass)),
        ('claims are found by their object as long as they are open, and only then',
         to_regclass('rizzpay.idempotency_claims_object') IS NULL
         AND (SELECT pg_get_expr(indpred, indrelid) = '(completed_at IS NULL)' FROM pg_index
              WHERE indexrelid = 'rizzpay.idempotency_claims_open'::regclass))
    ) AS p (promise, holds)
    WHERE holds IS NOT TRUE;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION '0011 lists: %', broken;
    END IF;
END $$;
