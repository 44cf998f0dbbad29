-- 0010 partitions
-- why:   events and their deliveries grow for ever and have a retention: monthly partitions, made
--        ahead and dropped whole, instead of a DELETE that leaves bloat (see docs/decisions)
-- locks: ACCESS EXCLUSIVE on events and webhook_deliveries, SHARE ROW EXCLUSIVE on
--        webhook_endpoints, until commit; no row is moved
-- time:  milliseconds, and the primary key of webhook_deliveries anew: 1 s a million rows
-- proof: sql/checks/0010_partitions.sql

-- The range is over an event's id, which begins with its time (a ULID), so the primary key stays.
-- A delivery lies in the month of its event and goes with it: it can be unique by (endpoint, event)
-- and needs no foreign key to what cannot be deleted on its own.
CREATE FUNCTION rizzpay.ulid_floor(at timestamptz) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
        SELECT string_agg(
            substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ',
                   ((floor(extract(epoch FROM at) * 1000)::bigint >> (5 * (9 - i))) & 31)::integer
                   + 1, 1), '' ORDER BY i)
        FROM generate_series(0, 9) AS i
    $$;

CREATE FUNCTION rizzpay.ulid_time(floor text) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
        SELECT to_timestamp(sum(
            (strpos('0123456789ABCDEFGHJKMNPQRSTVWXYZ', substr(floor, i + 1, 1)) - 1)::bigint
            << (5 * (9 - i))) / 1000.0)
        FROM generate_series(0, 9) AS i
    $$;

-- What catches a row that has no month is called rest. It begins as what there was before.
ALTER TABLE rizzpay.webhook_deliveries DROP CONSTRAINT webhook_deliveries_event_id_fkey;
ALTER TABLE rizzpay.events RENAME TO events_rest;
ALTER TABLE rizzpay.events_rest RENAME CONSTRAINT events_pkey TO events_rest_pkey;
ALTER TABLE rizzpay.events_rest RENAME CONSTRAINT events_merchant_id_livemode_sequence_key
    TO events_rest_merchant_id_livemode_sequence_key;
ALTER INDEX rizzpay.events_object RENAME TO events_rest_object_id_idx;
ALTER TABLE rizzpay.webhook_deliveries RENAME TO webhook_deliveries_rest;
ALTER TABLE rizzpay.webhook_deliveries_rest DROP CONSTRAINT webhook_deliveries_pkey;
ALTER TABLE rizzpay.webhook_deliveries_rest ADD PRIMARY KEY (id, event_id);
ALTER INDEX rizzpay.webhook_deliveries_once RENAME TO webhook_deliveries_rest_once;
ALTER INDEX rizzpay.webhook_deliveries_list RENAME TO webhook_deliveries_rest_list;
ALTER INDEX rizzpay.webhook_deliveries_event RENAME TO webhook_deliveries_rest_event;

