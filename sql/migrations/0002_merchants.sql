-- 0002 merchants
-- why:   merchants, their API keys and tiers; key look-up before the tenant is known
-- locks: none (new tables)
-- time:  milliseconds
-- proof: sql/checks/0002_merchants.sql

CREATE TABLE rizzpay.merchants (
    id                  text PRIMARY KEY,
    name                text NOT NULL,
    mcc                 char(4) NOT NULL CHECK (mcc ~ '^[0-9]{4}$'),
    status              text NOT NULL DEFAULT 'active'
        CHECK (status IN ('active', 'suspended', 'offboarded')),
    tier                text NOT NULL DEFAULT 'standard'
        CHECK (tier IN ('standard', 'premium', 'enterprise')),
    requests_per_minute integer NOT NULL CHECK (requests_per_minute > 0),
    fee_basis_points    integer NOT NULL DEFAULT 200 CHECK (fee_basis_points BETWEEN 0 AND 10000),
    gst_basis_points    integer NOT NULL DEFAULT 1800 CHECK (gst_basis_points BETWEEN 0 AND 10000),
    late_authorization  text NOT NULL DEFAULT 'capture'
        CHECK (late_authorization IN ('capture', 'refund')),
    collect_exemption   text
        CHECK (collect_exemption IN ('mcc_6012', 'mcc_6211', 'ios', 'erupi', 'pa_cb',
                                     'mandate_ops')),
    upi_vpa             text,
    created_at          timestamptz NOT NULL
);
ALTER TABLE rizzpay.merchants ENABLE ROW LEVEL SECURITY;
ALTER TABLE rizzpay.merchants FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON rizzpay.merchants TO rizzpay_app
    USING (id = ANY ((SELECT rizzpay.tenant_ids())::text[]));

CREATE TABLE rizzpay.api_keys (
    id            text PRIMARY KEY,
    merchant_id   text NOT NULL REFERENCES rizzpay.merchants (id),
    livemode      boolean NOT NULL,
    slot          smallint NOT NULL CHECK (slot IN (1, 2)),
    label         text NOT NULL DEFAULT '',
    digest        bytea NOT NULL CHECK (octet_length(digest) = 32),
    pepper_id     text NOT NULL REFERENCES rizzpay.data_keys (id),
    scopes        text[] NOT NULL,
    allowed_cidrs cidr[] NOT NULL DEFAULT '{}',
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz,
    revoked_at    timestamptz,
    last_used_at  timestamptz
);
-- Two live keys a merchant and mode, for rotation; the slot makes a third impossible.
CREATE UNIQUE INDEX api_keys_two_live ON rizzpay.api_keys (merchant_id, livemode, slot)
    WHERE revoked_at IS NULL;
ALTER TABLE rizzpay.api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE rizzpay.api_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON rizzpay.api_keys TO rizzpay_app
    USING ((merchant_id || '') = ANY ((SELECT rizzpay.tenant_ids())::text[])
           AND livemode = (SELECT rizzpay.tenant_livemode()))
    WITH CHECK (merchant_id = ANY ((SELECT rizzpay.tenant_ids())::text[])
                AND livemode = (SELECT rizzpay.tenant_livemode()));

GRANT SELECT ON rizzpay.merchants TO rizzpay_app, rizzpay_lookup;
GRANT SELECT, INSERT, UPDATE ON rizzpay.merchants TO rizzpay_worker;
GRANT SELECT, INSERT, UPDATE ON rizzpay.api_keys TO rizzpay_app, rizzpay_worker;
GRANT SELECT ON rizzpay.api_keys TO rizzpay_lookup;

-- Who calls? Asked before the tenant is known, so it sees all keys, but only by one exact id.
CREATE FUNCTION rizzpay.find_api_key(wanted text)
    RETURNS TABLE (key_id text, livemode boolean, digest bytea, pepper_id text, scopes text[],
                   allowed_cidrs text[], expires_at timestamptz, revoked_at timestamptz,
                   merchant_id text, name text, mcc text, status text, tier text,
                   requests_per_minute integer, fee_basis_points integer,
                   gst_basis_points integer, late_authorization text, collect_exemption text,
                   upi_vpa text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, rizzpay
    AS $$
        SELECT k.id, k.livemode, k.digest, k.pepper_id, k.scopes, k.allowed_cidrs::text[],
               k.expires_at, k.revoked_at, m.id, m.name, m.mcc::text, m.status, m.tier,
               m.requests_per_minute, m.fee_basis_points, m.gst_basis_points,
               m.late_authorization, m.collect_exemption, m.upi_vpa
        FROM rizzpay.api_keys k JOIN rizzpay.merchants m ON m.id = k.merchant_id
        WHERE k.id = wanted
    $$;
GRANT CREATE ON SCHEMA rizzpay TO rizzpay_lookup;
ALTER FUNCTION rizzpay.find_api_key(text) OWNER TO rizzpay_lookup;
REVOKE CREATE ON SCHEMA rizzpay FROM rizzpay_lookup;
REVOKE ALL ON FUNCTION rizzpay.find_api_key(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION rizzpay.find_api_key(text) TO rizzpay_app, rizzpay_worker;
