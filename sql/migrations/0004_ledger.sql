-- 0004 ledger
-- why:   two-phase double entry: one debit, one credit, one positive amount a transfer
-- locks: none (new tables)
-- time:  milliseconds
-- proof: sql/checks/0004_ledger.sql

CREATE TABLE rizzpay.ledger_accounts (
    merchant_id      text NOT NULL,
    livemode         boolean NOT NULL,
    currency         char(3) NOT NULL,
    name             text NOT NULL
        CHECK (name IN ('merchant_pending', 'merchant_available', 'fees', 'gst', 'refunds',
                        'suspense')
               OR name ~ '^gateway:[a-z0-9_-]{1,40}$'),
    debits_posted    bigint NOT NULL DEFAULT 0 CHECK (debits_posted >= 0),
    credits_posted   bigint NOT NULL DEFAULT 0 CHECK (credits_posted >= 0),
    debits_pending   bigint NOT NULL DEFAULT 0 CHECK (debits_pending >= 0),
    credits_pending  bigint NOT NULL DEFAULT 0 CHECK (credits_pending >= 0),
    PRIMARY KEY (merchant_id, livemode, currency, name)
) WITH (fillfactor = 50); -- few rows, changed by every payment: room for heap-only updates

-- posted: done at once · pending: held · post, void: resolve a pending transfer, exactly once.
CREATE TABLE rizzpay.ledger_transfers (
    id          text PRIMARY KEY,
    merchant_id text NOT NULL,
    livemode    boolean NOT NULL,
    currency    char(3) NOT NULL,
    debit       text NOT NULL,
    credit      text NOT NULL,
    amount      bigint NOT NULL CHECK (amount > 0),
    phase       text NOT NULL CHECK (phase IN ('posted', 'pending', 'post', 'void')),
    pending_id  text REFERENCES rizzpay.ledger_transfers (id),
    code        text NOT NULL,
    payment_id  text,
    refund_id   text,
    created_at  timestamptz NOT NULL,
    CHECK (debit <> credit),
    CHECK ((phase IN ('post', 'void')) = (pending_id IS NOT NULL))
);
CREATE UNIQUE INDEX ledger_transfers_resolved_once ON rizzpay.ledger_transfers (pending_id)
    WHERE pending_id IS NOT NULL;
CREATE INDEX ledger_transfers_payment ON rizzpay.ledger_transfers (payment_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON rizzpay.ledger_transfers
    FOR EACH STATEMENT EXECUTE FUNCTION rizzpay.refuse_change();

-- The second wall behind ledger/model.py: a post or void resolves a pending transfer of the same
-- merchant, accounts and currency, a post for at most its amount, a void for exactly its amount.
-- A foreign pending transfer is either invisible here or has another merchant. A sub-select looks
-- each one up: as a join its plan is kept from when the table was empty, and then reads all of it.
CREATE FUNCTION rizzpay.check_resolutions() RETURNS trigger
    LANGUAGE plpgsql
    SET enable_seqscan = off
    AS $$
    DECLARE
        wrong text;
    BEGIN
        SELECT f.id INTO wrong
        FROM fresh f
        WHERE f.pending_id IS NOT NULL
          AND (SELECT p.phase = 'pending' AND p.merchant_id = f.merchant_id
                      AND p.livemode = f.livemode AND p.currency = f.currency
                      AND p.debit = f.debit AND p.credit = f.credit
                      AND (f.amount = p.amount OR (f.phase = 'post' AND f.amount < p.amount))
               FROM rizzpay.ledger_transfers p WHERE p.id = f.pending_id) IS NOT TRUE
        LIMIT 1;
        IF wrong IS NOT NULL THEN
            RAISE EXCEPTION 'transfer %: does not fit what it resolves', wrong
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN NULL;
    END $$;
CREATE TRIGGER resolves_pending AFTER INSERT ON rizzpay.ledger_transfers
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION rizzpay.check_resolutions();

ALTER TABLE rizzpay.ledger_accounts ENABLE ROW LEVEL SECURITY;
ALTER TABLE rizzpay.ledger_accounts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON rizzpay.ledger_accounts TO rizzpay_app
    USING ((merchant_id || '') = ANY ((SELECT rizzpay.tenant_ids())::text[])
           AND livemode = (SELECT rizzpay.tenant_livemode()))
    WITH CHECK (merchant_id = ANY ((SELECT rizzpay.tenant_ids())::text[])
                AND livemode = (SELECT rizzpay.tenant_livemode()));
ALTER TABLE rizzpay.ledger_transfers ENABLE ROW LEVEL SECURITY;
ALTER TABLE rizzpay.ledger_transfers FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON rizzpay.ledger_transfers TO rizzpay_app
    USING ((merchant_id || '') = ANY ((SELECT rizzpay.tenant_ids())::text[])
           AND livemode = (SELECT rizzpay.tenant_livemode()))
    WITH CHECK (merchant_id = ANY ((SELECT rizzpay.tenant_ids())::text[])
                AND livemode = (SELECT rizzpay.tenant_livemode()));

GRANT SELECT, INSERT, UPDATE ON rizzpay.ledger_accounts TO rizzpay_app, rizzpay_worker;
GRANT SELECT, INSERT ON rizzpay.ledger_transfers TO rizzpay_app, rizzpay_worker;
