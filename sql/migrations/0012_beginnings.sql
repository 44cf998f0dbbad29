-- 0012 beginnings
-- why:   a batch of new payments comes as one array of rows and is written by one statement
-- locks: none (a new type)
-- time:  at once
-- proof: sql/checks/0012_beginnings.sql

-- What a payment writes as it begins, in all tables together: one row a payment. Packed by
-- rizzpay/payments/beginnings, in this order. A column that the service needs more is a new type.
CREATE TYPE rizzpay.beginning AS (
    payment_id text, merchant_id text, livemode boolean, status text, amount bigint,
    currency text, capture_method text, method jsonb, reference text, description text,
    metadata jsonb, return_url text, payer_id text, gateway text, gateway_reference text,
    next_action jsonb, fee_basis_points integer, gst_basis_points integer,
    late_authorization text, expires_at timestamptz, version integer, created_at timestamptz,
    updated_at timestamptz,
    attempt_id text, attempt_status text, attempted_at timestamptz,
    key text, request_hash bytea, request_id text, response_status integer, response_body bytea,
    actor text, action text, detail jsonb,
    event_id text, event_type text, behind integer, event json,
    job_kind text, job_key text, run_at timestamptz
);
