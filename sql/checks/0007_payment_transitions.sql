-- Proof of 0007, run as rizzpay_worker in a transaction that is rolled back; raises when it fails.
-- That the rows equal payments/states.py is a unit test; here: what must never be among them.
DO $$
BEGIN
    ASSERT EXISTS (SELECT FROM rizzpay.payment_transitions), 'the table is filled';
    ASSERT NOT EXISTS (
        SELECT FROM rizzpay.payment_transitions WHERE from_status = 'captured'
    ), 'captured is the end';
    ASSERT NOT EXISTS (
        SELECT FROM rizzpay.payment_transitions
        WHERE from_status = 'unknown' AND to_status IN ('expired', 'created', 'processing')
    ), 'no timer and no second try leads out of unknown';
    ASSERT NOT EXISTS (
        SELECT FROM rizzpay.payment_transitions WHERE from_status = to_status
    ), 'staying is not a move';
    ASSERT NOT EXISTS (
        SELECT FROM unnest(ARRAY['rizzpay_app', 'rizzpay_worker']) AS role
        WHERE has_table_privilege(role, 'rizzpay.payment_transitions', 'INSERT, UPDATE, DELETE')
    ),
        'the service cannot make a move legal';
END $$;
