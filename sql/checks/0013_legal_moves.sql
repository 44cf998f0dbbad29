-- Proof of 0013: what the trigger lets pass without a look at the table is what the table says.
-- Raises when a promise is broken; changes nothing.
DO $$
DECLARE
    broken text;
BEGIN
    SELECT string_agg(promise, '; ') INTO broken
    FROM (VALUES
        ('the trigger lets the moves of the table pass and no others',
         (SELECT array_agg(move[1] ORDER BY move[1])
          FROM pg_trigger AS t,
               regexp_matches(pg_get_triggerdef(t.oid), '([a-z_]+>[a-z_]+)', 'g') AS move
          WHERE t.tgrelid = 'rizzpay.payments'::regclass AND t.tgname = 'legal_transition')
         = (SELECT array_agg(from_status || '>' || to_status
                             ORDER BY from_status || '>' || to_status)
            FROM rizzpay.payment_transitions)),
        ('every other move is looked up before it is written',
         EXISTS (SELECT FROM pg_trigger AS t
                 WHERE t.tgrelid = 'rizzpay.payments'::regclass
                   AND t.tgname = 'legal_transition' AND t.tgenabled = 'O'
                   AND t.tgfoid = 'rizzpay.check_payment_transition()'::regprocedure
                   AND pg_get_triggerdef(t.oid) LIKE '%BEFORE UPDATE OF status%FOR EACH ROW%'
                   AND pg_get_triggerdef(t.oid) LIKE '%old.status <> new.status%<> ALL%'))
    ) AS p (promise, holds)
    WHERE holds IS NOT TRUE;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION '0013 legal_moves: %', broken;
    END IF;
END $$;
