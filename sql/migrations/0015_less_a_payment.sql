-- 0015 less_a_payment
-- why:   a payment that is paid in time needs no job for its end, its row says when that is; and
--        what resolves no hold is not looked at by who checks resolutions
-- locks: SHARE on payments while the index is built, ACCESS EXCLUSIVE on ledger_transfers for a
--        moment
-- time:  0.5 s a million payments
-- proof: sql/checks/0015_less_a_payment.sql

-- Only payments that wait for their customer are in it.
CREATE INDEX payments_waiting ON rizzpay.payments (expires_at) WHERE status = 'requires_action';

-- What 0004 says of a whole statement, for each row that resolves a pending transfer: it has the
-- same merchant, accounts and currency, a post is for at most its amount, a void for exactly that.
CREATE OR REPLACE FUNCTION rizzpay.check_resolutions() RETURNS trigger
    LANGUAGE plpgsql
    SET enable_seqscan = off
    AS $$
    BEGIN
        IF (SELECT p.phase = 'pending' AND p.merchant_id = NEW.merchant_id
                   AND p.livemode = NEW.livemode AND p.currency = NEW.currency
                   AND p.debit = NEW.debit AND p.credit = NEW.credit
                   AND (NEW.amount = p.amount OR (NEW.phase = 'post' AND NEW.amount < p.amount))
            FROM rizzpay.ledger_transfers p WHERE p.id = NEW.pending_id) IS NOT TRUE
        THEN
            RAISE EXCEPTION 'transfer %: does not fit what it resolves', NEW.id
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN NULL;
    END $$;
DROP TRIGGER resolves_pending ON rizzpay.ledger_transfers;
CREATE TRIGGER resolves_pending AFTER INSERT ON rizzpay.ledger_transfers
    FOR EACH ROW WHEN (NEW.pending_id IS NOT NULL)
    EXECUTE FUNCTION rizzpay.check_resolutions();
