-- Proof of 0012: the rows of new payments have a type whose columns fit the tables. Raises when a
-- promise is broken; changes nothing.
DO $$
DECLARE
    broken text;
BEGIN
    SELECT string_agg(promise, '; ') INTO broken
    FROM (VALUES
        ('a new payment is one row of a type of its own',
         (SELECT typtype = 'c' FROM pg_type WHERE oid = to_regtype('rizzpay.beginning'))),
        ('columns that are named after those of payments have their types',
         NOT EXISTS (
             SELECT FROM pg_attribute AS b
             JOIN pg_attribute AS p ON p.attname = b.attname
                                   AND p.attrelid = 'rizzpay.payments'::regclass
             WHERE b.attrelid = to_regclass('rizzpay.beginning')
               AND b.atttypid <> p.atttypid AND b.attname <> 'currency')),
        ('an event is kept as the text that the API wrote',
         (SELECT atttypid = 'json'::regtype FROM pg_attribute
          WHERE attrelid = to_regclass('rizzpay.beginning') AND attname = 'event'))
    ) AS p (promise, holds)
    WHERE holds IS NOT TRUE;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION '0012 beginnings: %', broken;
    END IF;
END $$;
