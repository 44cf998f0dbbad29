-- 0003 audit
-- why:   append-only trail, written in the transaction that it describes, sealed into a hash chain
--        afterwards
-- locks: none (new tables)
-- time:  milliseconds
-- proof: sql/checks/0003_audit.sql

CREATE TABLE rizzpay.audit_log (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid         xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at          timestamptz NOT NULL,
    merchant_id text,
    livemode    boolean,
    actor       text NOT NULL,
    action      text NOT NULL,
    object_id   text NOT NULL,
    request_id  text,
    detail      jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_log_object ON rizzpay.audit_log (object_id);
-- Sealing goes up this index: rows become final in order of their transactions.
CREATE INDEX audit_log_sealing ON rizzpay.audit_log (xid, id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON rizzpay.audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION rizzpay.refuse_change();
ALTER TABLE rizzpay.audit_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE rizzpay.audit_log FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON rizzpay.audit_log TO rizzpay_app
    USING ((merchant_id || '') = ANY ((SELECT rizzpay.tenant_ids())::text[])
           AND livemode = (SELECT rizzpay.tenant_livemode()))
    WITH CHECK (merchant_id = ANY ((SELECT rizzpay.tenant_ids())::text[])
                AND livemode = (SELECT rizzpay.tenant_livemode()));

-- One row a sealed audit row, in sealing order: hash = SHA-256(previous hash, canonical row).
CREATE TABLE rizzpay.audit_chain (
    position bigint PRIMARY KEY CHECK (position > 0),
    audit_id bigint NOT NULL UNIQUE,
    hash     bytea NOT NULL CHECK (octet_length(hash) = 32)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON rizzpay.audit_chain
    FOR EACH STATEMENT EXECUTE FUNCTION rizzpay.refuse_change();

CREATE TABLE rizzpay.audit_checkpoints (
    position  bigint PRIMARY KEY REFERENCES rizzpay.audit_chain (position),
    hash      bytea NOT NULL CHECK (octet_length(hash) = 32),
    signed_at timestamptz NOT NULL,
    key_label text NOT NULL,
    signature bytea NOT NULL
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON rizzpay.audit_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION rizzpay.refuse_change();

GRANT SELECT, INSERT ON rizzpay.audit_log TO rizzpay_app, rizzpay_worker;
GRANT SELECT, INSERT ON rizzpay.audit_chain, rizzpay.audit_checkpoints TO rizzpay_worker;
