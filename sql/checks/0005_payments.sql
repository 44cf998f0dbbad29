-- Proof of 0005, run as rizzpay_worker in a transaction that is rolled back; raises when it fails.
DO $$
DECLARE
    bad text;
BEGIN
    INSERT INTO rizzpay.merchants (id, name, mcc, requests_per_minute, created_at)
    VALUES ('mer_check', 'Check', '5411', 100, now());
    INSERT INTO rizzpay.payments
        (id, merchant_id, livemode, status, amount, currency, amount_authorized, amount_captured,
         capture_method, method, gateway, fee_basis_points, gst_basis_points, late_authorization,
         version, created_at, updated_at)
    VALUES ('pay_check', 'mer_check', false, 'authorized', 100, 'INR', 100, 60,
            'manual', '{}', 'x', 200, 1800, 'capture', 1, now(), now());

    -- Set of columns that together break an invariant.
    FOREACH bad IN ARRAY ARRAY[
        'amount_captured = 101',
        'amount_captured = 60, amount_capture_pending = 41',
        'amount_refunded = 61',
        'amount_refunded = 30, amount_refund_pending = 31',
        'amount = 0',
        'status = ''paid''',
        'status = ''failed''', -- no way back from authorized
        'hold_amount = 1'
    ] LOOP
        BEGIN
            EXECUTE 'UPDATE rizzpay.payments SET ' || bad || ' WHERE id = ''pay_check''';
            RAISE EXCEPTION '% was accepted', bad;
        EXCEPTION WHEN check_violation THEN NULL;
        END;
    END LOOP;
    UPDATE rizzpay.payments SET status = 'captured' WHERE id = 'pay_check';

    INSERT INTO rizzpay.payment_attempts
        (id, payment_id, merchant_id, livemode, kind, status, amount, gateway, created_at,
         updated_at)
    VALUES ('att_check_1', 'pay_check', 'mer_check', false, 'authorize', 'approved', 100, 'x',
            now(), now());
    BEGIN
        INSERT INTO rizzpay.payment_attempts
            (id, payment_id, merchant_id, livemode, kind, status, amount, gateway, created_at,
             updated_at)
        VALUES ('att_check_2', 'pay_check', 'mer_check', false, 'authorize', 'approved', 100, 'x',
                now(), now());
        RAISE EXCEPTION 'a payment succeeded twice';
    EXCEPTION WHEN unique_violation THEN NULL;
    END;

    INSERT INTO rizzpay.idempotency_claims
        (merchant_id, livemode, key, request_hash, request_id, object_id, created_at)
    VALUES ('mer_check', false, 'check-key', '\x00', 'req_check', 'pay_check', now()),
           ('mer_check', true, 'check-key', '\x00', 'req_check', 'pay_check', now());
    BEGIN
        INSERT INTO rizzpay.idempotency_claims
            (merchant_id, livemode, key, request_hash, request_id, object_id, created_at)
        VALUES ('mer_check', false, 'check-key', '\x01', 'req_check', 'pay_other', now());
        RAISE EXCEPTION 'a key was claimed twice';
    EXCEPTION WHEN unique_violation THEN NULL;
    END;
END $$;
