-- 0009 job_queues
-- why:   each kind of job is a queue of its own, so that what waits for a slow receiver never
--        stands in front of money; room for a lease in a job's own page; vacuum while it is small
-- locks: SHARE on jobs while the index is built, then ACCESS EXCLUSIVE to drop the old one
-- time:  about 1 s for a million jobs that wait; there are as many as payments of a quarter hour
-- proof: sql/checks/0009_job_queues.sql

CREATE INDEX jobs_due_by_kind ON rizzpay.jobs (kind, run_at, id);
DROP INDEX rizzpay.jobs_due;

-- A lease changes no column of an index: with room in the page it makes no new index entries (98 %
-- of 130,000 leases instead of 30 %, measured 2026-11-21). A job lives for seconds, so dead entries
-- pile up at the head of its queue; some ten thousand are looked over in a few milliseconds.
ALTER TABLE rizzpay.jobs SET (
    fillfactor = 50,
    autovacuum_vacuum_threshold = 10000,
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_insert_scale_factor = 0.1,
    autovacuum_analyze_threshold = 10000,
    autovacuum_analyze_scale_factor = 0.05
);
