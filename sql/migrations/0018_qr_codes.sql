-- 0018 qr_codes
-- why:   QR codes that stand for longer than one payment, and which payment came by which code
-- locks: none (new tables)
-- time:  milliseconds
-- proof: sql/checks/0018_qr_codes.sql

CREATE TABLE rizzpay.qr_codes (
    id                       text PRIMARY KEY,
    merchant_id              text NOT NULL REFERENCES rizzpay.merchants (id),
    livemode                 boolean NOT NULL,
    type                     text NOT NULL CHECK (type IN ('upi_qr', 'bharat_qr')),
    usage                    text NOT NULL CHECK (usage IN ('single_use', 'multiple_use')),
    status                   text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'closed')),
    -- paise that the payer cannot change; NULL: the payer types the amount
    payment_amount           bigint CHECK (payment_amount BETWEEN 1 AND 9007199254740991),
    name                     text NOT NULL,
    description              text,
    gateway                  text NOT NULL,
    content                  text NOT NULL, -- what the image says, as it was made
    close_by                 timestamptz,
    close_reason             text CHECK (close_reason IN ('on_demand', 'paid', 'expired')),
    closed_at                timestamptz,
    payments_count_received  bigint NOT NULL DEFAULT 0 CHECK (payments_count_received >= 0),
    payments_amount_received bigint NOT NULL DEFAULT 0,
    version                  integer NOT NULL,
    created_at               timestamptz NOT NULL,
    updated_at               timestamptz NOT NULL,
    CHECK ((status = 'closed') = (closed_at IS NOT NULL)),
    CHECK ((closed_at IS NULL) = (close_reason IS NULL)),
    CHECK (payments_amount_received >= payments_count_received),
    CONSTRAINT single_use_is_used_once CHECK (usage <> 'single_use' OR payments_count_received <= 1)
);
CREATE INDEX qr_codes_list ON rizzpay.qr_codes (merchant_id, livemode, created_at DESC, id DESC);
-- Only codes that end by themselves are in it.
CREATE INDEX qr_codes_ending ON rizzpay.qr_codes (close_by)
    WHERE status = 'active' AND close_by IS NOT NULL;

-- Money that came by a code, under its gateway's name for it: told again, it is known.
CREATE TABLE rizzpay.qr_code_payments (
    qr_code_id        text NOT NULL REFERENCES rizzpay.qr_codes (id),
    gateway_reference text NOT NULL,
    payment_id        text NOT NULL REFERENCES rizzpay.payments (id),
    merchant_id       text NOT NULL,
    livemode          boolean NOT NULL,
    created_at        timestamptz NOT NULL,
    PRIMARY KEY (qr_code_id, gateway_reference)
);
CREATE UNIQUE INDEX qr_code_payments_list
    ON rizzpay.qr_code_payments (qr_code_id, created_at DESC, payment_id DESC);

-- A closed code stays closed, and what was received stays received.
CREATE FUNCTION rizzpay.check_qr_code() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
    BEGIN
        IF (OLD.status = 'closed' AND NEW.status <> 'closed')
           OR NEW.payments_count_received < OLD.payments_count_received
           OR NEW.payments_amount_received < OLD.payments_amount_received
        THEN
            RAISE EXCEPTION 'QR code %: it opens again, or has received less', OLD.id
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END $$;
CREATE TRIGGER only_forward BEFORE UPDATE ON rizzpay.qr_codes
    FOR EACH ROW EXECUTE FUNCTION rizzpay.check_qr_code();

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['qr_codes', 'qr_code_payments'] LOOP
        EXECUTE format('ALTER TABLE rizzpay.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE rizzpay.%I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenant ON rizzpay.%I TO rizzpay_app '
            'USING ((merchant_id || '''') = ANY ((SELECT rizzpay.tenant_ids())::text[]) '
            'AND livemode = (SELECT rizzpay.tenant_livemode())) '
            'WITH CHECK (merchant_id = ANY ((SELECT rizzpay.tenant_ids())::text[]) '
            'AND livemode = (SELECT rizzpay.tenant_livemode()))',
            name);
        EXECUTE format('GRANT SELECT, INSERT ON rizzpay.%I TO rizzpay_app, rizzpay_worker', name);
    END LOOP;
END $$;
GRANT UPDATE ON rizzpay.qr_codes TO rizzpay_app, rizzpay_worker;
