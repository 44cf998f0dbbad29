-- 0016 one_reference_one_payment
-- why:   money that a gateway names by one reference belongs to one payment; 0005 says so of the
--        RRN, which not every gateway has
-- locks: SHARE on payments while the index is built
-- time:  0.5 s a million payments
-- proof: sql/checks/0016_one_reference_one_payment.sql

-- Only payments that money was taken or held for are in it: a gateway may give the reference of
-- one that came to nothing again, and a conflicted one names the reference that it disputes.
CREATE UNIQUE INDEX payments_gateway_reference ON rizzpay.payments (gateway, gateway_reference)
    WHERE amount_authorized > 0;
