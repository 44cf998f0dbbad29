-- Proof of 0007: the table of legal moves is filled, closed and out of reach.
-- A test compares its rows with payments/states.py. Raises when a promise is broken.
DO $$
DECLARE
    broken text;
BEGIN
    SELECT string_agg(promise, '; ') INTO broken
    FROM (VALUES
        ('there are moves, and every one goes somewhere else',
         EXISTS (SELECT FROM rizzpay.payment_transitions)
         AND NOT EXISTS (SELECT FROM rizzpay.payment_transitions WHERE from_status = to_status)),
        ('every state of a move is a state that a payment can have',
         NOT EXISTS (
             SELECT FROM rizzpay.payment_transitions AS t,
                         unnest(ARRAY[t.from_status, t.to_status]) AS s (name)
             WHERE NOT EXISTS (
                 SELECT FROM pg_constraint
                 WHERE conrelid = 'rizzpay.payments'::regclass AND contype = 'c'
                   AND pg_get_constraintdef(oid) LIKE '%status%= ANY%'
                   AND position(quote_literal(s.name) IN pg_get_constraintdef(oid)) > 0))),
        ('nothing comes back to the beginning',
         NOT EXISTS (SELECT FROM rizzpay.payment_transitions WHERE to_status = 'created')),
        ('money that was taken leaves a payment only as refunds, not by a move',
         NOT EXISTS (SELECT FROM rizzpay.payment_transitions
                     WHERE from_status IN ('captured', 'conflicted')
                       AND to_status IN ('failed', 'cancelled', 'expired'))),
        ('nobody at work can change the table',
         NOT EXISTS (
             SELECT FROM unnest(ARRAY['rizzpay_app', 'rizzpay_worker']) AS r (name)
             WHERE has_table_privilege(r.name, 'rizzpay.payment_transitions',
                                       'INSERT, UPDATE, DELETE, TRUNCATE')))
    ) AS p (promise, holds)
    WHERE holds IS NOT TRUE;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION '0007 payment_transitions: %', broken;
    END IF;
END $$;
