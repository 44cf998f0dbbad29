-- 0005 payments
-- why:   payers, payments, attempts, refunds, idempotency claims and review cases; invariants in
--        the database
-- locks: none (new tables)
-- time:  milliseconds
-- proof: sql/checks/0005_payments.sql

CREATE TABLE rizzpay.payers (
    id           text PRIMARY KEY,
    merchant_id  text NOT NULL,
    livemode     boolean NOT NULL,
    name         bytea,
    email        bytea,
    phone        bytea,
    vpa          bytea,
    email_index  bytea,
    phone_index  bytea,
    vpa_index    bytea,
    created_at   timestamptz NOT NULL
);
CREATE INDEX payers_email ON rizzpay.payers (merchant_id, livemode, email_index)
    WHERE email_index IS NOT NULL;
CREATE INDEX payers_phone ON rizzpay.payers (merchant_id, livemode, phone_index)
    WHERE phone_index IS NOT NULL;
CREATE INDEX payers_vpa ON rizzpay.payers (merchant_id, livemode, vpa_index)
    WHERE vpa_index IS NOT NULL;

-- The legal transitions; payments/model.py holds the same table and a test compares the two.
CREATE TABLE rizzpay.payment_transitions (
    from_status text NOT NULL,
    to_status   text NOT NULL,
    PRIMARY KEY (from_status, to_status)
);

CREATE TABLE rizzpay.payments (
    id                       text PRIMARY KEY,
    merchant_id              text NOT NULL REFERENCES rizzpay.merchants (id),
    livemode                 boolean NOT NULL,
    status                   text NOT NULL
        CHECK (status IN ('created', 'requires_action', 'processing', 'authorized',
                          'partially_captured', 'captured', 'failed', 'cancelled', 'expired',
                          'unknown', 'conflicted', 'requires_merchant_action')),
    amount                   bigint NOT NULL CHECK (amount BETWEEN 1 AND 9007199254740991),
    currency                 char(3) NOT NULL,
    amount_authorized        bigint NOT NULL DEFAULT 0 CHECK (amount_authorized >= 0),
    amount_captured          bigint NOT NULL DEFAULT 0 CHECK (amount_captured >= 0),
    amount_capture_pending   bigint NOT NULL DEFAULT 0 CHECK (amount_capture_pending >= 0),
    amount_refunded          bigint NOT NULL DEFAULT 0 CHECK (amount_refunded >= 0),
    amount_refund_pending    bigint NOT NULL DEFAULT 0 CHECK (amount_refund_pending >= 0),
    capture_method           text NOT NULL CHECK (capture_method IN ('automatic', 'manual')),
    method                   jsonb NOT NULL,
    reference                text,
    description              text,
    metadata                 jsonb NOT NULL DEFAULT '{}',
    return_url               text,
    payer_id                 text REFERENCES rizzpay.payers (id),
    gateway                  text NOT NULL,
    gateway_reference        text,
    rrn                      text,
    next_action              jsonb,
    failure                  jsonb,
    cancellation_reason      text,
    late                     boolean NOT NULL DEFAULT false,
    funds                    text NOT NULL DEFAULT 'merchant_pending'
        CHECK (funds IN ('merchant_pending', 'suspense')),
    hold_transfer_id         text,
    hold_amount              bigint NOT NULL DEFAULT 0 CHECK (hold_amount >= 0),
    -- the final capture or the void after which nothing more can be captured
    closing_attempt_id       text,
    -- as agreed when it was made
    fee_basis_points         integer NOT NULL CHECK (fee_basis_points BETWEEN 0 AND 10000),
    gst_basis_points         integer NOT NULL CHECK (gst_basis_points BETWEEN 0 AND 10000),
    late_authorization       text NOT NULL CHECK (late_authorization IN ('capture', 'refund')),
    open_unknown             integer NOT NULL DEFAULT 0 CHECK (open_unknown >= 0),
    expires_at               timestamptz,
    authorization_expires_at timestamptz,
    version                  integer NOT NULL,
    created_at               timestamptz NOT NULL,
    updated_at               timestamptz NOT NULL,
    CHECK ((hold_transfer_id IS NULL) = (hold_amount = 0)),
    CONSTRAINT captures_within_authorized
        CHECK (amount_captured + amount_capture_pending <= amount_authorized),
    CONSTRAINT refunds_within_captured
        CHECK (amount_refunded + amount_refund_pending <= amount_captured)
);
CREATE INDEX payments_list ON rizzpay.payments (merchant_id, livemode, created_at DESC, id DESC);
CREATE INDEX payments_payer ON rizzpay.payments (payer_id) WHERE payer_id IS NOT NULL;
CREATE INDEX payments_reference ON rizzpay.payments (merchant_id, livemode, reference)
    WHERE reference IS NOT NULL;
CREATE INDEX payments_unknown ON rizzpay.payments (id) WHERE status = 'unknown';
CREATE UNIQUE INDEX payments_rrn ON rizzpay.payments (gateway, rrn) WHERE rrn IS NOT NULL;

