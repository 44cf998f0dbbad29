-- Proof of 0004, run as rizzpay_worker in a transaction that is rolled back; raises when it fails.
CREATE TEMPORARY TABLE tried (
    id text, debit text, credit text, amount bigint, phase text, pending_id text
) ON COMMIT DROP;
INSERT INTO tried (id, debit, credit, amount, phase, pending_id) VALUES
    ('trf_check_same', 'fees', 'fees', 1, 'posted', NULL),
    ('trf_check_zero', 'gateway:x', 'merchant_pending', 0, 'posted', NULL),
    ('trf_check_free', 'gateway:x', 'merchant_pending', 1, 'post', NULL),
    ('trf_check_more', 'gateway:x', 'merchant_pending', 101, 'post', 'trf_check_hold'),
    ('trf_check_less', 'gateway:x', 'merchant_pending', 99, 'void', 'trf_check_hold'),
    ('trf_check_swap', 'merchant_pending', 'gateway:x', 100, 'post', 'trf_check_hold');

DO $$
DECLARE
    bad record;
BEGIN
    INSERT INTO rizzpay.ledger_transfers
        (id, merchant_id, livemode, currency, debit, credit, amount, phase, pending_id,
         code, created_at)
    VALUES ('trf_check_hold', 'mer_check', false, 'INR', 'gateway:x', 'merchant_pending', 100,
            'pending', NULL, 'check', now());
    FOR bad IN SELECT id, debit, credit, amount, phase, pending_id FROM tried LOOP
        BEGIN
            INSERT INTO rizzpay.ledger_transfers
                (id, merchant_id, livemode, currency, debit, credit, amount, phase, pending_id,
                 code, created_at)
            VALUES (bad.id, 'mer_check', false, 'INR', bad.debit, bad.credit, bad.amount,
                    bad.phase, bad.pending_id, 'check', now());
            RAISE EXCEPTION '% was accepted', bad.id;
        EXCEPTION WHEN check_violation THEN NULL;
        END;
    END LOOP;
    BEGIN
        INSERT INTO rizzpay.ledger_transfers
            (id, merchant_id, livemode, currency, debit, credit, amount, phase, pending_id,
             code, created_at)
        VALUES ('trf_check_other', 'mer_other', false, 'INR', 'gateway:x', 'merchant_pending',
                100, 'post', 'trf_check_hold', 'check', now());
        RAISE EXCEPTION 'another merchant resolved a hold';
    EXCEPTION WHEN check_violation THEN NULL;
    END;
    INSERT INTO rizzpay.ledger_transfers
        (id, merchant_id, livemode, currency, debit, credit, amount, phase, pending_id,
         code, created_at)
    VALUES ('trf_check_post', 'mer_check', false, 'INR', 'gateway:x', 'merchant_pending',
            60, 'post', 'trf_check_hold', 'check', now());
    BEGIN
        INSERT INTO rizzpay.ledger_transfers
            (id, merchant_id, livemode, currency, debit, credit, amount, phase, pending_id,
             code, created_at)
        VALUES ('trf_check_void', 'mer_check', false, 'INR', 'gateway:x', 'merchant_pending',
                100, 'void', 'trf_check_hold', 'check', now());
        RAISE EXCEPTION 'a hold was resolved twice';
    EXCEPTION WHEN unique_violation THEN NULL;
    END;
    ASSERT NOT has_table_privilege('rizzpay_worker', 'rizzpay.ledger_transfers', 'UPDATE, DELETE')
           AND NOT has_table_privilege('rizzpay_app', 'rizzpay.ledger_transfers', 'UPDATE, DELETE'),
        'a correction is a new transfer';
END $$;
