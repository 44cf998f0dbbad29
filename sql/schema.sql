-- What the migrations add up to; dumped, never edited. Renew it with:
-- RIZZPAY_WRITE_SCHEMA=1 script/test tests/architecture/test_schema.py

CREATE SCHEMA rizzpay;

ALTER SCHEMA rizzpay OWNER TO rizzpay_owner;

CREATE TYPE rizzpay.beginning AS (
	payment_id text,
	merchant_id text,
	livemode boolean,
	status text,
	amount bigint,
	currency text,
	capture_method text,
	method jsonb,
	reference text,
	description text,
	metadata jsonb,
	return_url text,
	payer_id text,
	gateway text,
	gateway_reference text,
	next_action jsonb,
	fee_basis_points integer,
	gst_basis_points integer,
	late_authorization text,
	expires_at timestamp with time zone,
	version integer,
	created_at timestamp with time zone,
	updated_at timestamp with time zone,
	attempt_id text,
	attempt_status text,
	attempted_at timestamp with time zone,
	key text,
	request_hash bytea,
	request_id text,
	response_status integer,
	response_body bytea,
	actor text,
	action text,
	detail jsonb,
	event_id text,
	event_type text,
	behind integer,
	event json,
	job_kind text,
	job_key text,
	run_at timestamp with time zone
);

ALTER TYPE rizzpay.beginning OWNER TO rizzpay_owner;

CREATE FUNCTION rizzpay.add_partition(parent text, month date) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '250ms'
    SET "TimeZone" TO 'UTC'
    AS $$
    DECLARE
        name constant text := parent || to_char(month, '_YYYY_MM');
        lower constant text := rizzpay.ulid_floor(month::timestamptz);
        upper constant text := rizzpay.ulid_floor((month + interval '1 month')::timestamptz);
    BEGIN
        PERFORM rizzpay.check_partitioned(parent);
        IF month IS NULL OR month <> date_trunc('month', month)
           OR month NOT BETWEEN now() - interval '10 years' AND now() + interval '13 months' THEN
            RAISE EXCEPTION 'no month to be made ahead: %', month
                USING ERRCODE = 'invalid_parameter_value';
        END IF;
        IF EXISTS (SELECT FROM rizzpay.partitions AS p
                   WHERE p.parent = add_partition.parent AND NOT p.is_rest
                     AND coalesce(p.from_ulid, '') < upper AND p.to_ulid > lower) THEN
            RETURN false;
        END IF;
        EXECUTE format('CREATE TABLE rizzpay.%I (LIKE rizzpay.%I INCLUDING DEFAULTS '
                       'INCLUDING CONSTRAINTS INCLUDING STORAGE)', name, parent);
        PERFORM rizzpay.guard_partition(parent, name);
        EXECUTE format('ALTER TABLE rizzpay.%I ATTACH PARTITION rizzpay.%I '
                       'FOR VALUES FROM (%L) TO (%L)',
                       parent, name, 'evt_' || lower, 'evt_' || upper);
        RETURN true;
    END $$;

ALTER FUNCTION rizzpay.add_partition(parent text, month date) OWNER TO rizzpay_owner;

