-- Proof of 0014: every page of callbacks keeps room for the marked rows of those that it holds.
-- Raises when a promise is broken; changes nothing.
DO $$
DECLARE
    broken text;
BEGIN
    SELECT string_agg(promise, '; ') INTO broken
    FROM (VALUES
        ('callbacks fill half of a page',
         (SELECT 'fillfactor=50' = ANY (reloptions)
          FROM pg_class WHERE oid = 'rizzpay.gateway_callbacks'::regclass)),
        ('no index holds what marking changes',
         NOT EXISTS (SELECT FROM pg_index AS i
                     JOIN pg_attribute AS a
                       ON a.attrelid = i.indrelid AND a.attname IN ('applied_at', 'result')
                     WHERE i.indrelid = 'rizzpay.gateway_callbacks'::regclass
                       AND (a.attnum = ANY (i.indkey) OR i.indpred IS NOT NULL)))
    ) AS p (promise, holds)
    WHERE holds IS NOT TRUE;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION '0014 room_to_mark: %', broken;
    END IF;
END $$;
