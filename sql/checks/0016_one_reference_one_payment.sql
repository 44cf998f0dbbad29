-- Proof of 0016: of two payments that money was taken for, no two have one reference of one
-- gateway. Raises when the promise is broken; changes nothing.
DO $$
DECLARE
    broken text;
BEGIN
    SELECT string_agg(promise, '; ') INTO broken
    FROM (VALUES
        ('a reference of a gateway is one payment''s only',
         (SELECT indisunique AND indisvalid
                 AND pg_get_indexdef(indexrelid) LIKE '%(gateway, gateway_reference)%'
                 AND pg_get_expr(indpred, indrelid) = '(amount_authorized > 0)'
          FROM pg_index WHERE indexrelid = to_regclass('rizzpay.payments_gateway_reference')))
    ) AS p (promise, holds)
    WHERE holds IS NOT TRUE;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION '0016 one_reference_one_payment: %', broken;
    END IF;
END $$;
