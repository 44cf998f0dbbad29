"""Every query prepares and is permitted; every row of a merchant is behind row-level security."""

import ast

import psycopg
import pytest

from rizzpay.infra.database import Role, conninfo
from tests.architecture import queries
from tests.architecture.queries import Query

# Tables with a merchant's rows whose security is off, not forced, or does not ask for both the
# merchant and the mode.
UNGUARDED = """
SELECT c.relname
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = 'rizzpay'
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'merchant_id' AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND NOT (
    c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (
        SELECT FROM pg_policy AS p
        WHERE p.polrelid = c.oid
          AND p.polroles = ARRAY[(SELECT oid FROM pg_roles WHERE rolname = 'rizzpay_app')]
          AND pg_get_expr(p.polqual, c.oid) ~ 'tenant_ids'
          AND (pg_get_expr(p.polqual, c.oid) ~ 'tenant_livemode' OR NOT EXISTS (
              SELECT FROM pg_attribute AS m
              WHERE m.attrelid = c.oid AND m.attname = 'livemode' AND NOT m.attisdropped))))
ORDER BY c.relname
"""
OWNED_BY_APPLICATION = """
SELECT c.relname FROM pg_class AS c JOIN pg_roles AS r ON r.oid = c.relowner
WHERE r.rolname IN ('rizzpay_app', 'rizzpay_worker')
UNION ALL
SELECT rolname FROM pg_roles
WHERE rolname = 'rizzpay_app' AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb)
"""
FORBIDDEN_GRANTS = """
SELECT table_name || ': ' || privilege_type || ' to ' || grantee
FROM information_schema.role_table_grants
WHERE table_schema = 'rizzpay' AND grantee IN ('PUBLIC', 'rizzpay_app', 'rizzpay_worker')
  AND (privilege_type IN ('TRUNCATE', 'TRIGGER', 'REFERENCES') OR grantee = 'PUBLIC')
"""

ENABLE = "ALTER TABLE rizzpay.leak ENABLE ROW LEVEL SECURITY"
FORCE = "ALTER TABLE rizzpay.leak FORCE ROW LEVEL SECURITY"
MERCHANT_ONLY = """
CREATE POLICY tenant ON rizzpay.leak TO rizzpay_app
    USING (merchant_id = ANY ((SELECT rizzpay.tenant_ids())::text[]))
"""


@pytest.fixture(scope="module")
def connections(postgres):
    """One connection of each role, on the migrated database."""
    opened = {
        role: psycopg.connect(conninfo(postgres, role), autocommit=True, prepare_threshold=None)
        for role in Role
    }
    yield opened
    for conn in opened.values():
        conn.close()


def explain(conn: psycopg.Connection, query: Query) -> str:
    """Prepare and plan a query, which also checks what the role may do; "" when all is well."""
    text, count = query.prepared
    arguments = f"({', '.join(['NULL'] * count)})" if count else ""
    try:
        conn.execute(f"PREPARE checked AS {text}".encode())
        conn.execute(f"EXPLAIN EXECUTE checked {arguments}".encode())
    except psycopg.Error as error:
        return f"{query.module}.{query.name}: {error}"
    finally:
        conn.execute("DEALLOCATE ALL")
    return ""


@pytest.mark.parametrize("query", queries.queries(), ids=lambda q: f"{q.module}.{q.name}")
def test_every_query_prepares_for_a_role_that_may_run_it(query, connections):
    installs = query.module == "rizzpay.infra.migrations"
    roles = (Role.OWNER,) if installs else (Role.APP, Role.WORKER)
    faults = [explain(connections[role], query) for role in roles]
    assert "" in faults, faults


@pytest.mark.parametrize(
    "text",
    [
        "SELECT no_such_column FROM rizzpay.payments",
        "SELECT id FROM rizzpay.payments WHERE id = %(id)s AND",
        "UPDATE rizzpay.payments SET amount = %(amount)s::text",
        "DELETE FROM rizzpay.payments WHERE id = %(id)s",  # not granted
    ],
)
def test_a_bad_query_does_not_prepare(text, connections):
    assert explain(connections[Role.APP], Query("bad", "BAD", text))


def test_a_parameter_without_a_name_is_refused():
    with pytest.raises(ValueError, match="without a name"):
        _ = Query("bad", "BAD", "SELECT id FROM rizzpay.payments WHERE id = %s").prepared


def test_queries_are_found_in_stores_and_in_infra():
    found = {(query.module, query.name) for query in queries.queries()}
    assert ("rizzpay.infra.jobs", "LEASE") in found
    assert any(module.endswith(".store") for module, _ in found)


def test_every_statement_is_a_constant():
    found = [
        f"{path}: {finding}"
        for path in queries.files()
        if str(path.relative_to(queries.ROOT)) not in queries.RUNS_FILES
        for finding in queries.loose_statements(ast.parse(path.read_text()))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "code", ['conn.execute("SELECT 1")', "conn.execute(query)", 'cursor.executemany(f"{A}", [])']
)
def test_a_loose_statement_would_be_found(code):
    assert list(queries.loose_statements(ast.parse(code)))


def test_every_row_of_a_merchant_is_behind_row_level_security(connections):
    assert connections[Role.OWNER].execute(UNGUARDED).fetchall() == []


@pytest.mark.parametrize("policy", ["", ENABLE, f"{ENABLE};{FORCE};{MERCHANT_ONLY}"])
def test_a_table_without_row_level_security_would_be_found(policy, connections):
    with connections[Role.OWNER].transaction(force_rollback=True) as transaction:
        conn = transaction.connection
        conn.execute("CREATE TABLE rizzpay.leak (merchant_id text, livemode boolean)")
        if policy:
            conn.execute(policy.encode())
        assert conn.execute(UNGUARDED).fetchall() == [("leak",)]


def test_the_application_owns_nothing_and_cannot_lift_its_limits(connections):
    assert connections[Role.OWNER].execute(OWNED_BY_APPLICATION).fetchall() == []
    assert connections[Role.OWNER].execute(FORBIDDEN_GRANTS).fetchall() == []


def test_a_grant_too_many_would_be_found(connections):
    with connections[Role.OWNER].transaction(force_rollback=True) as transaction:
        conn = transaction.connection
        conn.execute("GRANT TRUNCATE ON rizzpay.payments TO rizzpay_app")
        assert conn.execute(FORBIDDEN_GRANTS).fetchall()
