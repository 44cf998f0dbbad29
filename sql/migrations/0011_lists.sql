-- 0011 lists
-- why:   lists that are narrowed to what is rare find it by an index; what no query uses costs
--        every payment and goes
-- locks: SHARE on payments, events and idempotency_claims while indexes are built, then ACCESS
--        EXCLUSIVE for a moment
-- time:  0.5 s a million payments
-- proof: sql/checks/0011_lists.sql

-- Without what every payment goes through: a payment that is made and paid costs nothing more.
-- Those are found in the plain lists, where they lie close together.
CREATE INDEX payments_by_status
    ON rizzpay.payments (merchant_id, livemode, status, created_at DESC, id DESC)
    WHERE status NOT IN ('captured', 'requires_action');
CREATE INDEX events_by_type ON rizzpay.events (merchant_id, livemode, type, sequence)
    WHERE type NOT IN ('payment.created', 'payment.requires_action', 'payment.captured');

-- Only open claims are looked for by their object, and most are born answered.
CREATE INDEX idempotency_claims_open ON rizzpay.idempotency_claims (object_id)
    WHERE completed_at IS NULL;
DROP INDEX rizzpay.idempotency_claims_object;

-- Nobody looks for events by their object.
DROP INDEX rizzpay.events_object;