CREATE TABLE rizzpay.events (
    LIKE rizzpay.events_rest INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX events_object ON rizzpay.events (object_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON rizzpay.events
    FOR EACH STATEMENT EXECUTE FUNCTION rizzpay.refuse_change();

CREATE TABLE rizzpay.webhook_deliveries (
    LIKE rizzpay.webhook_deliveries_rest INCLUDING DEFAULTS INCLUDING CONSTRAINTS
        INCLUDING STORAGE,
    PRIMARY KEY (id, event_id),
    FOREIGN KEY (endpoint_id) REFERENCES rizzpay.webhook_endpoints (id)
) PARTITION BY RANGE (event_id);
CREATE UNIQUE INDEX webhook_deliveries_once ON rizzpay.webhook_deliveries (endpoint_id, event_id)
    WHERE origin = 'event';
CREATE INDEX webhook_deliveries_list
    ON rizzpay.webhook_deliveries (endpoint_id, created_at DESC, id DESC);
CREATE INDEX webhook_deliveries_event ON rizzpay.webhook_deliveries (event_id);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['events', 'webhook_deliveries'] LOOP
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
        -- Rows are reached through the parent only, where the policies of the parent hold.
        EXECUTE format('REVOKE ALL ON rizzpay.%I FROM rizzpay_app, rizzpay_worker',
                       name || '_rest');
        -- The functions below run as the owner and look whether it holds anything.
        EXECUTE format('CREATE POLICY keeping ON rizzpay.%I FOR SELECT TO rizzpay_owner '
                       'USING (true)', name || '_rest');
        EXECUTE format('ALTER TABLE rizzpay.%I ATTACH PARTITION rizzpay.%I DEFAULT',
                       name, name || '_rest');
    END LOOP;
END $$;
GRANT UPDATE ON rizzpay.webhook_deliveries TO rizzpay_app, rizzpay_worker;

-- Bounds are the time parts of two ids, from included, to excluded; a rest has none.
CREATE VIEW rizzpay.partitions AS
SELECT p.relname::text AS parent,
       c.relname::text AS name,
       b.bound = 'DEFAULT' AS is_rest,
       (regexp_match(b.bound, 'FROM \(''evt_([0-9A-Z]{10})''\)'))[1] AS from_ulid,
       (regexp_match(b.bound, 'TO \(''evt_([0-9A-Z]{10})''\)'))[1] AS to_ulid,
       pg_relation_size(c.oid) AS heap_bytes,
       pg_total_relation_size(c.oid) AS total_bytes,
       greatest(c.reltuples, 0)::bigint AS rows_estimated
FROM pg_inherits AS i
JOIN pg_class AS c ON c.oid = i.inhrelid
JOIN pg_class AS p ON p.oid = i.inhparent AND p.relkind = 'p'
JOIN pg_namespace AS n ON n.oid = p.relnamespace AND n.nspname = 'rizzpay'
CROSS JOIN LATERAL (SELECT pg_get_expr(c.relpartbound, c.oid)) AS b (bound);
GRANT SELECT ON rizzpay.partitions TO rizzpay_worker;

-- Its own walls, for a partition does not inherit the parent's. One number of a merchant cannot be
-- unique over all months; the locked row of event_counters sees to it, and this index in a month.
CREATE FUNCTION rizzpay.guard_partition(parent text, name text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
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

CREATE FUNCTION rizzpay.check_partitioned(parent text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
    BEGIN
        IF parent IS NULL OR parent NOT IN ('events', 'webhook_deliveries') THEN
            RAISE EXCEPTION 'the partitions of % are not kept', parent
                USING ERRCODE = 'invalid_parameter_value';
        END IF;
    END $$;

-- False when the month has a partition. Attaching locks the rest, for a moment, and nothing else
-- that a payment needs; a lock that is not free at once is tried for at the next turn.
CREATE FUNCTION rizzpay.add_partition(parent text, month date) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET lock_timeout = '250ms' SET timezone = 'UTC'
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

-- Turns a rest that holds rows into a partition up to the month after its last one, in place, and
-- makes a new rest; null when it is empty. Locks the table while it reads the rest once.
CREATE FUNCTION rizzpay.adopt_rest(parent text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET lock_timeout = '250ms' SET timezone = 'UTC'
    AS $$
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
    END $$;

-- Drops the oldest partition that ends before a moment, and returns its name; null when there is
-- none. Ninety days is the least: for so long a merchant may have an event sent again.
CREATE FUNCTION rizzpay.drop_partition(parent text, before timestamptz) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET lock_timeout = '250ms' SET timezone = 'UTC'
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

REVOKE ALL ON FUNCTION rizzpay.guard_partition(text, text), rizzpay.check_partitioned(text),
    rizzpay.add_partition(text, date), rizzpay.adopt_rest(text),
    rizzpay.drop_partition(text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION rizzpay.add_partition(text, date), rizzpay.adopt_rest(text),
    rizzpay.drop_partition(text, timestamptz) TO rizzpay_worker;

-- Callbacks stay in one table, because a gateway's event id must be unique for ever, not in a
-- month; the worker deletes old ones in small sets.
GRANT DELETE ON rizzpay.gateway_callbacks TO rizzpay_worker;
