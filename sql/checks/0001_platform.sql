-- Proof of 0001, run as rizzpay_worker in a transaction that is rolled back; raises when it fails.
DO $$
BEGIN
    PERFORM set_config('app.merchant_id', 'mer_a,mer_b', true),
            set_config('app.livemode', 'false', true);
    ASSERT rizzpay.tenant_ids() = ARRAY['mer_a', 'mer_b'], 'the tenants of a batch';
    ASSERT rizzpay.tenant_livemode() IS FALSE, 'the mode of a batch';
    PERFORM set_config('app.merchant_id', '', true), set_config('app.livemode', '', true);
    ASSERT cardinality(rizzpay.tenant_ids()) = 0, 'no tenant is none, not all';
    ASSERT rizzpay.tenant_livemode() IS NULL, 'no mode is none';

    UPDATE rizzpay.data_keys SET status = 'decrypt_only'
    WHERE purpose = 'cursor' AND status = 'active';
    INSERT INTO rizzpay.data_keys (id, purpose, kek_label, mechanism, wrapped, created_at)
    VALUES ('dek_check_1', 'cursor', 'kek', 'AES_KEY_WRAP', '\x00', now());
    BEGIN
        INSERT INTO rizzpay.data_keys (id, purpose, kek_label, mechanism, wrapped, created_at)
        VALUES ('dek_check_2', 'cursor', 'kek', 'AES_KEY_WRAP', '\x00', now());
        RAISE EXCEPTION 'a purpose had two active keys';
    EXCEPTION WHEN unique_violation THEN NULL;
    END;

    INSERT INTO rizzpay.jobs (kind, key, run_at) VALUES ('check', '1', now());
    BEGIN
        INSERT INTO rizzpay.jobs (kind, key, run_at) VALUES ('check', '1', now());
        RAISE EXCEPTION 'a job was there twice';
    EXCEPTION WHEN unique_violation THEN NULL;
    END;
END $$;
