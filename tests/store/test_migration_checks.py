"""Every migration has a proof, every proof holds, and every proof can fail."""

from pathlib import Path

import psycopg
import pytest

SQL = Path(__file__).parents[2] / "sql"
MIGRATIONS = sorted(path.stem for path in (SQL / "migrations").glob("*.sql"))

# What would break a promise of each migration, and the words in which its proof says so.
BREAKS = [
    (
        "0001_platform",
        "ALTER TABLE rizzpay.jobs NO FORCE ROW LEVEL SECURITY",
        "jobs is on and forced",
    ),
    (
        "0001_platform",
        "DROP POLICY tenant ON rizzpay.jobs; CREATE POLICY tenant ON rizzpay.jobs USING (true)",
        "jobs have one policy",
    ),
    ("0001_platform", "DROP INDEX rizzpay.data_keys_one_active", "data_keys_one_active"),
    ("0001_platform", "GRANT UPDATE ON rizzpay.data_keys TO rizzpay_app", "never writes"),
    ("0001_platform", "GRANT CREATE ON SCHEMA rizzpay TO rizzpay_app", "create in it"),
    (
        "0001_platform",
        (
            "CREATE OR REPLACE FUNCTION rizzpay.tenant_ids() RETURNS text[] LANGUAGE sql STABLE"
            " AS $$ SELECT ARRAY['mer_A', 'mer_B'] $$"
        ),
        "without settings",
    ),
    ("0002_merchants", "DROP INDEX rizzpay.api_keys_two_live", "api_keys_two_live"),
    (
        "0002_merchants",
        "ALTER TABLE rizzpay.merchants DISABLE ROW LEVEL SECURITY",
        "on and forced",
    ),
    ("0002_merchants", "GRANT UPDATE ON rizzpay.merchants TO rizzpay_app", "make or change"),
    ("0002_merchants", "GRANT UPDATE ON rizzpay.api_keys TO rizzpay_lookup", "only reads"),
    ("0003_audit", "ALTER TABLE rizzpay.audit_log DISABLE TRIGGER append_only", "every UPDATE"),
    ("0003_audit", "DROP TRIGGER append_only ON rizzpay.audit_chain", "every UPDATE"),
    ("0003_audit", "GRANT DELETE ON rizzpay.audit_log TO rizzpay_worker", "right to change"),
    (
        "0003_audit",
        "ALTER TABLE rizzpay.audit_chain DROP CONSTRAINT audit_chain_audit_id_key",
        "at most once",
    ),
    ("0003_audit", "DROP INDEX rizzpay.audit_log_sealing", "audit_log_sealing"),
    (
        "0004_ledger",
        "ALTER TABLE rizzpay.ledger_transfers DISABLE TRIGGER resolves_pending",
        "compares resolutions",
    ),
    (
        "0004_ledger",
        "ALTER TABLE rizzpay.ledger_transfers DROP CONSTRAINT ledger_transfers_amount_check",
        "amounts are positive",
    ),
    (
        "0004_ledger",
        (
            "DROP INDEX rizzpay.ledger_transfers_resolved_once;"
            "CREATE INDEX ledger_transfers_resolved_once ON rizzpay.ledger_transfers (pending_id)"
        ),
        "resolved at most once",
    ),
    (
        "0004_ledger",
        (
            "ALTER TABLE rizzpay.ledger_accounts NO FORCE ROW LEVEL SECURITY;"
            "INSERT INTO rizzpay.ledger_accounts"
            " (merchant_id, livemode, currency, name, debits_posted)"
            " VALUES ('mer_X', true, 'INR', 'fees', 1)"
        ),
        "debits equal credits",
    ),
    (
        "0005_payments",
        "ALTER TABLE rizzpay.payments DROP CONSTRAINT refunds_within_captured",
        "refunds within",
    ),
    ("0005_payments", "DROP TRIGGER legal_transition ON rizzpay.payments", "refuses moves"),
    ("0005_payments", "DROP POLICY tenant ON rizzpay.refunds", "one policy"),
    (
        "0005_payments",
        "ALTER TABLE rizzpay.payers ALTER email TYPE text USING NULL",
        "no text",
    ),
    ("0006_webhooks", "ALTER TABLE rizzpay.events DISABLE TRIGGER append_only", "of events"),
    (
        "0006_webhooks",
        "GRANT SELECT ON rizzpay.gateway_callbacks TO rizzpay_app",
        "cannot read",
    ),
    ("0006_webhooks", "DROP INDEX rizzpay.webhook_deliveries_once", "webhook_deliveries_once"),
    (
        "0007_payment_transitions",
        "INSERT INTO rizzpay.payment_transitions VALUES ('captured', 'failed')",
        "only as refunds",
    ),
    (
        "0007_payment_transitions",
        "INSERT INTO rizzpay.payment_transitions VALUES ('captured', 'lost')",
        "a state that a payment can have",
    ),
    ("0007_payment_transitions", "DELETE FROM rizzpay.payment_transitions", "there are moves"),
    ("0009_job_queues", "DROP INDEX rizzpay.jobs_due_by_kind", "found by an index"),
    ("0009_job_queues", "ALTER TABLE rizzpay.jobs SET (fillfactor = 100)", "finds room"),
    ("0010_partitions", "GRANT SELECT ON rizzpay.events_rest TO rizzpay_app", "past|itself"),
    (
        "0010_partitions",
        "ALTER TABLE rizzpay.events DETACH PARTITION rizzpay.events_rest",
        "both have a rest",
    ),
    ("0010_partitions", "DROP TRIGGER append_only ON rizzpay.events_rest", "every partition"),
    (
        "0010_partitions",
        "GRANT EXECUTE ON FUNCTION rizzpay.adopt_rest(text) TO rizzpay_app",
        "make and drop",
    ),
    ("0011_lists", "DROP INDEX rizzpay.events_by_type", "events_by_type"),
    (
        "0011_lists",
        (
            "DROP INDEX rizzpay.idempotency_claims_open;"
            "CREATE INDEX idempotency_claims_open ON rizzpay.idempotency_claims (object_id)"
        ),
        "only then",
    ),
    ("0010_partitions", "DROP POLICY tenant ON rizzpay.webhook_deliveries_rest", "the policy of"),
    (
        "0008_events_as_text",
        "ALTER TABLE rizzpay.events ALTER COLUMN data TYPE jsonb USING data::jsonb",
        "not json everywhere",
    ),
    (
        "0012_beginnings",
        "ALTER TYPE rizzpay.beginning ALTER ATTRIBUTE amount TYPE integer",
        "have their types",
    ),
    (
        "0012_beginnings",
        "ALTER TYPE rizzpay.beginning ALTER ATTRIBUTE event TYPE jsonb",
        "as the text",
    ),
    (
        "0013_legal_moves",
        "DELETE FROM rizzpay.payment_transitions WHERE from_status = 'failed'",
        "no others",
    ),
    (
        "0013_legal_moves",
        "INSERT INTO rizzpay.payment_transitions VALUES ('created', 'failed')",
        "no others",
    ),
    (
        "0013_legal_moves",
        "ALTER TABLE rizzpay.payments DISABLE TRIGGER legal_transition",
        "is looked up",
    ),
    (
        "0014_room_to_mark",
        "ALTER TABLE rizzpay.gateway_callbacks RESET (fillfactor)",
        "half of a page",
    ),
    (
        "0014_room_to_mark",
        "CREATE INDEX waiting ON rizzpay.gateway_callbacks (id) WHERE applied_at IS NULL",
        "what marking changes",
    ),
    ("0015_less_a_payment", "DROP INDEX rizzpay.payments_waiting", "by when they expire"),
    (
        "0015_less_a_payment",
        "ALTER TABLE rizzpay.ledger_transfers DISABLE TRIGGER resolves_pending",
        "one by one",
    ),
    (
        "0016_one_reference_one_payment",
        (
            "DROP INDEX rizzpay.payments_gateway_reference;"
            "CREATE INDEX payments_gateway_reference"
            " ON rizzpay.payments (gateway, gateway_reference) WHERE amount_authorized > 0"
        ),
        "one payment's only",
    ),
    (
        "0017_routing",
        "GRANT UPDATE ON rizzpay.gateway_breakers TO rizzpay_app",
        "moves no breaker",
    ),
    (
        "0017_routing",
        "GRANT INSERT ON rizzpay.gateway_downtimes TO rizzpay_app",
        "declares no downtime",
    ),
    (
        "0017_routing",
        "ALTER TABLE rizzpay.gateway_tallies DROP CONSTRAINT gateway_tallies_check",
        "more failures than calls",
    ),
    (
        "0017_routing",
        "ALTER TABLE rizzpay.api_keys DROP CONSTRAINT nobody_proposes_and_approves",
        "nobody approves",
    ),
    (
        "0017_routing",
        "GRANT UPDATE ON rizzpay.routing_rule_sets TO rizzpay_app",
        "does not change",
    ),
    (
        "0017_routing",
        "GRANT UPDATE ON rizzpay.routing_decisions TO rizzpay_worker",
        "stays as it was made",
    ),
    (
        "0017_routing",
        "ALTER TABLE rizzpay.routing_decisions NO FORCE ROW LEVEL SECURITY",
        "behind row-level security",
    ),
    (
        "0018_qr_codes",
        "ALTER TABLE rizzpay.qr_codes DROP CONSTRAINT single_use_is_used_once",
        "receives one payment",
    ),
    ("0018_qr_codes", "DROP TRIGGER only_forward ON rizzpay.qr_codes", "from opening again"),
    ("0018_qr_codes", "DROP POLICY tenant ON rizzpay.qr_code_payments", "one policy"),
    (
        "0018_qr_codes",
        "ALTER TABLE rizzpay.qr_code_payments DROP CONSTRAINT qr_code_payments_pkey",
        "one payment of a code",
    ),
    ("0018_qr_codes", "DROP INDEX rizzpay.qr_codes_ending", "an index of their own"),
    ("0018_qr_codes", "GRANT DELETE ON rizzpay.qr_codes TO rizzpay_app", "nobody deletes"),
]


def check(conn, name):
    conn.execute((SQL / "checks" / f"{name}.sql").read_text())


def test_every_migration_has_a_proof_and_names_it():
    assert MIGRATIONS
    assert sorted(path.stem for path in (SQL / "checks").glob("*.sql")) == MIGRATIONS
    for name in MIGRATIONS:
        text = (SQL / "migrations" / f"{name}.sql").read_text()
        assert f"-- proof: sql/checks/{name}.sql\n" in text


@pytest.mark.parametrize("name", MIGRATIONS)
def test_what_the_migration_promises_holds(worker, name):
    with worker.transaction() as conn:
        check(conn, name)


@pytest.mark.parametrize(("name", "harm", "words"), BREAKS)
def test_the_proof_sees_a_broken_promise(owner, name, harm, words):
    with owner.transaction() as conn:
        for statement in harm.split(";") if "$$" not in harm else [harm]:
            conn.execute(statement)
        with pytest.raises(psycopg.Error, match=words):
            check(conn, name)
        conn.rollback()


def test_every_proof_is_seen_to_fail():
    assert sorted({name for name, _, _ in BREAKS}) == MIGRATIONS
