-- Proof of 0004: transfers only grow, are positive, balanced and resolved once, and agree with
-- the accounts. Raises when a promise is broken; changes nothing.
-- Run it as rizzpay_worker: it sees every merchant, so that the balance means something.
DO $$
DECLARE
    books constant regclass[] := ARRAY['rizzpay.ledger_accounts',
                                       'rizzpay.ledger_transfers']::regclass[];
    broken text;
BEGIN
    SELECT string_agg(promise, '; ') INTO broken
    FROM (VALUES
        ('row-level security of both tables is on and forced',
         (SELECT bool_and(relrowsecurity AND relforcerowsecurity)
          FROM pg_class WHERE oid = ANY (books))),
        ('both have one policy, for the API, reading and writing by merchant and mode',
         (SELECT count(*) = 2 AND bool_and(
                     polroles = ARRAY['rizzpay_app'::regrole::oid]
                     AND pg_get_expr(polqual, polrelid) LIKE '%tenant_ids()%tenant_livemode()%'
                     AND pg_get_expr(polwithcheck, polrelid)
                         LIKE '%tenant_ids()%tenant_livemode()%')
          FROM pg_policy WHERE polrelid = ANY (books))),
        ('a trigger refuses every UPDATE, DELETE and TRUNCATE of transfers',
         (SELECT count(*) = 1 FROM pg_trigger
          WHERE tgrelid = 'rizzpay.ledger_transfers'::regclass AND tgname = 'append_only'
            AND tgenabled = 'O' AND tgfoid = 'rizzpay.refuse_change()'::regprocedure
            AND tgtype = 2 + 8 + 16 + 32)), -- BEFORE, DELETE, UPDATE, TRUNCATE; a statement
        ('a trigger compares resolutions with what they resolve',
         (SELECT count(*) = 1 FROM pg_trigger
          WHERE tgrelid = 'rizzpay.ledger_transfers'::regclass AND tgname = 'resolves_pending'
            AND tgenabled = 'O' AND tgfoid = 'rizzpay.check_resolutions()'::regprocedure
            AND tgtype IN (4, 5))), -- AFTER, INSERT; a statement, since 0015 a row
        ('nobody at work has the right to change transfers or to remove anything',
         NOT EXISTS (
             SELECT FROM unnest(ARRAY['rizzpay_app', 'rizzpay_worker']) AS r (name)
             WHERE has_table_privilege(r.name, 'rizzpay.ledger_transfers',
                                       'UPDATE, DELETE, TRUNCATE')
                OR has_table_privilege(r.name, 'rizzpay.ledger_accounts', 'DELETE, TRUNCATE'))),
        ('amounts are positive, accounts differ, and only resolutions name a pending transfer',
         (SELECT count(*) = 3 FROM pg_constraint
          WHERE conrelid = 'rizzpay.ledger_transfers'::regclass AND contype = 'c' AND convalidated
            AND (pg_get_constraintdef(oid) LIKE '%(amount > 0)%'
                 OR pg_get_constraintdef(oid) LIKE '%(debit <> credit)%'
                 OR pg_get_constraintdef(oid) LIKE '%pending_id IS NOT NULL%'))),
        ('a pending transfer is resolved at most once',
         (SELECT indisunique AND indisvalid AND pg_get_indexdef(indexrelid) LIKE '%(pending_id)%'
          FROM pg_index WHERE indexrelid = 'rizzpay.ledger_transfers_resolved_once'::regclass)),
        ('sums of an account never fall below zero',
         (SELECT count(*) = 4 FROM pg_constraint
          WHERE conrelid = 'rizzpay.ledger_accounts'::regclass AND contype = 'c' AND convalidated
            AND pg_get_constraintdef(oid) LIKE '%>= 0%')),
        ('debits equal credits in every currency, posted and pending',
         NOT EXISTS (SELECT FROM rizzpay.ledger_accounts GROUP BY currency
                     HAVING sum(debits_posted) <> sum(credits_posted)
                         OR sum(debits_pending) <> sum(credits_pending)))
    ) AS p (promise, holds)
    WHERE holds IS NOT TRUE;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION '0004 ledger: %', broken;
    END IF;
END $$;
