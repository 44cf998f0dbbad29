-- Proof of 0006, run as rizzpay_worker in a transaction that is rolled back; raises when it fails.
DO $$
BEGIN
    INSERT INTO rizzpay.events
        (id, merchant_id, livemode, sequence, type, object_id, object_sequence, data, created_at)
    VALUES ('evt_check', 'mer_check', false, 1, 'check.ran', 'x', 1, '{}', now());
    BEGIN
        INSERT INTO rizzpay.events
            (id, merchant_id, livemode, sequence, type, object_id, object_sequence, data,
             created_at)
        VALUES ('evt_check_2', 'mer_check', false, 1, 'check.ran', 'x', 2, '{}', now());
        RAISE EXCEPTION 'two events had one sequence number';
    EXCEPTION WHEN unique_violation THEN NULL;
    END;
    ASSERT NOT has_table_privilege('rizzpay_worker', 'rizzpay.events', 'UPDATE, DELETE')
           AND NOT has_table_privilege('rizzpay_app', 'rizzpay.events', 'UPDATE, DELETE'),
        'an event is never rewritten';

    INSERT INTO rizzpay.webhook_endpoints
        (id, merchant_id, livemode, url, event_types, secret, created_at, updated_at)
    VALUES ('whe_check', 'mer_check', false, 'https://example.com', '{*}', '\x00', now(), now());
    INSERT INTO rizzpay.webhook_deliveries
        (id, merchant_id, livemode, endpoint_id, event_id, origin, status, created_at,
         updated_at)
    VALUES ('dlv_check_1', 'mer_check', false, 'whe_check', 'evt_check', 'event', 'pending',
            now(), now()),
           ('dlv_check_2', 'mer_check', false, 'whe_check', 'evt_check', 'replay', 'pending',
            now(), now());
    BEGIN
        INSERT INTO rizzpay.webhook_deliveries
            (id, merchant_id, livemode, endpoint_id, event_id, origin, status, created_at,
             updated_at)
        VALUES ('dlv_check_3', 'mer_check', false, 'whe_check', 'evt_check', 'event', 'pending',
                now(), now());
        RAISE EXCEPTION 'an event went to an endpoint twice';
    EXCEPTION WHEN unique_violation THEN NULL;
    END;

    INSERT INTO rizzpay.gateway_callbacks (gateway, provider_event_id, body, received_at)
    VALUES ('check', '1', '\x00', now());
    BEGIN
        INSERT INTO rizzpay.gateway_callbacks (gateway, provider_event_id, body, received_at)
        VALUES ('check', '1', '\x01', now());
        RAISE EXCEPTION 'a callback was taken twice';
    EXCEPTION WHEN unique_violation THEN NULL;
    END;
    ASSERT NOT has_column_privilege('rizzpay_app', 'rizzpay.gateway_callbacks', 'body', 'SELECT'),
        'the API does not read what callbacks say';
END $$;
