-- 0006 webhooks
-- why:   the outbox (events with a sequence per merchant), endpoints, deliveries and the inbox of
--        gateway callbacks
-- locks: none (new tables)
-- time:  milliseconds
-- proof: sql/checks/0006_webhooks.sql

-- The counter row is locked until commit, so sequence numbers become visible in order and without
-- gaps.
CREATE TABLE rizzpay.event_counters (
    merchant_id   text NOT NULL,
    livemode      boolean NOT NULL,
    last_sequence bigint NOT NULL CHECK (last_sequence >= 0),
    PRIMARY KEY (merchant_id, livemode)
);

CREATE TABLE rizzpay.events (
    id              text PRIMARY KEY,
    merchant_id     text NOT NULL,
    livemode        boolean NOT NULL,
    sequence        bigint NOT NULL CHECK (sequence > 0),
    type            text NOT NULL,
    object_id       text NOT NULL,
    object_sequence integer NOT NULL,
    data            jsonb NOT NULL,
    created_at      timestamptz NOT NULL,
    UNIQUE (merchant_id, livemode, sequence)
);
CREATE INDEX events_object ON rizzpay.events (object_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON rizzpay.events
    FOR EACH STATEMENT EXECUTE FUNCTION rizzpay.refuse_change();

CREATE TABLE rizzpay.webhook_endpoints (
    id                         text PRIMARY KEY,
    merchant_id                text NOT NULL,
    livemode                   boolean NOT NULL,
    url                        text NOT NULL,
    description                text NOT NULL DEFAULT '',
    event_types                text[] NOT NULL,
    status                     text NOT NULL DEFAULT 'enabled'
        CHECK (status IN ('enabled', 'disabled', 'deleted')),
    disabled_reason            text,
    secret                     bytea NOT NULL,
    previous_secret            bytea,
    previous_secret_expires_at timestamptz,
    failing_since              timestamptz,
    version                    integer NOT NULL DEFAULT 1,
    created_at                 timestamptz NOT NULL,
    updated_at                 timestamptz NOT NULL
);
CREATE INDEX webhook_endpoints_merchant ON rizzpay.webhook_endpoints (merchant_id, livemode);

CREATE TABLE rizzpay.webhook_deliveries (
    id           text PRIMARY KEY,
    merchant_id  text NOT NULL,
    livemode     boolean NOT NULL,
    endpoint_id  text NOT NULL REFERENCES rizzpay.webhook_endpoints (id),
    event_id     text NOT NULL REFERENCES rizzpay.events (id),
    origin       text NOT NULL CHECK (origin IN ('event', 'replay')),
    status       text NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed')),
    attempts     jsonb NOT NULL DEFAULT '[]',
    next_at      timestamptz,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL
);
CREATE UNIQUE INDEX webhook_deliveries_once ON rizzpay.webhook_deliveries (endpoint_id, event_id)
    WHERE origin = 'event';
CREATE INDEX webhook_deliveries_list
    ON rizzpay.webhook_deliveries (endpoint_id, created_at DESC, id DESC);
-- Which endpoints have an event already: asked by replays of a range.
CREATE INDEX webhook_deliveries_event ON rizzpay.webhook_deliveries (event_id);

CREATE TABLE rizzpay.gateway_callbacks (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gateway           text NOT NULL,
    provider_event_id text NOT NULL,
    body              bytea NOT NULL,
    received_at       timestamptz NOT NULL,
    applied_at        timestamptz,
    result            text,
    UNIQUE (gateway, provider_event_id)
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'event_counters', 'events', 'webhook_endpoints', 'webhook_deliveries'
    ] LOOP
        EXECUTE format('ALTER TABLE rizzpay.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE rizzpay.%I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenant ON rizzpay.%I TO rizzpay_app '
            'USING ((merchant_id || '''') = ANY ((SELECT rizzpay.tenant_ids())::text[]) '
            '       AND livemode = (SELECT rizzpay.tenant_livemode())) '
            'WITH CHECK (merchant_id = ANY ((SELECT rizzpay.tenant_ids())::text[]) '
            '            AND livemode = (SELECT rizzpay.tenant_livemode()))',
            name);
        EXECUTE format('GRANT SELECT, INSERT ON rizzpay.%I TO rizzpay_app, rizzpay_worker', name);
    END LOOP;
END $$;
GRANT UPDATE ON rizzpay.event_counters, rizzpay.webhook_endpoints, rizzpay.webhook_deliveries
    TO rizzpay_app, rizzpay_worker;
-- Callbacks arrive before anybody knows whose they are: the API may add one, only the worker reads
-- them.
GRANT INSERT, SELECT (id, gateway, provider_event_id) ON rizzpay.gateway_callbacks TO rizzpay_app;
GRANT SELECT, INSERT, UPDATE ON rizzpay.gateway_callbacks TO rizzpay_worker;
