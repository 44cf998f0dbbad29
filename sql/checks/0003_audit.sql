-- Proof of 0003, run as rizzpay_worker in a transaction that is rolled back; raises when it fails.
DO $$
DECLARE
    name text;
BEGIN
    INSERT INTO rizzpay.audit_log (at, actor, action, object_id)
    VALUES (now(), 'check', 'check.ran', 'x');
    ASSERT (SELECT xid FROM rizzpay.audit_log WHERE action = 'check.ran' ORDER BY id DESC LIMIT 1)
           = pg_current_xact_id(), 'an entry knows its transaction';

    FOREACH name IN ARRAY ARRAY['audit_log', 'audit_chain', 'audit_checkpoints'] LOOP
        ASSERT EXISTS (
            SELECT FROM pg_trigger
            WHERE tgrelid = format('rizzpay.%I', name)::regclass
              AND tgname = 'append_only' AND tgenabled = 'O'
        ), name || ' is append-only, also for its owner';
        ASSERT NOT has_table_privilege('rizzpay_worker', 'rizzpay.' || name, 'UPDATE')
               AND NOT has_table_privilege('rizzpay_worker', 'rizzpay.' || name, 'DELETE')
               AND NOT has_table_privilege('rizzpay_app', 'rizzpay.' || name, 'UPDATE')
               AND NOT has_table_privilege('rizzpay_app', 'rizzpay.' || name, 'DELETE'),
            name || ' cannot be changed by the service';
    END LOOP;
    ASSERT NOT has_table_privilege('rizzpay_app', 'rizzpay.audit_chain', 'INSERT'),
        'the API does not seal';
    BEGIN
        INSERT INTO rizzpay.audit_chain (position, audit_id, hash)
        VALUES (9007199254740991, 1, '\x00');
        RAISE EXCEPTION 'something that is no hash was accepted';
    EXCEPTION WHEN check_violation THEN NULL;
    END;
END $$;
