-- Roles of the database cluster: applied once by a superuser, before the first migration.
-- why:   the API logs in as a role that owns nothing and cannot bypass row-level security;
--        only rizzpay_lookup sees all merchants, and only inside one function (0002).
-- Passwords are set by the installer; they are not part of this file. Safe to run again.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rizzpay_owner') THEN
        CREATE ROLE rizzpay_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rizzpay_app') THEN
        CREATE ROLE rizzpay_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rizzpay_worker') THEN
        CREATE ROLE rizzpay_worker LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE BYPASSRLS;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rizzpay_lookup') THEN
        CREATE ROLE rizzpay_lookup NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE BYPASSRLS;
    END IF;
END
$$;
-- The owner creates the look-up function and hands it to rizzpay_lookup.
GRANT rizzpay_lookup TO rizzpay_owner;
ALTER ROLE rizzpay_app SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE rizzpay_worker SET idle_in_transaction_session_timeout = '60s';