CREATE FUNCTION rizzpay.adopt_rest(parent text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '250ms'
    SET "TimeZone" TO 'UTC'
    AS $_$
    DECLARE
        rest constant text := parent || '_rest';
        id constant text := CASE parent WHEN 'events' THEN 'id' ELSE 'event_id' END;
        first_id text;
        last_id text;
        lower text;
        upper_at timestamptz;
        name text;
    BEGIN
        PERFORM rizzpay.check_partitioned(parent);
        EXECUTE format('SELECT min(%1$I), max(%1$I) FROM rizzpay.%2$I', id, rest)
            INTO first_id, last_id;
        IF first_id IS NULL THEN
            RETURN NULL;
        END IF;
        EXECUTE format('ALTER TABLE rizzpay.%I DETACH PARTITION rizzpay.%I', parent, rest);
        EXECUTE format('SELECT min(%1$I), max(%1$I) FROM rizzpay.%2$I', id, rest)
            INTO first_id, last_id;
        upper_at := date_trunc('month', rizzpay.ulid_time(substr(last_id, 5, 10)))
                    + interval '1 month';
        SELECT max(p.to_ulid) INTO lower FROM rizzpay.partitions AS p
        WHERE p.parent = adopt_rest.parent AND 'evt_' || p.to_ulid <= first_id;
        IF EXISTS (SELECT FROM rizzpay.partitions AS p
                   WHERE p.parent = adopt_rest.parent AND NOT p.is_rest
                     AND p.to_ulid > coalesce(lower, '')
                     AND coalesce(p.from_ulid, '') < rizzpay.ulid_floor(upper_at)) THEN
            RAISE EXCEPTION 'what lies in % has no range of its own: % to %', rest, first_id,
                last_id USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
        name := parent || to_char(upper_at, '_"before"_YYYY_MM');
        EXECUTE format('DROP POLICY keeping ON rizzpay.%I', rest);
        EXECUTE format('ALTER TABLE rizzpay.%I RENAME TO %I', rest, name);
        EXECUTE format(
            'ALTER TABLE rizzpay.%I ATTACH PARTITION rizzpay.%I FOR VALUES FROM (%s) TO (%L)',
            parent, name,
            CASE WHEN lower IS NULL THEN 'MINVALUE' ELSE quote_literal('evt_' || lower) END,
            'evt_' || rizzpay.ulid_floor(upper_at));
        EXECUTE format('CREATE TABLE rizzpay.%I (LIKE rizzpay.%I INCLUDING DEFAULTS '
                       'INCLUDING CONSTRAINTS INCLUDING STORAGE)', rest, parent);
        PERFORM rizzpay.guard_partition(parent, rest);
        EXECUTE format('CREATE POLICY keeping ON rizzpay.%I FOR SELECT TO rizzpay_owner '
                       'USING (true)', rest);
        EXECUTE format('ALTER TABLE rizzpay.%I ATTACH PARTITION rizzpay.%I DEFAULT', parent, rest);
        RETURN name;
    END $_$;

ALTER FUNCTION rizzpay.adopt_rest(parent text) OWNER TO rizzpay_owner;

CREATE FUNCTION rizzpay.check_partitioned(parent text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    BEGIN
        IF parent IS NULL OR parent NOT IN ('events', 'webhook_deliveries') THEN
            RAISE EXCEPTION 'the partitions of % are not kept', parent
                USING ERRCODE = 'invalid_parameter_value';
        END IF;
    END $$;

ALTER FUNCTION rizzpay.check_partitioned(parent text) OWNER TO rizzpay_owner;

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

ALTER FUNCTION rizzpay.check_payment_transition() OWNER TO rizzpay_owner;

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

ALTER FUNCTION rizzpay.check_qr_code() OWNER TO rizzpay_owner;

CREATE FUNCTION rizzpay.check_resolutions() RETURNS trigger
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
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

ALTER FUNCTION rizzpay.check_resolutions() OWNER TO rizzpay_owner;

CREATE FUNCTION rizzpay.drop_partition(parent text, before timestamp with time zone) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '250ms'
    SET "TimeZone" TO 'UTC'
    AS $$
    DECLARE
        name text;
    BEGIN
        PERFORM rizzpay.check_partitioned(parent);
        IF before IS NULL OR before > now() - interval '90 days' THEN
            RAISE EXCEPTION 'events are kept for 90 days at least, and % is sooner', before
                USING ERRCODE = 'invalid_parameter_value';
        END IF;
        SELECT p.name INTO name FROM rizzpay.partitions AS p
        WHERE p.parent = drop_partition.parent AND p.to_ulid <= rizzpay.ulid_floor(before)
        ORDER BY p.to_ulid LIMIT 1;
        IF name IS NOT NULL THEN
            EXECUTE format('ALTER TABLE rizzpay.%I DETACH PARTITION rizzpay.%I', parent, name);
            EXECUTE format('DROP TABLE rizzpay.%I', name);
        END IF;
        RETURN name;
    END $$;

ALTER FUNCTION rizzpay.drop_partition(parent text, before timestamp with time zone) OWNER TO rizzpay_owner;

CREATE FUNCTION rizzpay.find_api_key(wanted text) RETURNS TABLE(key_id text, livemode boolean, digest bytea, pepper_id text, scopes text[], allowed_cidrs text[], expires_at timestamp with time zone, revoked_at timestamp with time zone, merchant_id text, name text, mcc text, status text, tier text, requests_per_minute integer, fee_basis_points integer, gst_basis_points integer, late_authorization text, collect_exemption text, upi_vpa text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'rizzpay'
    AS $$
        SELECT k.id, k.livemode, k.digest, k.pepper_id, k.scopes, k.allowed_cidrs::text[],
               k.expires_at, k.revoked_at, m.id, m.name, m.mcc::text, m.status, m.tier,
               m.requests_per_minute, m.fee_basis_points, m.gst_basis_points,
               m.late_authorization, m.collect_exemption, m.upi_vpa
        FROM rizzpay.api_keys k JOIN rizzpay.merchants m ON m.id = k.merchant_id
        WHERE k.id = wanted
    $$;

ALTER FUNCTION rizzpay.find_api_key(wanted text) OWNER TO rizzpay_lookup;

CREATE FUNCTION rizzpay.guard_partition(parent text, name text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    BEGIN
        EXECUTE format('ALTER TABLE rizzpay.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE rizzpay.%I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenant ON rizzpay.%I TO rizzpay_app '
            'USING ((merchant_id || '''') = ANY ((SELECT rizzpay.tenant_ids())::text[]) '
            'AND livemode = (SELECT rizzpay.tenant_livemode())) '
            'WITH CHECK (merchant_id = ANY ((SELECT rizzpay.tenant_ids())::text[]) '
            'AND livemode = (SELECT rizzpay.tenant_livemode()))', name);
        IF parent = 'events' THEN
            EXECUTE format('CREATE UNIQUE INDEX ON rizzpay.%I (merchant_id, livemode, sequence)',
                           name);
            EXECUTE format(
                'CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON rizzpay.%I '
                'FOR EACH STATEMENT EXECUTE FUNCTION rizzpay.refuse_change()', name);
        END IF;
    END $$;

ALTER FUNCTION rizzpay.guard_partition(parent text, name text) OWNER TO rizzpay_owner;

CREATE FUNCTION rizzpay.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation'; END $$;

ALTER FUNCTION rizzpay.refuse_change() OWNER TO rizzpay_owner;

CREATE FUNCTION rizzpay.tenant_ids() RETURNS text[]
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT string_to_array(coalesce(current_setting('app.merchant_id', true), ''), ',') $$;

ALTER FUNCTION rizzpay.tenant_ids() OWNER TO rizzpay_owner;

CREATE FUNCTION rizzpay.tenant_livemode() RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('app.livemode', true), '')::boolean $$;

ALTER FUNCTION rizzpay.tenant_livemode() OWNER TO rizzpay_owner;

CREATE FUNCTION rizzpay.ulid_floor(at timestamp with time zone) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
        SELECT string_agg(
            substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ',
                   ((floor(extract(epoch FROM at) * 1000)::bigint >> (5 * (9 - i))) & 31)::integer
                   + 1, 1), '' ORDER BY i)
        FROM generate_series(0, 9) AS i
    $$;

ALTER FUNCTION rizzpay.ulid_floor(at timestamp with time zone) OWNER TO rizzpay_owner;

CREATE FUNCTION rizzpay.ulid_time(floor text) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
        SELECT to_timestamp(sum(
            (strpos('0123456789ABCDEFGHJKMNPQRSTVWXYZ', substr(floor, i + 1, 1)) - 1)::bigint
            << (5 * (9 - i))) / 1000.0)
        FROM generate_series(0, 9) AS i
    $$;

ALTER FUNCTION rizzpay.ulid_time(floor text) OWNER TO rizzpay_owner;

CREATE TABLE rizzpay.api_keys (
    id text NOT NULL,
    merchant_id text NOT NULL,
    livemode boolean NOT NULL,
    slot smallint NOT NULL,
    label text DEFAULT ''::text NOT NULL,
    digest bytea NOT NULL,
    pepper_id text NOT NULL,
    scopes text[] NOT NULL,
    allowed_cidrs cidr[] DEFAULT '{}'::cidr[] NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    last_used_at timestamp with time zone,
    CONSTRAINT api_keys_digest_check CHECK ((octet_length(digest) = 32)),
    CONSTRAINT api_keys_slot_check CHECK ((slot = ANY (ARRAY[1, 2]))),
    CONSTRAINT nobody_proposes_and_approves CHECK ((NOT (scopes @> ARRAY['routing:propose'::text, 'routing:approve'::text])))
);

ALTER TABLE ONLY rizzpay.api_keys FORCE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.api_keys OWNER TO rizzpay_owner;

CREATE TABLE rizzpay.audit_chain (
    "position" bigint NOT NULL,
    audit_id bigint NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT audit_chain_hash_check CHECK ((octet_length(hash) = 32)),
    CONSTRAINT audit_chain_position_check CHECK (("position" > 0))
);

ALTER TABLE rizzpay.audit_chain OWNER TO rizzpay_owner;

CREATE TABLE rizzpay.audit_checkpoints (
    "position" bigint NOT NULL,
    hash bytea NOT NULL,
    signed_at timestamp with time zone NOT NULL,
    key_label text NOT NULL,
    signature bytea NOT NULL,
    CONSTRAINT audit_checkpoints_hash_check CHECK ((octet_length(hash) = 32))
);

ALTER TABLE rizzpay.audit_checkpoints OWNER TO rizzpay_owner;

CREATE TABLE rizzpay.audit_log (
    id bigint NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    at timestamp with time zone NOT NULL,
    merchant_id text,
    livemode boolean,
    actor text NOT NULL,
    action text NOT NULL,
    object_id text NOT NULL,
    request_id text,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL
);

ALTER TABLE ONLY rizzpay.audit_log FORCE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.audit_log OWNER TO rizzpay_owner;

ALTER TABLE rizzpay.audit_log ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME rizzpay.audit_log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE rizzpay.data_keys (
    id text NOT NULL,
    purpose text NOT NULL,
    kek_label text NOT NULL,
    mechanism text NOT NULL,
    wrapped bytea NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    rewrapped_at timestamp with time zone,
    CONSTRAINT data_keys_purpose_check CHECK ((purpose = ANY (ARRAY['personal'::text, 'blind_index'::text, 'api_pepper'::text, 'webhook_secret'::text, 'answer'::text, 'cursor'::text]))),
    CONSTRAINT data_keys_status_check CHECK ((status = ANY (ARRAY['active'::text, 'decrypt_only'::text, 'retired'::text])))
);

ALTER TABLE rizzpay.data_keys OWNER TO rizzpay_owner;

CREATE TABLE rizzpay.event_counters (
    merchant_id text NOT NULL,
    livemode boolean NOT NULL,
    last_sequence bigint NOT NULL,
    CONSTRAINT event_counters_last_sequence_check CHECK ((last_sequence >= 0))
);

ALTER TABLE ONLY rizzpay.event_counters FORCE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.event_counters OWNER TO rizzpay_owner;

CREATE TABLE rizzpay.events (
    id text NOT NULL,
    merchant_id text NOT NULL,
    livemode boolean NOT NULL,
    sequence bigint NOT NULL,
    type text NOT NULL,
    object_id text NOT NULL,
    object_sequence integer NOT NULL,
    data json NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT events_sequence_check CHECK ((sequence > 0))
)
PARTITION BY RANGE (id);

ALTER TABLE ONLY rizzpay.events FORCE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.events OWNER TO rizzpay_owner;

CREATE TABLE rizzpay.events_rest (
    id text CONSTRAINT events_id_not_null NOT NULL,
    merchant_id text CONSTRAINT events_merchant_id_not_null NOT NULL,
    livemode boolean CONSTRAINT events_livemode_not_null NOT NULL,
    sequence bigint CONSTRAINT events_sequence_not_null NOT NULL,
    type text CONSTRAINT events_type_not_null NOT NULL,
    object_id text CONSTRAINT events_object_id_not_null NOT NULL,
    object_sequence integer CONSTRAINT events_object_sequence_not_null NOT NULL,
    data json CONSTRAINT events_data_not_null NOT NULL,
    created_at timestamp with time zone CONSTRAINT events_created_at_not_null NOT NULL,
    CONSTRAINT events_sequence_check CHECK ((sequence > 0))
);

ALTER TABLE ONLY rizzpay.events_rest FORCE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.events_rest OWNER TO rizzpay_owner;

CREATE TABLE rizzpay.gateway_breakers (
    gateway text NOT NULL,
    method text NOT NULL,
    state text NOT NULL,
    since timestamp with time zone NOT NULL,
    probes_left integer NOT NULL,
    probe_calls integer NOT NULL,
    probe_failures integer NOT NULL,
    version integer NOT NULL,
    CONSTRAINT gateway_breakers_check CHECK ((probe_calls >= probe_failures)),
    CONSTRAINT gateway_breakers_probe_failures_check CHECK ((probe_failures >= 0)),
    CONSTRAINT gateway_breakers_probes_left_check CHECK ((probes_left >= 0)),
    CONSTRAINT gateway_breakers_state_check CHECK ((state = ANY (ARRAY['closed'::text, 'open'::text, 'half_open'::text]))),
    CONSTRAINT gateway_breakers_version_check CHECK ((version > 0))
);

ALTER TABLE rizzpay.gateway_breakers OWNER TO rizzpay_owner;

CREATE TABLE rizzpay.gateway_callbacks (
    id bigint NOT NULL,
    gateway text NOT NULL,
    provider_event_id text NOT NULL,
    body bytea NOT NULL,
    received_at timestamp with time zone NOT NULL,
    applied_at timestamp with time zone,
    result text
)
WITH (fillfactor='50');

ALTER TABLE rizzpay.gateway_callbacks OWNER TO rizzpay_owner;

ALTER TABLE rizzpay.gateway_callbacks ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME rizzpay.gateway_callbacks_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE rizzpay.gateway_downtimes (
    id text NOT NULL,
    gateway text NOT NULL,
    method text,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone,
    reason text NOT NULL,
    declared_by text NOT NULL,
    declared_at timestamp with time zone NOT NULL,
    CONSTRAINT gateway_downtimes_check CHECK ((ends_at >= starts_at)),
    CONSTRAINT gateway_downtimes_reason_check CHECK (((length(reason) >= 1) AND (length(reason) <= 200)))
);

ALTER TABLE rizzpay.gateway_downtimes OWNER TO rizzpay_owner;

CREATE TABLE rizzpay.gateway_tallies (
    since timestamp with time zone NOT NULL,
    gateway text NOT NULL,
    method text NOT NULL,
    calls bigint NOT NULL,
    failures bigint NOT NULL,
    approved bigint NOT NULL,
    declined bigint NOT NULL,
    CONSTRAINT gateway_tallies_approved_check CHECK ((approved >= 0)),
    CONSTRAINT gateway_tallies_check CHECK ((calls >= failures)),
    CONSTRAINT gateway_tallies_declined_check CHECK ((declined >= 0)),
    CONSTRAINT gateway_tallies_failures_check CHECK ((failures >= 0))
);

ALTER TABLE rizzpay.gateway_tallies OWNER TO rizzpay_owner;

CREATE TABLE rizzpay.idempotency_claims (
    merchant_id text NOT NULL,
    livemode boolean NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    request_id text NOT NULL,
    object_id text NOT NULL,
    response_status smallint,
    response_body bytea,
    created_at timestamp with time zone NOT NULL,
    completed_at timestamp with time zone,
    CONSTRAINT idempotency_claims_check CHECK (((response_status IS NULL) = (completed_at IS NULL))),
    CONSTRAINT idempotency_claims_key_check CHECK (((length(key) >= 1) AND (length(key) <= 255)))
);

ALTER TABLE ONLY rizzpay.idempotency_claims FORCE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.idempotency_claims OWNER TO rizzpay_owner;

CREATE TABLE rizzpay.jobs (
    id bigint NOT NULL,
    kind text NOT NULL,
    key text NOT NULL,
    merchant_id text,
    livemode boolean,
    payload jsonb DEFAULT '{}'::jsonb NOT NULL,
    run_at timestamp with time zone NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    lease_token bigint DEFAULT 0 NOT NULL,
    lease_until timestamp with time zone,
    last_error text,
    created_at timestamp with time zone DEFAULT now() NOT NULL
)
WITH (fillfactor='50', autovacuum_vacuum_threshold='10000', autovacuum_vacuum_scale_factor='0.01', autovacuum_vacuum_insert_scale_factor='0.1', autovacuum_analyze_threshold='10000', autovacuum_analyze_scale_factor='0.05');

ALTER TABLE ONLY rizzpay.jobs FORCE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.jobs OWNER TO rizzpay_owner;

ALTER TABLE rizzpay.jobs ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME rizzpay.jobs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE rizzpay.ledger_accounts (
    merchant_id text NOT NULL,
    livemode boolean NOT NULL,
    currency character(3) NOT NULL,
    name text NOT NULL,
    debits_posted bigint DEFAULT 0 NOT NULL,
    credits_posted bigint DEFAULT 0 NOT NULL,
    debits_pending bigint DEFAULT 0 NOT NULL,
    credits_pending bigint DEFAULT 0 NOT NULL,
    CONSTRAINT ledger_accounts_credits_pending_check CHECK ((credits_pending >= 0)),
    CONSTRAINT ledger_accounts_credits_posted_check CHECK ((credits_posted >= 0)),
    CONSTRAINT ledger_accounts_debits_pending_check CHECK ((debits_pending >= 0)),
    CONSTRAINT ledger_accounts_debits_posted_check CHECK ((debits_posted >= 0)),
    CONSTRAINT ledger_accounts_name_check CHECK (((name = ANY (ARRAY['merchant_pending'::text, 'merchant_available'::text, 'fees'::text, 'gst'::text, 'refunds'::text, 'suspense'::text])) OR (name ~ '^gateway:[a-z0-9_-]{1,40}$'::text)))
)
WITH (fillfactor='50');

ALTER TABLE ONLY rizzpay.ledger_accounts FORCE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.ledger_accounts OWNER TO rizzpay_owner;

CREATE TABLE rizzpay.ledger_transfers (
    id text NOT NULL,
    merchant_id text NOT NULL,
    livemode boolean NOT NULL,
    currency character(3) NOT NULL,
    debit text NOT NULL,
    credit text NOT NULL,
    amount bigint NOT NULL,
    phase text NOT NULL,
    pending_id text,
    code text NOT NULL,
    payment_id text,
    refund_id text,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT ledger_transfers_amount_check CHECK ((amount > 0)),
    CONSTRAINT ledger_transfers_check CHECK ((debit <> credit)),
    CONSTRAINT ledger_transfers_check1 CHECK (((phase = ANY (ARRAY['post'::text, 'void'::text])) = (pending_id IS NOT NULL))),
    CONSTRAINT ledger_transfers_phase_check CHECK ((phase = ANY (ARRAY['posted'::text, 'pending'::text, 'post'::text, 'void'::text])))
);

ALTER TABLE ONLY rizzpay.ledger_transfers FORCE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.ledger_transfers OWNER TO rizzpay_owner;

CREATE TABLE rizzpay.merchants (
    id text NOT NULL,
    name text NOT NULL,
    mcc character(4) NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    tier text DEFAULT 'standard'::text NOT NULL,
    requests_per_minute integer NOT NULL,
    fee_basis_points integer DEFAULT 200 NOT NULL,
    gst_basis_points integer DEFAULT 1800 NOT NULL,
    late_authorization text DEFAULT 'capture'::text NOT NULL,
    collect_exemption text,
    upi_vpa text,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT merchants_collect_exemption_check CHECK ((collect_exemption = ANY (ARRAY['mcc_6012'::text, 'mcc_6211'::text, 'ios'::text, 'erupi'::text, 'pa_cb'::text, 'mandate_ops'::text]))),
    CONSTRAINT merchants_fee_basis_points_check CHECK (((fee_basis_points >= 0) AND (fee_basis_points <= 10000))),
    CONSTRAINT merchants_gst_basis_points_check CHECK (((gst_basis_points >= 0) AND (gst_basis_points <= 10000))),
    CONSTRAINT merchants_late_authorization_check CHECK ((late_authorization = ANY (ARRAY['capture'::text, 'refund'::text]))),
    CONSTRAINT merchants_mcc_check CHECK ((mcc ~ '^[0-9]{4}$'::text)),
    CONSTRAINT merchants_requests_per_minute_check CHECK ((requests_per_minute > 0)),
    CONSTRAINT merchants_status_check CHECK ((status = ANY (ARRAY['active'::text, 'suspended'::text, 'offboarded'::text]))),
    CONSTRAINT merchants_tier_check CHECK ((tier = ANY (ARRAY['standard'::text, 'premium'::text, 'enterprise'::text])))
);

ALTER TABLE ONLY rizzpay.merchants FORCE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.merchants OWNER TO rizzpay_owner;

CREATE TABLE rizzpay.migrations (
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE rizzpay.migrations OWNER TO rizzpay_owner;

CREATE VIEW rizzpay.partitions AS
 SELECT (p.relname)::text AS parent,
    (c.relname)::text AS name,
    (b.bound = 'DEFAULT'::text) AS is_rest,
    (regexp_match(b.bound, 'FROM \(''evt_([0-9A-Z]{10})''\)'::text))[1] AS from_ulid,
    (regexp_match(b.bound, 'TO \(''evt_([0-9A-Z]{10})''\)'::text))[1] AS to_ulid,
    pg_relation_size((c.oid)::regclass) AS heap_bytes,
    pg_total_relation_size((c.oid)::regclass) AS total_bytes,
    (GREATEST(c.reltuples, (0)::real))::bigint AS rows_estimated
   FROM ((((pg_inherits i
     JOIN pg_class c ON ((c.oid = i.inhrelid)))
     JOIN pg_class p ON (((p.oid = i.inhparent) AND (p.relkind = 'p'::"char"))))
     JOIN pg_namespace n ON (((n.oid = p.relnamespace) AND (n.nspname = 'rizzpay'::name))))
     CROSS JOIN LATERAL ( SELECT pg_get_expr(c.relpartbound, c.oid) AS pg_get_expr) b(bound));

ALTER VIEW rizzpay.partitions OWNER TO rizzpay_owner;

CREATE TABLE rizzpay.payers (
    id text NOT NULL,
    merchant_id text NOT NULL,
    livemode boolean NOT NULL,
    name bytea,
    email bytea,
    phone bytea,
    vpa bytea,
    email_index bytea,
    phone_index bytea,
    vpa_index bytea,
    created_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY rizzpay.payers FORCE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.payers OWNER TO rizzpay_owner;

CREATE TABLE rizzpay.payment_attempts (
    id text NOT NULL,
    payment_id text NOT NULL,
    merchant_id text NOT NULL,
    livemode boolean NOT NULL,
    kind text NOT NULL,
    status text NOT NULL,
    amount bigint NOT NULL,
    gateway text NOT NULL,
    gateway_reference text,
    rrn text,
    decline jsonb,
    note text,
    enquiries integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT payment_attempts_amount_check CHECK ((amount > 0)),
    CONSTRAINT payment_attempts_kind_check CHECK ((kind = ANY (ARRAY['authorize'::text, 'capture'::text, 'void'::text]))),
    CONSTRAINT payment_attempts_status_check CHECK ((status = ANY (ARRAY['created'::text, 'requires_action'::text, 'processing'::text, 'approved'::text, 'declined'::text, 'not_sent'::text, 'unknown'::text, 'conflicted'::text, 'abandoned'::text])))
);

ALTER TABLE ONLY rizzpay.payment_attempts FORCE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.payment_attempts OWNER TO rizzpay_owner;

CREATE TABLE rizzpay.payment_transitions (
    from_status text NOT NULL,
    to_status text NOT NULL
);

ALTER TABLE rizzpay.payment_transitions OWNER TO rizzpay_owner;

CREATE TABLE rizzpay.payments (
    id text NOT NULL,
    merchant_id text NOT NULL,
    livemode boolean NOT NULL,
    status text NOT NULL,
    amount bigint NOT NULL,
    currency character(3) NOT NULL,
    amount_authorized bigint DEFAULT 0 NOT NULL,
    amount_captured bigint DEFAULT 0 NOT NULL,
    amount_capture_pending bigint DEFAULT 0 NOT NULL,
    amount_refunded bigint DEFAULT 0 NOT NULL,
    amount_refund_pending bigint DEFAULT 0 NOT NULL,
    capture_method text NOT NULL,
    method jsonb NOT NULL,
    reference text,
    description text,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    return_url text,
    payer_id text,
    gateway text NOT NULL,
    gateway_reference text,
    rrn text,
    next_action jsonb,
    failure jsonb,
    cancellation_reason text,
    late boolean DEFAULT false NOT NULL,
    funds text DEFAULT 'merchant_pending'::text NOT NULL,
    hold_transfer_id text,
    hold_amount bigint DEFAULT 0 NOT NULL,
    closing_attempt_id text,
    fee_basis_points integer NOT NULL,
    gst_basis_points integer NOT NULL,
    late_authorization text NOT NULL,
    open_unknown integer DEFAULT 0 NOT NULL,
    expires_at timestamp with time zone,
    authorization_expires_at timestamp with time zone,
    version integer NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT captures_within_authorized CHECK (((amount_captured + amount_capture_pending) <= amount_authorized)),
    CONSTRAINT payments_amount_authorized_check CHECK ((amount_authorized >= 0)),
    CONSTRAINT payments_amount_capture_pending_check CHECK ((amount_capture_pending >= 0)),
    CONSTRAINT payments_amount_captured_check CHECK ((amount_captured >= 0)),
    CONSTRAINT payments_amount_check CHECK (((amount >= 1) AND (amount <= '9007199254740991'::bigint))),
    CONSTRAINT payments_amount_refund_pending_check CHECK ((amount_refund_pending >= 0)),
    CONSTRAINT payments_amount_refunded_check CHECK ((amount_refunded >= 0)),
    CONSTRAINT payments_capture_method_check CHECK ((capture_method = ANY (ARRAY['automatic'::text, 'manual'::text]))),
    CONSTRAINT payments_check CHECK (((hold_transfer_id IS NULL) = (hold_amount = 0))),
    CONSTRAINT payments_fee_basis_points_check CHECK (((fee_basis_points >= 0) AND (fee_basis_points <= 10000))),
    CONSTRAINT payments_funds_check CHECK ((funds = ANY (ARRAY['merchant_pending'::text, 'suspense'::text]))),
    CONSTRAINT payments_gst_basis_points_check CHECK (((gst_basis_points >= 0) AND (gst_basis_points <= 10000))),
    CONSTRAINT payments_hold_amount_check CHECK ((hold_amount >= 0)),
    CONSTRAINT payments_late_authorization_check CHECK ((late_authorization = ANY (ARRAY['capture'::text, 'refund'::text]))),
    CONSTRAINT payments_open_unknown_check CHECK ((open_unknown >= 0)),
    CONSTRAINT payments_status_check CHECK ((status = ANY (ARRAY['created'::text, 'requires_action'::text, 'processing'::text, 'authorized'::text, 'partially_captured'::text, 'captured'::text, 'failed'::text, 'cancelled'::text, 'expired'::text, 'unknown'::text, 'conflicted'::text, 'requires_merchant_action'::text]))),
    CONSTRAINT refunds_within_captured CHECK (((amount_refunded + amount_refund_pending) <= amount_captured))
);

ALTER TABLE ONLY rizzpay.payments FORCE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.payments OWNER TO rizzpay_owner;

CREATE TABLE rizzpay.qr_code_payments (
    qr_code_id text NOT NULL,
    gateway_reference text NOT NULL,
    payment_id text NOT NULL,
    merchant_id text NOT NULL,
    livemode boolean NOT NULL,
    created_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY rizzpay.qr_code_payments FORCE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.qr_code_payments OWNER TO rizzpay_owner;

CREATE TABLE rizzpay.qr_codes (
    id text NOT NULL,
    merchant_id text NOT NULL,
    livemode boolean NOT NULL,
    type text NOT NULL,
    usage text NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    payment_amount bigint,
    name text NOT NULL,
    description text,
    gateway text NOT NULL,
    content text NOT NULL,
    close_by timestamp with time zone,
    close_reason text,
    closed_at timestamp with time zone,
    payments_count_received bigint DEFAULT 0 NOT NULL,
    payments_amount_received bigint DEFAULT 0 NOT NULL,
    version integer NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT qr_codes_check CHECK (((status = 'closed'::text) = (closed_at IS NOT NULL))),
    CONSTRAINT qr_codes_check1 CHECK (((closed_at IS NULL) = (close_reason IS NULL))),
    CONSTRAINT qr_codes_check2 CHECK ((payments_amount_received >= payments_count_received)),
    CONSTRAINT qr_codes_close_reason_check CHECK ((close_reason = ANY (ARRAY['on_demand'::text, 'paid'::text, 'expired'::text]))),
    CONSTRAINT qr_codes_payment_amount_check CHECK (((payment_amount >= 1) AND (payment_amount <= '9007199254740991'::bigint))),
    CONSTRAINT qr_codes_payments_count_received_check CHECK ((payments_count_received >= 0)),
    CONSTRAINT qr_codes_status_check CHECK ((status = ANY (ARRAY['active'::text, 'closed'::text]))),
    CONSTRAINT qr_codes_type_check CHECK ((type = ANY (ARRAY['upi_qr'::text, 'bharat_qr'::text]))),
    CONSTRAINT qr_codes_usage_check CHECK ((usage = ANY (ARRAY['single_use'::text, 'multiple_use'::text]))),
    CONSTRAINT single_use_is_used_once CHECK (((usage <> 'single_use'::text) OR (payments_count_received <= 1)))
);

ALTER TABLE ONLY rizzpay.qr_codes FORCE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.qr_codes OWNER TO rizzpay_owner;

CREATE TABLE rizzpay.refunds (
    id text NOT NULL,
    payment_id text NOT NULL,
    merchant_id text NOT NULL,
    livemode boolean NOT NULL,
    status text NOT NULL,
    amount bigint NOT NULL,
    currency character(3) NOT NULL,
    origin text NOT NULL,
    reason text,
    reference text,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    gateway text NOT NULL,
    gateway_reference text,
    acquirer_reference text,
    failure jsonb,
    hold_transfer_id text NOT NULL,
    status_history jsonb NOT NULL,
    enquiries integer DEFAULT 0 NOT NULL,
    sent_at timestamp with time zone,
    version integer NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT refunds_amount_check CHECK ((amount > 0)),
    CONSTRAINT refunds_origin_check CHECK ((origin = ANY (ARRAY['api'::text, 'auto'::text]))),
    CONSTRAINT refunds_status_check CHECK ((status = ANY (ARRAY['created'::text, 'processing'::text, 'processed'::text, 'failed'::text, 'unknown'::text])))
);

ALTER TABLE ONLY rizzpay.refunds FORCE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.refunds OWNER TO rizzpay_owner;

CREATE TABLE rizzpay.review_cases (
    id text NOT NULL,
    merchant_id text NOT NULL,
    livemode boolean NOT NULL,
    object_id text NOT NULL,
    payment_id text NOT NULL,
    reason text NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    closed_at timestamp with time zone,
    CONSTRAINT review_cases_reason_check CHECK ((reason = ANY (ARRAY['unknown_outcome'::text, 'conflicted'::text, 'late_authorization'::text])))
);

ALTER TABLE ONLY rizzpay.review_cases FORCE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.review_cases OWNER TO rizzpay_owner;

CREATE TABLE rizzpay.routing_decisions (
    attempt_id text NOT NULL,
    merchant_id text NOT NULL,
    livemode boolean NOT NULL,
    record json NOT NULL
);

ALTER TABLE ONLY rizzpay.routing_decisions FORCE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.routing_decisions OWNER TO rizzpay_owner;

CREATE TABLE rizzpay.routing_rule_sets (
    version bigint NOT NULL,
    livemode boolean NOT NULL,
    document json NOT NULL,
    restores bigint,
    proposed_by text NOT NULL,
    proposed_at timestamp with time zone NOT NULL,
    approved_by text,
    approved_at timestamp with time zone,
    CONSTRAINT routing_rule_sets_check CHECK (((approved_by IS NULL) = (approved_at IS NULL))),
    CONSTRAINT routing_rule_sets_check1 CHECK ((approved_by <> proposed_by))
);

ALTER TABLE rizzpay.routing_rule_sets OWNER TO rizzpay_owner;

ALTER TABLE rizzpay.routing_rule_sets ALTER COLUMN version ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME rizzpay.routing_rule_sets_version_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE rizzpay.webhook_deliveries (
    id text NOT NULL,
    merchant_id text NOT NULL,
    livemode boolean NOT NULL,
    endpoint_id text NOT NULL,
    event_id text NOT NULL,
    origin text NOT NULL,
    status text NOT NULL,
    attempts jsonb DEFAULT '[]'::jsonb NOT NULL,
    next_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT webhook_deliveries_origin_check CHECK ((origin = ANY (ARRAY['event'::text, 'replay'::text]))),
    CONSTRAINT webhook_deliveries_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'succeeded'::text, 'failed'::text])))
)
PARTITION BY RANGE (event_id);

ALTER TABLE ONLY rizzpay.webhook_deliveries FORCE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.webhook_deliveries OWNER TO rizzpay_owner;

CREATE TABLE rizzpay.webhook_deliveries_rest (
    id text CONSTRAINT webhook_deliveries_id_not_null NOT NULL,
    merchant_id text CONSTRAINT webhook_deliveries_merchant_id_not_null NOT NULL,
    livemode boolean CONSTRAINT webhook_deliveries_livemode_not_null NOT NULL,
    endpoint_id text CONSTRAINT webhook_deliveries_endpoint_id_not_null NOT NULL,
    event_id text CONSTRAINT webhook_deliveries_event_id_not_null NOT NULL,
    origin text CONSTRAINT webhook_deliveries_origin_not_null NOT NULL,
    status text CONSTRAINT webhook_deliveries_status_not_null NOT NULL,
    attempts jsonb DEFAULT '[]'::jsonb CONSTRAINT webhook_deliveries_attempts_not_null NOT NULL,
    next_at timestamp with time zone,
    created_at timestamp with time zone CONSTRAINT webhook_deliveries_created_at_not_null NOT NULL,
    updated_at timestamp with time zone CONSTRAINT webhook_deliveries_updated_at_not_null NOT NULL,
    CONSTRAINT webhook_deliveries_origin_check CHECK ((origin = ANY (ARRAY['event'::text, 'replay'::text]))),
    CONSTRAINT webhook_deliveries_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'succeeded'::text, 'failed'::text])))
);

ALTER TABLE ONLY rizzpay.webhook_deliveries_rest FORCE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.webhook_deliveries_rest OWNER TO rizzpay_owner;

CREATE TABLE rizzpay.webhook_endpoints (
    id text NOT NULL,
    merchant_id text NOT NULL,
    livemode boolean NOT NULL,
    url text NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    event_types text[] NOT NULL,
    status text DEFAULT 'enabled'::text NOT NULL,
    disabled_reason text,
    secret bytea NOT NULL,
    previous_secret bytea,
    previous_secret_expires_at timestamp with time zone,
    failing_since timestamp with time zone,
    version integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT webhook_endpoints_status_check CHECK ((status = ANY (ARRAY['enabled'::text, 'disabled'::text, 'deleted'::text])))
);

ALTER TABLE ONLY rizzpay.webhook_endpoints FORCE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.webhook_endpoints OWNER TO rizzpay_owner;

ALTER TABLE ONLY rizzpay.events ATTACH PARTITION rizzpay.events_rest DEFAULT;

ALTER TABLE ONLY rizzpay.webhook_deliveries ATTACH PARTITION rizzpay.webhook_deliveries_rest DEFAULT;

ALTER TABLE ONLY rizzpay.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY rizzpay.audit_chain
    ADD CONSTRAINT audit_chain_audit_id_key UNIQUE (audit_id);

ALTER TABLE ONLY rizzpay.audit_chain
    ADD CONSTRAINT audit_chain_pkey PRIMARY KEY ("position");

ALTER TABLE ONLY rizzpay.audit_checkpoints
    ADD CONSTRAINT audit_checkpoints_pkey PRIMARY KEY ("position");

ALTER TABLE ONLY rizzpay.audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (id);

ALTER TABLE ONLY rizzpay.data_keys
    ADD CONSTRAINT data_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY rizzpay.event_counters
    ADD CONSTRAINT event_counters_pkey PRIMARY KEY (merchant_id, livemode);

ALTER TABLE ONLY rizzpay.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY rizzpay.events_rest
    ADD CONSTRAINT events_rest_merchant_id_livemode_sequence_key UNIQUE (merchant_id, livemode, sequence);

ALTER TABLE ONLY rizzpay.events_rest
    ADD CONSTRAINT events_rest_pkey PRIMARY KEY (id);

ALTER TABLE ONLY rizzpay.gateway_breakers
    ADD CONSTRAINT gateway_breakers_pkey PRIMARY KEY (gateway, method);

ALTER TABLE ONLY rizzpay.gateway_callbacks
    ADD CONSTRAINT gateway_callbacks_gateway_provider_event_id_key UNIQUE (gateway, provider_event_id);

ALTER TABLE ONLY rizzpay.gateway_callbacks
    ADD CONSTRAINT gateway_callbacks_pkey PRIMARY KEY (id);

ALTER TABLE ONLY rizzpay.gateway_downtimes
    ADD CONSTRAINT gateway_downtimes_pkey PRIMARY KEY (id);

ALTER TABLE ONLY rizzpay.gateway_tallies
    ADD CONSTRAINT gateway_tallies_pkey PRIMARY KEY (since, gateway, method);

ALTER TABLE ONLY rizzpay.idempotency_claims
    ADD CONSTRAINT idempotency_claims_pkey PRIMARY KEY (merchant_id, livemode, key);

ALTER TABLE ONLY rizzpay.jobs
    ADD CONSTRAINT jobs_kind_key_key UNIQUE (kind, key);

ALTER TABLE ONLY rizzpay.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY rizzpay.ledger_accounts
    ADD CONSTRAINT ledger_accounts_pkey PRIMARY KEY (merchant_id, livemode, currency, name);

ALTER TABLE ONLY rizzpay.ledger_transfers
    ADD CONSTRAINT ledger_transfers_pkey PRIMARY KEY (id);

ALTER TABLE ONLY rizzpay.merchants
    ADD CONSTRAINT merchants_pkey PRIMARY KEY (id);

ALTER TABLE ONLY rizzpay.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (name);

ALTER TABLE ONLY rizzpay.payers
    ADD CONSTRAINT payers_pkey PRIMARY KEY (id);

ALTER TABLE ONLY rizzpay.payment_attempts
    ADD CONSTRAINT payment_attempts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY rizzpay.payment_transitions
    ADD CONSTRAINT payment_transitions_pkey PRIMARY KEY (from_status, to_status);

ALTER TABLE ONLY rizzpay.payments
    ADD CONSTRAINT payments_pkey PRIMARY KEY (id);

ALTER TABLE ONLY rizzpay.qr_code_payments
    ADD CONSTRAINT qr_code_payments_pkey PRIMARY KEY (qr_code_id, gateway_reference);

ALTER TABLE ONLY rizzpay.qr_codes
    ADD CONSTRAINT qr_codes_pkey PRIMARY KEY (id);

ALTER TABLE ONLY rizzpay.refunds
    ADD CONSTRAINT refunds_pkey PRIMARY KEY (id);

ALTER TABLE ONLY rizzpay.review_cases
    ADD CONSTRAINT review_cases_object_id_reason_key UNIQUE (object_id, reason);

ALTER TABLE ONLY rizzpay.review_cases
    ADD CONSTRAINT review_cases_pkey PRIMARY KEY (id);

ALTER TABLE ONLY rizzpay.routing_decisions
    ADD CONSTRAINT routing_decisions_pkey PRIMARY KEY (attempt_id);

ALTER TABLE ONLY rizzpay.routing_rule_sets
    ADD CONSTRAINT routing_rule_sets_pkey PRIMARY KEY (version);

ALTER TABLE ONLY rizzpay.webhook_deliveries
    ADD CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (id, event_id);

ALTER TABLE ONLY rizzpay.webhook_deliveries_rest
    ADD CONSTRAINT webhook_deliveries_rest_pkey PRIMARY KEY (id, event_id);

ALTER TABLE ONLY rizzpay.webhook_endpoints
    ADD CONSTRAINT webhook_endpoints_pkey PRIMARY KEY (id);

CREATE UNIQUE INDEX api_keys_two_live ON rizzpay.api_keys USING btree (merchant_id, livemode, slot) WHERE (revoked_at IS NULL);

CREATE INDEX audit_log_object ON rizzpay.audit_log USING btree (object_id);

CREATE INDEX audit_log_sealing ON rizzpay.audit_log USING btree (xid, id);

CREATE INDEX data_keys_kek ON rizzpay.data_keys USING btree (kek_label);

CREATE UNIQUE INDEX data_keys_one_active ON rizzpay.data_keys USING btree (purpose) WHERE (status = 'active'::text);

CREATE INDEX events_by_type ON ONLY rizzpay.events USING btree (merchant_id, livemode, type, sequence) WHERE (type <> ALL (ARRAY['payment.created'::text, 'payment.requires_action'::text, 'payment.captured'::text]));

CREATE INDEX events_rest_merchant_id_livemode_type_sequence_idx ON rizzpay.events_rest USING btree (merchant_id, livemode, type, sequence) WHERE (type <> ALL (ARRAY['payment.created'::text, 'payment.requires_action'::text, 'payment.captured'::text]));

CREATE INDEX gateway_downtimes_end ON rizzpay.gateway_downtimes USING btree (ends_at);

CREATE INDEX idempotency_claims_age ON rizzpay.idempotency_claims USING btree (created_at);

CREATE INDEX idempotency_claims_open ON rizzpay.idempotency_claims USING btree (object_id) WHERE (completed_at IS NULL);

CREATE INDEX jobs_due_by_kind ON rizzpay.jobs USING btree (kind, run_at, id);

CREATE INDEX ledger_transfers_payment ON rizzpay.ledger_transfers USING btree (payment_id);

CREATE UNIQUE INDEX ledger_transfers_resolved_once ON rizzpay.ledger_transfers USING btree (pending_id) WHERE (pending_id IS NOT NULL);

CREATE INDEX payers_email ON rizzpay.payers USING btree (merchant_id, livemode, email_index) WHERE (email_index IS NOT NULL);

CREATE INDEX payers_phone ON rizzpay.payers USING btree (merchant_id, livemode, phone_index) WHERE (phone_index IS NOT NULL);

CREATE INDEX payers_vpa ON rizzpay.payers USING btree (merchant_id, livemode, vpa_index) WHERE (vpa_index IS NOT NULL);

CREATE UNIQUE INDEX payment_attempts_one_success ON rizzpay.payment_attempts USING btree (payment_id) WHERE ((kind = 'authorize'::text) AND (status = 'approved'::text));

CREATE INDEX payment_attempts_payment ON rizzpay.payment_attempts USING btree (payment_id);

CREATE INDEX payments_by_status ON rizzpay.payments USING btree (merchant_id, livemode, status, created_at DESC, id DESC) WHERE (status <> ALL (ARRAY['captured'::text, 'requires_action'::text]));

CREATE UNIQUE INDEX payments_gateway_reference ON rizzpay.payments USING btree (gateway, gateway_reference) WHERE (amount_authorized > 0);

CREATE INDEX payments_list ON rizzpay.payments USING btree (merchant_id, livemode, created_at DESC, id DESC);

CREATE INDEX payments_payer ON rizzpay.payments USING btree (payer_id) WHERE (payer_id IS NOT NULL);

CREATE INDEX payments_reference ON rizzpay.payments USING btree (merchant_id, livemode, reference) WHERE (reference IS NOT NULL);

CREATE UNIQUE INDEX payments_rrn ON rizzpay.payments USING btree (gateway, rrn) WHERE (rrn IS NOT NULL);

CREATE INDEX payments_unknown ON rizzpay.payments USING btree (id) WHERE (status = 'unknown'::text);

CREATE INDEX payments_waiting ON rizzpay.payments USING btree (expires_at) WHERE (status = 'requires_action'::text);

CREATE UNIQUE INDEX qr_code_payments_list ON rizzpay.qr_code_payments USING btree (qr_code_id, created_at DESC, payment_id DESC);

CREATE INDEX qr_codes_ending ON rizzpay.qr_codes USING btree (close_by) WHERE ((status = 'active'::text) AND (close_by IS NOT NULL));

CREATE INDEX qr_codes_list ON rizzpay.qr_codes USING btree (merchant_id, livemode, created_at DESC, id DESC);

CREATE INDEX refunds_list ON rizzpay.refunds USING btree (merchant_id, livemode, created_at DESC, id DESC);

CREATE INDEX refunds_payment ON rizzpay.refunds USING btree (payment_id);

CREATE INDEX refunds_unknown ON rizzpay.refunds USING btree (id) WHERE (status = 'unknown'::text);

CREATE INDEX review_cases_open ON rizzpay.review_cases USING btree (opened_at) WHERE (closed_at IS NULL);

CREATE INDEX routing_rule_sets_approved ON rizzpay.routing_rule_sets USING btree (livemode, approved_at DESC);

CREATE INDEX webhook_deliveries_event ON ONLY rizzpay.webhook_deliveries USING btree (event_id);

CREATE INDEX webhook_deliveries_list ON ONLY rizzpay.webhook_deliveries USING btree (endpoint_id, created_at DESC, id DESC);

CREATE UNIQUE INDEX webhook_deliveries_once ON ONLY rizzpay.webhook_deliveries USING btree (endpoint_id, event_id) WHERE (origin = 'event'::text);

CREATE INDEX webhook_deliveries_rest_event ON rizzpay.webhook_deliveries_rest USING btree (event_id);

CREATE INDEX webhook_deliveries_rest_list ON rizzpay.webhook_deliveries_rest USING btree (endpoint_id, created_at DESC, id DESC);

CREATE UNIQUE INDEX webhook_deliveries_rest_once ON rizzpay.webhook_deliveries_rest USING btree (endpoint_id, event_id) WHERE (origin = 'event'::text);

CREATE INDEX webhook_endpoints_merchant ON rizzpay.webhook_endpoints USING btree (merchant_id, livemode);

ALTER INDEX rizzpay.events_by_type ATTACH PARTITION rizzpay.events_rest_merchant_id_livemode_type_sequence_idx;

ALTER INDEX rizzpay.events_pkey ATTACH PARTITION rizzpay.events_rest_pkey;

ALTER INDEX rizzpay.webhook_deliveries_event ATTACH PARTITION rizzpay.webhook_deliveries_rest_event;

ALTER INDEX rizzpay.webhook_deliveries_list ATTACH PARTITION rizzpay.webhook_deliveries_rest_list;

ALTER INDEX rizzpay.webhook_deliveries_once ATTACH PARTITION rizzpay.webhook_deliveries_rest_once;

ALTER INDEX rizzpay.webhook_deliveries_pkey ATTACH PARTITION rizzpay.webhook_deliveries_rest_pkey;

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON rizzpay.audit_chain FOR EACH STATEMENT EXECUTE FUNCTION rizzpay.refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON rizzpay.audit_checkpoints FOR EACH STATEMENT EXECUTE FUNCTION rizzpay.refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON rizzpay.audit_log FOR EACH STATEMENT EXECUTE FUNCTION rizzpay.refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON rizzpay.events FOR EACH STATEMENT EXECUTE FUNCTION rizzpay.refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON rizzpay.events_rest FOR EACH STATEMENT EXECUTE FUNCTION rizzpay.refuse_change();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON rizzpay.ledger_transfers FOR EACH STATEMENT EXECUTE FUNCTION rizzpay.refuse_change();

CREATE TRIGGER legal_transition BEFORE UPDATE OF status ON rizzpay.payments FOR EACH ROW WHEN (((old.status <> new.status) AND (((old.status || '>'::text) || new.status) <> ALL ('{authorized>cancelled,authorized>captured,authorized>expired,authorized>partially_captured,authorized>unknown,cancelled>authorized,cancelled>captured,cancelled>conflicted,created>cancelled,created>expired,created>processing,expired>authorized,expired>captured,expired>conflicted,failed>authorized,failed>captured,failed>conflicted,partially_captured>captured,partially_captured>unknown,processing>authorized,processing>captured,processing>conflicted,processing>failed,processing>requires_action,processing>unknown,requires_action>authorized,requires_action>cancelled,requires_action>captured,requires_action>conflicted,requires_action>expired,requires_action>failed,requires_action>processing,requires_action>unknown,unknown>authorized,unknown>cancelled,unknown>captured,unknown>conflicted,unknown>failed,unknown>partially_captured,unknown>requires_action}'::text[])))) EXECUTE FUNCTION rizzpay.check_payment_transition();

CREATE TRIGGER only_forward BEFORE UPDATE ON rizzpay.qr_codes FOR EACH ROW EXECUTE FUNCTION rizzpay.check_qr_code();

CREATE TRIGGER resolves_pending AFTER INSERT ON rizzpay.ledger_transfers FOR EACH ROW WHEN ((new.pending_id IS NOT NULL)) EXECUTE FUNCTION rizzpay.check_resolutions();

ALTER TABLE ONLY rizzpay.api_keys
    ADD CONSTRAINT api_keys_merchant_id_fkey FOREIGN KEY (merchant_id) REFERENCES rizzpay.merchants(id);

ALTER TABLE ONLY rizzpay.api_keys
    ADD CONSTRAINT api_keys_pepper_id_fkey FOREIGN KEY (pepper_id) REFERENCES rizzpay.data_keys(id);

ALTER TABLE ONLY rizzpay.audit_checkpoints
    ADD CONSTRAINT audit_checkpoints_position_fkey FOREIGN KEY ("position") REFERENCES rizzpay.audit_chain("position");

ALTER TABLE ONLY rizzpay.ledger_transfers
    ADD CONSTRAINT ledger_transfers_pending_id_fkey FOREIGN KEY (pending_id) REFERENCES rizzpay.ledger_transfers(id);

ALTER TABLE ONLY rizzpay.payment_attempts
    ADD CONSTRAINT payment_attempts_payment_id_fkey FOREIGN KEY (payment_id) REFERENCES rizzpay.payments(id);

ALTER TABLE ONLY rizzpay.payments
    ADD CONSTRAINT payments_merchant_id_fkey FOREIGN KEY (merchant_id) REFERENCES rizzpay.merchants(id);

ALTER TABLE ONLY rizzpay.payments
    ADD CONSTRAINT payments_payer_id_fkey FOREIGN KEY (payer_id) REFERENCES rizzpay.payers(id);

ALTER TABLE ONLY rizzpay.qr_code_payments
    ADD CONSTRAINT qr_code_payments_payment_id_fkey FOREIGN KEY (payment_id) REFERENCES rizzpay.payments(id);

ALTER TABLE ONLY rizzpay.qr_code_payments
    ADD CONSTRAINT qr_code_payments_qr_code_id_fkey FOREIGN KEY (qr_code_id) REFERENCES rizzpay.qr_codes(id);

ALTER TABLE ONLY rizzpay.qr_codes
    ADD CONSTRAINT qr_codes_merchant_id_fkey FOREIGN KEY (merchant_id) REFERENCES rizzpay.merchants(id);

ALTER TABLE ONLY rizzpay.refunds
    ADD CONSTRAINT refunds_payment_id_fkey FOREIGN KEY (payment_id) REFERENCES rizzpay.payments(id);

ALTER TABLE ONLY rizzpay.routing_decisions
    ADD CONSTRAINT routing_decisions_attempt_id_fkey FOREIGN KEY (attempt_id) REFERENCES rizzpay.payment_attempts(id);

ALTER TABLE ONLY rizzpay.routing_rule_sets
    ADD CONSTRAINT routing_rule_sets_restores_fkey FOREIGN KEY (restores) REFERENCES rizzpay.routing_rule_sets(version);

ALTER TABLE rizzpay.webhook_deliveries
    ADD CONSTRAINT webhook_deliveries_endpoint_id_fkey1 FOREIGN KEY (endpoint_id) REFERENCES rizzpay.webhook_endpoints(id);

ALTER TABLE rizzpay.api_keys ENABLE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.audit_log ENABLE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.event_counters ENABLE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.events ENABLE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.events_rest ENABLE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.idempotency_claims ENABLE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.jobs ENABLE ROW LEVEL SECURITY;

CREATE POLICY keeping ON rizzpay.events_rest FOR SELECT TO rizzpay_owner USING (true);

CREATE POLICY keeping ON rizzpay.webhook_deliveries_rest FOR SELECT TO rizzpay_owner USING (true);

ALTER TABLE rizzpay.ledger_accounts ENABLE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.ledger_transfers ENABLE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.merchants ENABLE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.payers ENABLE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.payment_attempts ENABLE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.payments ENABLE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.qr_code_payments ENABLE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.qr_codes ENABLE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.refunds ENABLE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.review_cases ENABLE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.routing_decisions ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant ON rizzpay.api_keys TO rizzpay_app USING ((((merchant_id || ''::text) = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode)))) WITH CHECK (((merchant_id = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode))));

CREATE POLICY tenant ON rizzpay.audit_log TO rizzpay_app USING ((((merchant_id || ''::text) = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode)))) WITH CHECK (((merchant_id = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode))));

CREATE POLICY tenant ON rizzpay.event_counters TO rizzpay_app USING ((((merchant_id || ''::text) = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode)))) WITH CHECK (((merchant_id = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode))));

CREATE POLICY tenant ON rizzpay.events TO rizzpay_app USING ((((merchant_id || ''::text) = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode)))) WITH CHECK (((merchant_id = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode))));

CREATE POLICY tenant ON rizzpay.events_rest TO rizzpay_app USING ((((merchant_id || ''::text) = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode)))) WITH CHECK (((merchant_id = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode))));

CREATE POLICY tenant ON rizzpay.idempotency_claims TO rizzpay_app USING ((((merchant_id || ''::text) = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode)))) WITH CHECK (((merchant_id = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode))));

CREATE POLICY tenant ON rizzpay.jobs TO rizzpay_app USING ((((merchant_id || ''::text) = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode)))) WITH CHECK (((merchant_id IS NULL) OR ((merchant_id = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode)))));

CREATE POLICY tenant ON rizzpay.ledger_accounts TO rizzpay_app USING ((((merchant_id || ''::text) = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode)))) WITH CHECK (((merchant_id = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode))));

CREATE POLICY tenant ON rizzpay.ledger_transfers TO rizzpay_app USING ((((merchant_id || ''::text) = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode)))) WITH CHECK (((merchant_id = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode))));

CREATE POLICY tenant ON rizzpay.merchants TO rizzpay_app USING ((id = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])));

CREATE POLICY tenant ON rizzpay.payers TO rizzpay_app USING ((((merchant_id || ''::text) = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode)))) WITH CHECK (((merchant_id = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode))));

CREATE POLICY tenant ON rizzpay.payment_attempts TO rizzpay_app USING ((((merchant_id || ''::text) = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode)))) WITH CHECK (((merchant_id = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode))));

CREATE POLICY tenant ON rizzpay.payments TO rizzpay_app USING ((((merchant_id || ''::text) = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode)))) WITH CHECK (((merchant_id = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode))));

CREATE POLICY tenant ON rizzpay.qr_code_payments TO rizzpay_app USING ((((merchant_id || ''::text) = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode)))) WITH CHECK (((merchant_id = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode))));

CREATE POLICY tenant ON rizzpay.qr_codes TO rizzpay_app USING ((((merchant_id || ''::text) = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode)))) WITH CHECK (((merchant_id = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode))));

CREATE POLICY tenant ON rizzpay.refunds TO rizzpay_app USING ((((merchant_id || ''::text) = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode)))) WITH CHECK (((merchant_id = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode))));

CREATE POLICY tenant ON rizzpay.review_cases TO rizzpay_app USING ((((merchant_id || ''::text) = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode)))) WITH CHECK (((merchant_id = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode))));

CREATE POLICY tenant ON rizzpay.routing_decisions TO rizzpay_app USING ((((merchant_id || ''::text) = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode)))) WITH CHECK (((merchant_id = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode))));

CREATE POLICY tenant ON rizzpay.webhook_deliveries TO rizzpay_app USING ((((merchant_id || ''::text) = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode)))) WITH CHECK (((merchant_id = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode))));

CREATE POLICY tenant ON rizzpay.webhook_deliveries_rest TO rizzpay_app USING ((((merchant_id || ''::text) = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode)))) WITH CHECK (((merchant_id = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode))));

CREATE POLICY tenant ON rizzpay.webhook_endpoints TO rizzpay_app USING ((((merchant_id || ''::text) = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode)))) WITH CHECK (((merchant_id = ANY (( SELECT rizzpay.tenant_ids() AS tenant_ids)::text[])) AND (livemode = ( SELECT rizzpay.tenant_livemode() AS tenant_livemode))));

ALTER TABLE rizzpay.webhook_deliveries ENABLE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.webhook_deliveries_rest ENABLE ROW LEVEL SECURITY;

ALTER TABLE rizzpay.webhook_endpoints ENABLE ROW LEVEL SECURITY;

GRANT USAGE ON SCHEMA rizzpay TO rizzpay_app;
GRANT USAGE ON SCHEMA rizzpay TO rizzpay_worker;
GRANT USAGE ON SCHEMA rizzpay TO rizzpay_lookup;

REVOKE ALL ON FUNCTION rizzpay.add_partition(parent text, month date) FROM PUBLIC;
GRANT ALL ON FUNCTION rizzpay.add_partition(parent text, month date) TO rizzpay_worker;

REVOKE ALL ON FUNCTION rizzpay.adopt_rest(parent text) FROM PUBLIC;
GRANT ALL ON FUNCTION rizzpay.adopt_rest(parent text) TO rizzpay_worker;

REVOKE ALL ON FUNCTION rizzpay.check_partitioned(parent text) FROM PUBLIC;

REVOKE ALL ON FUNCTION rizzpay.drop_partition(parent text, before timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION rizzpay.drop_partition(parent text, before timestamp with time zone) TO rizzpay_worker;

REVOKE ALL ON FUNCTION rizzpay.find_api_key(wanted text) FROM PUBLIC;
GRANT ALL ON FUNCTION rizzpay.find_api_key(wanted text) TO rizzpay_app;
GRANT ALL ON FUNCTION rizzpay.find_api_key(wanted text) TO rizzpay_worker;

REVOKE ALL ON FUNCTION rizzpay.guard_partition(parent text, name text) FROM PUBLIC;

GRANT SELECT,INSERT,UPDATE ON TABLE rizzpay.api_keys TO rizzpay_app;
GRANT SELECT,INSERT,UPDATE ON TABLE rizzpay.api_keys TO rizzpay_worker;
GRANT SELECT ON TABLE rizzpay.api_keys TO rizzpay_lookup;

GRANT SELECT,INSERT ON TABLE rizzpay.audit_chain TO rizzpay_worker;

GRANT SELECT,INSERT ON TABLE rizzpay.audit_checkpoints TO rizzpay_worker;

GRANT SELECT,INSERT ON TABLE rizzpay.audit_log TO rizzpay_app;
GRANT SELECT,INSERT ON TABLE rizzpay.audit_log TO rizzpay_worker;

GRANT SELECT ON TABLE rizzpay.data_keys TO rizzpay_app;
GRANT SELECT,INSERT,UPDATE ON TABLE rizzpay.data_keys TO rizzpay_worker;

GRANT SELECT,INSERT,UPDATE ON TABLE rizzpay.event_counters TO rizzpay_app;
GRANT SELECT,INSERT,UPDATE ON TABLE rizzpay.event_counters TO rizzpay_worker;

GRANT SELECT,INSERT ON TABLE rizzpay.events TO rizzpay_app;
GRANT SELECT,INSERT ON TABLE rizzpay.events TO rizzpay_worker;

GRANT SELECT ON TABLE rizzpay.gateway_breakers TO rizzpay_app;
GRANT SELECT,INSERT,UPDATE ON TABLE rizzpay.gateway_breakers TO rizzpay_worker;

GRANT UPDATE(probes_left) ON TABLE rizzpay.gateway_breakers TO rizzpay_app;

GRANT UPDATE(probe_calls) ON TABLE rizzpay.gateway_breakers TO rizzpay_app;

GRANT UPDATE(probe_failures) ON TABLE rizzpay.gateway_breakers TO rizzpay_app;

GRANT INSERT ON TABLE rizzpay.gateway_callbacks TO rizzpay_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE rizzpay.gateway_callbacks TO rizzpay_worker;

GRANT SELECT(id) ON TABLE rizzpay.gateway_callbacks TO rizzpay_app;

GRANT SELECT(gateway) ON TABLE rizzpay.gateway_callbacks TO rizzpay_app;

GRANT SELECT(provider_event_id) ON TABLE rizzpay.gateway_callbacks TO rizzpay_app;

GRANT SELECT ON TABLE rizzpay.gateway_downtimes TO rizzpay_app;
GRANT SELECT,INSERT,UPDATE ON TABLE rizzpay.gateway_downtimes TO rizzpay_worker;

GRANT SELECT,INSERT,UPDATE ON TABLE rizzpay.gateway_tallies TO rizzpay_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE rizzpay.gateway_tallies TO rizzpay_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE rizzpay.idempotency_claims TO rizzpay_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE rizzpay.idempotency_claims TO rizzpay_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE rizzpay.jobs TO rizzpay_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE rizzpay.jobs TO rizzpay_worker;

GRANT SELECT,INSERT,UPDATE ON TABLE rizzpay.ledger_accounts TO rizzpay_app;
GRANT SELECT,INSERT,UPDATE ON TABLE rizzpay.ledger_accounts TO rizzpay_worker;

GRANT SELECT,INSERT ON TABLE rizzpay.ledger_transfers TO rizzpay_app;
GRANT SELECT,INSERT ON TABLE rizzpay.ledger_transfers TO rizzpay_worker;

GRANT SELECT ON TABLE rizzpay.merchants TO rizzpay_app;
GRANT SELECT ON TABLE rizzpay.merchants TO rizzpay_lookup;
GRANT SELECT,INSERT,UPDATE ON TABLE rizzpay.merchants TO rizzpay_worker;

GRANT SELECT ON TABLE rizzpay.partitions TO rizzpay_worker;

GRANT SELECT,INSERT,UPDATE ON TABLE rizzpay.payers TO rizzpay_app;
GRANT SELECT,INSERT,UPDATE ON TABLE rizzpay.payers TO rizzpay_worker;

GRANT SELECT,INSERT,UPDATE ON TABLE rizzpay.payment_attempts TO rizzpay_app;
GRANT SELECT,INSERT,UPDATE ON TABLE rizzpay.payment_attempts TO rizzpay_worker;

GRANT SELECT ON TABLE rizzpay.payment_transitions TO rizzpay_app;
GRANT SELECT ON TABLE rizzpay.payment_transitions TO rizzpay_worker;

GRANT SELECT,INSERT,UPDATE ON TABLE rizzpay.payments TO rizzpay_app;
GRANT SELECT,INSERT,UPDATE ON TABLE rizzpay.payments TO rizzpay_worker;

GRANT SELECT,INSERT ON TABLE rizzpay.qr_code_payments TO rizzpay_app;
GRANT SELECT,INSERT ON TABLE rizzpay.qr_code_payments TO rizzpay_worker;

GRANT SELECT,INSERT,UPDATE ON TABLE rizzpay.qr_codes TO rizzpay_app;
GRANT SELECT,INSERT,UPDATE ON TABLE rizzpay.qr_codes TO rizzpay_worker;

GRANT SELECT,INSERT,UPDATE ON TABLE rizzpay.refunds TO rizzpay_app;
GRANT SELECT,INSERT,UPDATE ON TABLE rizzpay.refunds TO rizzpay_worker;

GRANT SELECT,INSERT,UPDATE ON TABLE rizzpay.review_cases TO rizzpay_app;
GRANT SELECT,INSERT,UPDATE ON TABLE rizzpay.review_cases TO rizzpay_worker;

GRANT SELECT,INSERT ON TABLE rizzpay.routing_decisions TO rizzpay_app;
GRANT SELECT,INSERT ON TABLE rizzpay.routing_decisions TO rizzpay_worker;

GRANT SELECT,INSERT ON TABLE rizzpay.routing_rule_sets TO rizzpay_app;
GRANT SELECT,INSERT ON TABLE rizzpay.routing_rule_sets TO rizzpay_worker;

GRANT UPDATE(approved_by) ON TABLE rizzpay.routing_rule_sets TO rizzpay_app;
GRANT UPDATE(approved_by) ON TABLE rizzpay.routing_rule_sets TO rizzpay_worker;

GRANT UPDATE(approved_at) ON TABLE rizzpay.routing_rule_sets TO rizzpay_app;
GRANT UPDATE(approved_at) ON TABLE rizzpay.routing_rule_sets TO rizzpay_worker;

GRANT SELECT,INSERT,UPDATE ON TABLE rizzpay.webhook_deliveries TO rizzpay_app;
GRANT SELECT,INSERT,UPDATE ON TABLE rizzpay.webhook_deliveries TO rizzpay_worker;

GRANT SELECT,INSERT,UPDATE ON TABLE rizzpay.webhook_endpoints TO rizzpay_app;
GRANT SELECT,INSERT,UPDATE ON TABLE rizzpay.webhook_endpoints TO rizzpay_worker;
