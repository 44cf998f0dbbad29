-- 0017 routing
-- why:   what all processes know of the gateways' health, when an operator takes one away, by which
--        rules payments are routed, and how each was
-- locks: none (new tables) but ACCESS EXCLUSIVE on api_keys for a moment, to add its check
-- time:  milliseconds
-- proof: sql/checks/0017_routing.sql

-- What the gateways answered, summed up by all processes in slices of a few seconds. Nothing here
-- is about a merchant, and nothing is lost that matters when it is emptied.
CREATE TABLE rizzpay.gateway_tallies (
    since    timestamptz NOT NULL,
    gateway  text NOT NULL,
    method   text NOT NULL,
    calls    bigint NOT NULL CHECK (calls >= failures),
    failures bigint NOT NULL CHECK (failures >= 0),
    approved bigint NOT NULL CHECK (approved >= 0),
    declined bigint NOT NULL CHECK (declined >= 0),
    PRIMARY KEY (since, gateway, method)
);

-- A gateway and method without a row has a closed breaker. The API hands probes out and says what
-- became of them; only the worker moves a breaker, a version at a time.
CREATE TABLE rizzpay.gateway_breakers (
    gateway        text NOT NULL,
    method         text NOT NULL,
    state          text NOT NULL CHECK (state IN ('closed', 'open', 'half_open')),
    since          timestamptz NOT NULL,
    probes_left    integer NOT NULL CHECK (probes_left >= 0),
    probe_calls    integer NOT NULL CHECK (probe_calls >= probe_failures),
    probe_failures integer NOT NULL CHECK (probe_failures >= 0),
    version        integer NOT NULL CHECK (version > 0),
    PRIMARY KEY (gateway, method)
);

CREATE TABLE rizzpay.gateway_downtimes (
    id          text PRIMARY KEY,
    gateway     text NOT NULL,
    method      text, -- NULL: all of its methods
    starts_at   timestamptz NOT NULL,
    ends_at     timestamptz,
    reason      text NOT NULL CHECK (length(reason) BETWEEN 1 AND 200),
    declared_by text NOT NULL,
    declared_at timestamptz NOT NULL,
    CHECK (ends_at >= starts_at)
);
CREATE INDEX gateway_downtimes_end ON rizzpay.gateway_downtimes (ends_at);

-- Versions of the rules. What was approved last of a mode is in force; nobody approves his own, and
-- no key may do both. They belong to the installation, not to a merchant.
CREATE TABLE rizzpay.routing_rule_sets (
    version     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    livemode    boolean NOT NULL,
    document    json NOT NULL,
    restores    bigint REFERENCES rizzpay.routing_rule_sets (version),
    proposed_by text NOT NULL,
    proposed_at timestamptz NOT NULL,
    approved_by text,
    approved_at timestamptz,
    CHECK ((approved_by IS NULL) = (approved_at IS NULL)),
    CHECK (approved_by <> proposed_by)
);
CREATE INDEX routing_rule_sets_approved ON rizzpay.routing_rule_sets (livemode, approved_at DESC);
ALTER TABLE rizzpay.api_keys ADD CONSTRAINT nobody_proposes_and_approves
    CHECK (NOT scopes @> ARRAY['routing:propose', 'routing:approve']);

-- How an attempt was routed: everything that the choice depended on, and the choice. Only where
-- rules are in force or a gateway was not well; else it is the order of the settings.
CREATE TABLE rizzpay.routing_decisions (
    attempt_id  text PRIMARY KEY REFERENCES rizzpay.payment_attempts (id),
    merchant_id text NOT NULL,
    livemode    boolean NOT NULL,
    record      json NOT NULL
);
ALTER TABLE rizzpay.routing_decisions ENABLE ROW LEVEL SECURITY;
ALTER TABLE rizzpay.routing_decisions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON rizzpay.routing_decisions TO rizzpay_app
    USING ((merchant_id || '') = ANY ((SELECT rizzpay.tenant_ids())::text[])
           AND livemode = (SELECT rizzpay.tenant_livemode()))
    WITH CHECK (merchant_id = ANY ((SELECT rizzpay.tenant_ids())::text[])
                AND livemode = (SELECT rizzpay.tenant_livemode()));

GRANT SELECT, INSERT, UPDATE ON rizzpay.gateway_tallies TO rizzpay_app, rizzpay_worker;
GRANT DELETE ON rizzpay.gateway_tallies TO rizzpay_worker;
GRANT SELECT, UPDATE (probes_left, probe_calls, probe_failures) ON rizzpay.gateway_breakers
    TO rizzpay_app;
GRANT SELECT, INSERT, UPDATE ON rizzpay.gateway_breakers TO rizzpay_worker;
GRANT SELECT ON rizzpay.gateway_downtimes TO rizzpay_app;
GRANT SELECT, INSERT, UPDATE ON rizzpay.gateway_downtimes TO rizzpay_worker;
GRANT SELECT, INSERT, UPDATE (approved_by, approved_at) ON rizzpay.routing_rule_sets
    TO rizzpay_app, rizzpay_worker;
GRANT SELECT, INSERT ON rizzpay.routing_decisions TO rizzpay_app, rizzpay_worker;
