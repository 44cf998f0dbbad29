-- Proof of 0009: due jobs are found by their kind. Raises when a promise is broken.
DO $$
DECLARE
    broken text;
BEGIN
    SELECT string_agg(promise, '; ') INTO broken
    FROM (VALUES
        ('due jobs of a kind are found by an index, in order',
         EXISTS (SELECT FROM pg_index
                 WHERE indrelid = 'rizzpay.jobs'::regclass AND indisvalid
                   AND indexrelid::regclass::text = 'rizzpay.jobs_due_by_kind'
                   AND pg_get_indexdef(indexrelid) LIKE '%(kind, run_at, id)')),
        ('a lease finds room in the page of its job, and vacuum comes while the table is small',
         (SELECT reloptions @> ARRAY['fillfactor=50', 'autovacuum_vacuum_scale_factor=0.01']
          FROM pg_class WHERE oid = 'rizzpay.jobs'::regclass))
    ) AS p (promise, holds)
    WHERE holds IS NOT TRUE;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION '0009 job_queues: %', broken;
    END IF;
END $$;