CREATE FUNCTION rizzpay.check_payment_transition() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
    BEGIN
        IF NEW.status <> OLD.status AND NOT EXISTS (
            SELECT FROM rizzpay.payment_transitions t
            WHERE t.from_status = OLD.status AND t.to_status = NEW.status
        ) THEN
            RAISE EXCEPTION 'payment %: % to % is not legal', OLD.id, OLD.status, NEW.status
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END $$;
CREATE TRIGGER legal_transition BEFORE UPDATE OF status ON rizzpay.payments
    FOR EACH ROW EXECUTE FUNCTION rizzpay.check_payment_transition();

CREATE TABLE rizzpay.payment_attempts (
    id                text PRIMARY KEY,
    payment_id        text NOT NULL REFERENCES rizzpay.payments (id),
    merchant_id       text NOT NULL,
    livemode          boolean NOT NULL,
    kind              text NOT NULL CHECK (kind IN ('authorize', 'capture', 'void')),
    status            text NOT NULL
        CHECK (status IN ('created', 'requires_action', 'processing', 'approved', 'declined',
                          'not_sent', 'unknown', 'conflicted', 'abandoned')),
    amount            bigint NOT NULL CHECK (amount > 0),
    gateway           text NOT NULL,
    gateway_reference text,
    rrn               text,
    decline           jsonb,
    note              text,
    enquiries         integer NOT NULL DEFAULT 0,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL
);
CREATE INDEX payment_attempts_payment ON rizzpay.payment_attempts (payment_id);
CREATE UNIQUE INDEX payment_attempts_one_success ON rizzpay.payment_attempts (payment_id)
    WHERE kind = 'authorize' AND status = 'approved';

CREATE TABLE rizzpay.refunds (
    id                  text PRIMARY KEY,
    payment_id          text NOT NULL REFERENCES rizzpay.payments (id),
    merchant_id         text NOT NULL,
    livemode            boolean NOT NULL,
    status              text NOT NULL
        CHECK (status IN ('created', 'processing', 'processed', 'failed', 'unknown')),
    amount              bigint NOT NULL CHECK (amount > 0),
    currency            char(3) NOT NULL,
    origin              text NOT NULL CHECK (origin IN ('api', 'auto')),
    reason              text,
    reference           text,
    metadata            jsonb NOT NULL DEFAULT '{}',
    gateway             text NOT NULL,
    gateway_reference   text,
    acquirer_reference  text,
    failure             jsonb,
    hold_transfer_id    text NOT NULL,
    status_history      jsonb NOT NULL,
    enquiries           integer NOT NULL DEFAULT 0,
    sent_at             timestamptz,
    version             integer NOT NULL,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL
);
CREATE INDEX refunds_list ON rizzpay.refunds (merchant_id, livemode, created_at DESC, id DESC);
CREATE INDEX refunds_payment ON rizzpay.refunds (payment_id);
CREATE INDEX refunds_unknown ON rizzpay.refunds (id) WHERE status = 'unknown';

CREATE TABLE rizzpay.idempotency_claims (
    merchant_id     text NOT NULL,
    livemode        boolean NOT NULL,
    key             text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    request_hash    bytea NOT NULL,
    request_id      text NOT NULL,
    object_id       text NOT NULL,
    response_status smallint,
    response_body   bytea,
    created_at      timestamptz NOT NULL,
    completed_at    timestamptz,
    PRIMARY KEY (merchant_id, livemode, key),
    CHECK ((response_status IS NULL) = (completed_at IS NULL))
);
CREATE INDEX idempotency_claims_object ON rizzpay.idempotency_claims (object_id);
CREATE INDEX idempotency_claims_age ON rizzpay.idempotency_claims (created_at);

-- The human queue: what no enquiry could settle, or what does not add up.
CREATE TABLE rizzpay.review_cases (
    id          text PRIMARY KEY,
    merchant_id text NOT NULL,
    livemode    boolean NOT NULL,
    object_id   text NOT NULL,
    payment_id  text NOT NULL,
    reason      text NOT NULL
        CHECK (reason IN ('unknown_outcome', 'conflicted', 'late_authorization')),
    opened_at   timestamptz NOT NULL,
    closed_at   timestamptz,
    UNIQUE (object_id, reason)
);
CREATE INDEX review_cases_open ON rizzpay.review_cases (opened_at) WHERE closed_at IS NULL;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'payers', 'payments', 'payment_attempts', 'refunds', 'idempotency_claims', 'review_cases'
    ] LOOP
        EXECUTE format('ALTER TABLE rizzpay.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE rizzpay.%I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenant ON rizzpay.%I TO rizzpay_app '
            'USING ((merchant_id || '''') = ANY ((SELECT rizzpay.tenant_ids())::text[]) '
            'AND livemode = (SELECT rizzpay.tenant_livemode())) '
            'WITH CHECK (merchant_id = ANY ((SELECT rizzpay.tenant_ids())::text[]) '
            'AND livemode = (SELECT rizzpay.tenant_livemode()))',
            name);
        EXECUTE format(
            'GRANT SELECT, INSERT, UPDATE ON rizzpay.%I TO rizzpay_app, rizzpay_worker', name);
    END LOOP;
END $$;
GRANT DELETE ON rizzpay.idempotency_claims TO rizzpay_app, rizzpay_worker;
GRANT SELECT ON rizzpay.payment_transitions TO rizzpay_app, rizzpay_worker;
