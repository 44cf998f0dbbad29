-- Proof of 0008: events keep their data as text of JSON, in every partition. Changes nothing.
DO $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_attribute AS a
        JOIN pg_partition_tree('rizzpay.events') AS t ON t.relid = a.attrelid
        WHERE a.attname = 'data' AND a.atttypid <> 'json'::regtype
    ) THEN
        RAISE EXCEPTION 'events.data is not json everywhere';
    END IF;
END $$;
