-- Proof of 0015: what waits for its customer is found by when it expires, and every row that
-- resolves a hold is checked. Raises when a promise is broken; changes nothing.
DO $$
DECLARE
    broken text;
BEGIN
    SELECT string_agg(promise, '; ') INTO broken
    FROM (VALUES
        ('waiting payments are found by when they expire',
         (SELECT indisvalid AND pg_get_indexdef(indexrelid) LIKE '%(expires_at)%'
                 AND pg_get_expr(indpred, indrelid) = '(status = ''requires_action''::text)'
          FROM pg_index WHERE indexrelid = to_regclass('rizzpay.payments_waiting'))),
        ('rows that resolve are checked one by one, and the others are not',
         (SELECT tgenabled = 'O' AND tgtype = 5
                 AND tgfoid = 'rizzpay.check_resolutions()'::regprocedure
                 AND pg_get_triggerdef(oid) LIKE '%WHEN ((new.pending_id IS NOT NULL))%'
          FROM pg_trigger
          WHERE tgrelid = 'rizzpay.ledger_transfers'::regclass AND tgname = 'resolves_pending'))
    ) AS p (promise, holds)
    WHERE holds IS NOT TRUE;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION '0015 less_a_payment: %', broken;
    END IF;
END $$;
