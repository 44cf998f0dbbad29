-- 0013 legal_moves
-- why:   the trigger on a payment's status ran a query for every payment that moves, a third of
--        what PostgreSQL needed to update it; its condition now knows the legal moves
-- locks: SHARE ROW EXCLUSIVE on payments for a moment
-- time:  milliseconds
-- proof: sql/checks/0013_legal_moves.sql

-- The condition is made of the table's rows, and the proof compares them. For a move that it does
-- not list, the function asks the table as before: a later migration that adds a move to the table
-- is slow until it makes the trigger anew, and one that takes a move away has to make it anew.
DO $$
DECLARE
    legal text[];
BEGIN
    SELECT array_agg(from_status || '>' || to_status ORDER BY from_status, to_status) INTO legal
    FROM rizzpay.payment_transitions;
    EXECUTE format(
        'CREATE OR REPLACE TRIGGER legal_transition BEFORE UPDATE OF status ON rizzpay.payments '
        'FOR EACH ROW WHEN (OLD.status <> NEW.status '
        'AND (OLD.status || ''>'' || NEW.status) <> ALL (%L::text[])) '
        'EXECUTE FUNCTION rizzpay.check_payment_transition()', legal);
END $$;
