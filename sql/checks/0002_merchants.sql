-- Proof of 0002, run as rizzpay_worker in a transaction that is rolled back; raises when it fails.
DO $$
BEGIN
    INSERT INTO rizzpay.data_keys (id, purpose, kek_label, mechanism, wrapped, status, created_at)
    VALUES ('dek_check', 'api_pepper', 'kek', 'AES_KEY_WRAP', '\x00', 'decrypt_only', now());
    INSERT INTO rizzpay.merchants (id, name, mcc, requests_per_minute, created_at)
    VALUES ('mer_check', 'Check', '5411', 100, now());
    INSERT INTO rizzpay.api_keys
        (id, merchant_id, livemode, slot, digest, pepper_id, scopes, created_at)
    SELECT 'key_check_' || slot, 'mer_check', false, slot, decode(repeat('00', 32), 'hex'),
           'dek_check', '{}', now()
    FROM generate_series(1, 2) AS slot;

    BEGIN
        INSERT INTO rizzpay.api_keys
            (id, merchant_id, livemode, slot, digest, pepper_id, scopes, created_at)
        VALUES ('key_check_3', 'mer_check', false, 2, decode(repeat('00', 32), 'hex'),
                'dek_check', '{}', now());
        RAISE EXCEPTION 'a third live key was accepted';
    EXCEPTION WHEN unique_violation THEN NULL;
    END;
    BEGIN
        UPDATE rizzpay.api_keys SET slot = 3 WHERE id = 'key_check_2';
        RAISE EXCEPTION 'a third slot was accepted';
    EXCEPTION WHEN check_violation THEN NULL;
    END;
    BEGIN
        UPDATE rizzpay.api_keys SET digest = 'secret' WHERE id = 'key_check_2';
        RAISE EXCEPTION 'something that is no digest was accepted';
    EXCEPTION WHEN check_violation THEN NULL;
    END;

    ASSERT (SELECT count(*) FROM rizzpay.find_api_key('key_check_1')) = 1,
        'a key is found by its id';
    ASSERT (SELECT count(*) FROM rizzpay.find_api_key('key_check_%')) = 0,
        'and by nothing else';
    ASSERT NOT has_function_privilege('public', 'rizzpay.find_api_key(text)', 'EXECUTE'),
        'only our roles may look keys up';
END $$;
