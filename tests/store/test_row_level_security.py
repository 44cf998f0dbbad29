"""A merchant's settings show and change that merchant's rows only: every table, found by itself.

A table with a column `merchant_id` is here without being named. Its sample row is made out of the
catalog; a column with a CHECK of its own needs a line in `VALUES`.
"""

from datetime import UTC, datetime
from graphlib import TopologicalSorter

import psycopg
import pytest

from rizzpay.core.tenant import Tenant
from rizzpay.ledger import service as ledger
from rizzpay.ledger.model import FEES, GST, Phase, Transfer
from tests.store.people import new_tenant

FAR = datetime(9999, 1, 1, tzinfo=UTC)  # nobody works on these rows meanwhile

# A value for columns of this name, or of this table and name.
VALUES = {
    "amount": 1,
    "capture_method": "manual",
    "currency": "INR",
    "kind": "authorize",
    "late_authorization": "capture",
    "mcc": "5411",
    "origin": "api",
    "reason": "conflicted",
    "requests_per_minute": 100,
    "run_at": FAR,
    "sequence": 1,
    "slot": 1,
    "status": "created",
    "jobs.kind": "test.nothing",
    "qr_codes.type": "upi_qr",
    "qr_codes.usage": "multiple_use",
    "webhook_deliveries.origin": "event",
    "webhook_deliveries.status": "pending",
}
BY_TYPE = {
    "bigint": 1,
    "integer": 1,
    "smallint": 1,
    "boolean": False,
    "bytea": b"\1" * 32,
    "json": "{}",
    "jsonb": "{}",
    "timestamp with time zone": FAR,
    "ARRAY": [],
}
BY_SERVICE = {"ledger_accounts", "ledger_transfers"}  # a row alone would be an imbalance

TABLES = """
SELECT c.table_name
FROM information_schema.columns AS c JOIN information_schema.tables AS t
  USING (table_schema, table_name)
WHERE c.table_schema = 'rizzpay' AND c.column_name = 'merchant_id' AND t.table_type = 'BASE TABLE'
ORDER BY c.table_name
"""
REFERENCES = """
SELECT child.relname, parent.relname
FROM pg_constraint AS c
JOIN pg_class AS child ON child.oid = c.conrelid
JOIN pg_class AS parent ON parent.oid = c.confrelid
WHERE c.contype = 'f' AND c.connamespace = 'rizzpay'::regnamespace
"""
COLUMNS = """
SELECT column_name, data_type
FROM information_schema.columns
WHERE table_schema = 'rizzpay' AND table_name = %s AND is_identity = 'NO'
  AND (is_nullable = 'NO' AND column_default IS NULL
       OR column_name IN ('merchant_id', 'livemode', 'run_at'))
"""


def rows_of(conn, sql, *parameters):
    return conn.execute(sql, parameters).fetchall()


def tables(worker):
    """Return every table of merchants' rows, referenced ones first, and `merchants` itself."""
    with worker.transaction() as conn:
        found = {name for (name,) in rows_of(conn, TABLES)} | {"merchants"}
        graph = TopologicalSorter({name: set() for name in found})
        for child, parent in rows_of(conn, REFERENCES):
            if {child, parent} <= found and child != parent:
                graph.add(child, parent)
    return list(graph.static_order())


def value(table, column, kind, tenant):
    """Return a value; texts are all the same, so that foreign keys meet their rows."""
    own = {"merchant_id": tenant.merchant_id, "livemode": tenant.livemode}
    if table == "merchants":
        own["id"] = tenant.merchant_id
    for known in (own, VALUES):
        for name in (f"{table}.{column}", column):
            if name in known:
                return known[name]
    return BY_TYPE.get(kind, f"x_{tenant.merchant_id}_{tenant.livemode}")


def add_row(conn, table, tenant):
    columns = rows_of(conn, COLUMNS, table)
    names = ", ".join(name for name, _ in columns)
    places = ", ".join(["%s"] * len(columns))
    conn.execute(
        f"INSERT INTO rizzpay.{table} ({names}) VALUES ({places}) ON CONFLICT DO NOTHING",
        [value(table, name, kind, tenant) for name, kind in columns],
    )


def fill(worker, tenant):
    """Give a merchant one row in every table."""
    order = tables(worker)
    with worker.transaction() as conn:
        conn.execute(
            "INSERT INTO rizzpay.data_keys"
            " (id, purpose, kek_label, mechanism, wrapped, status, created_at)"
            " VALUES (%s, 'api_pepper', 'none', 'none', '', 'retired', now())",
            (value("data_keys", "id", "text", tenant),),
        )
        for table in order:
            if table not in BY_SERVICE:
                add_row(conn, table, tenant)
        moved = Transfer(
            value("ledger_transfers", "id", "text", tenant),
            tenant,
            "INR",
            FEES,
            GST,
            1,
            Phase.POSTED,
            "test",
            FAR,
        )
        ledger.record(conn, [moved])


def owned(table, tenant):
    """Return the condition that names a merchant's rows."""
    if table == "merchants":
        return "id = %s", [tenant.merchant_id]
    return "merchant_id = %s AND livemode = %s", [tenant.merchant_id, tenant.livemode]


def sees(database, settings, table, tenant):
    """Tell whether rows of `tenant` are visible under the settings of others."""
    condition, parameters = owned(table, tenant)
    with database.transaction(*settings) as conn:
        ((found,),) = rows_of(
            conn, f"SELECT count(*) > 0 FROM rizzpay.{table} WHERE {condition}", *parameters
        )
    return found


@pytest.fixture(scope="module")
def ours(worker):
    tenant = new_tenant()
    fill(worker, tenant)
    return tenant


@pytest.fixture(scope="module")
def theirs(worker):
    tenant = new_tenant()
    fill(worker, tenant)
    return tenant


@pytest.fixture(scope="module")
def live(worker, ours):
    tenant = Tenant(ours.merchant_id, livemode=True)
    fill(worker, tenant)
    return tenant


def test_every_table_of_merchants_rows_is_under_test(worker):
    assert {"payments", "refunds", "ledger_transfers", "jobs", "events"} <= set(tables(worker))


def test_row_level_security_is_on_and_forced_on_every_table(worker):
    with worker.transaction() as conn:
        for table in tables(worker):
            ((enabled, forced),) = rows_of(
                conn,
                "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = %s::regclass",
                f"rizzpay.{table}",
            )
            assert (table, enabled, forced) == (table, True, True)


def test_the_wall_is_not_taken_for_a_way_to_find_rows(worker):
    """An index on merchant_id must not fit the policy: see sql/migrations/0001_platform.sql."""
    with worker.transaction() as conn:
        for table in set(tables(worker)) - {"merchants"}:
            conditions = rows_of(
                conn,
                "SELECT pg_get_expr(polqual, polrelid) FROM pg_policy"
                " WHERE polrelid = %s::regclass",
                f"rizzpay.{table}",
            )
            found = [condition.startswith("(((merchant_id || ''") for (condition,) in conditions]
            assert (table, found) == (table, [True])


def test_the_roles_of_the_service_own_nothing_and_only_the_worker_sees_all(worker):
    with worker.transaction() as conn:
        owners = rows_of(
            conn, "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'rizzpay'"
        )
        roles = dict(
            rows_of(conn, "SELECT rolname, rolbypassrls FROM pg_roles WHERE rolname ~ '^rizzpay_'")
        )
        powers = rows_of(
            conn,
            "SELECT rolname FROM pg_roles WHERE rolname ~ '^rizzpay_'"
            " AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication)",
        )
        members = rows_of(
            conn,
            "SELECT r.rolname FROM pg_auth_members AS m JOIN pg_roles AS r ON r.oid = m.member"
            " WHERE r.rolname IN ('rizzpay_app', 'rizzpay_worker')",
        )
    assert owners == [("rizzpay_owner",)]
    assert roles == {
        "rizzpay_app": False,
        "rizzpay_owner": False,
        "rizzpay_lookup": True,
        "rizzpay_worker": True,
    }
    assert (powers, members) == ([], [])


def test_a_merchant_sees_its_own_rows_in_its_own_mode(worker, app, ours, live):
    for table in tables(worker):
        assert (table, sees(app, [ours], table, ours)) == (table, True)
        assert (table, sees(app, [live], table, live)) == (table, True)


def test_rows_of_another_merchant_are_invisible(worker, app, ours, theirs):
    for table in tables(worker):
        assert (table, sees(worker, [], table, theirs)) == (table, True)
        assert (table, sees(app, [ours], table, theirs)) == (table, False)


def test_rows_of_the_other_mode_are_invisible(worker, app, ours, live):
    for table in set(tables(worker)) - {"merchants"}:
        assert (table, sees(app, [ours], table, live)) == (table, False)
        assert (table, sees(app, [live], table, ours)) == (table, False)


def test_without_settings_nothing_is_visible(worker, app, ours):
    for table in tables(worker):
        assert (table, sees(app, [], table, ours)) == (table, False)


def test_a_group_commit_sees_its_merchants_and_no_third(worker, app, ours, theirs):
    third = new_tenant()
    fill(worker, third)
    for table in tables(worker):
        seen = [sees(app, [ours, theirs], table, one) for one in (ours, theirs, third)]
        assert (table, seen) == (table, [True, True, False])


def test_a_filter_that_lets_everything_through_still_shows_only_ones_own(worker, app, ours):
    for table in set(tables(worker)) - {"merchants"}:
        with app.transaction(ours) as conn:
            seen = rows_of(
                conn, f"SELECT DISTINCT merchant_id FROM rizzpay.{table} WHERE 'a' = 'a' OR true"
            )
        assert (table, seen) == (table, [(ours.merchant_id,)])


def test_rows_of_another_merchant_cannot_be_added(worker, app, ours, theirs):
    for table in set(tables(worker)) - {"merchants"}:
        for foreign in (theirs, Tenant(ours.merchant_id, livemode=True)):
            refused = pytest.raises(
                psycopg.errors.InsufficientPrivilege, match="row-level security"
            )
            with refused, app.transaction(ours) as conn:
                conn.execute(
                    f"INSERT INTO rizzpay.{table} (merchant_id, livemode) VALUES (%s, %s)",
                    (foreign.merchant_id, foreign.livemode),
                )


def test_rows_of_another_merchant_cannot_be_changed_or_removed(worker, app, ours, theirs):
    for table in set(tables(worker)) - {"merchants"}:
        condition, parameters = owned(table, theirs)
        for statement in (
            f"UPDATE rizzpay.{table} SET livemode = livemode WHERE {condition}",
            f"DELETE FROM rizzpay.{table} WHERE {condition}",
        ):
            try:
                with app.transaction(ours) as conn:
                    changed = conn.execute(statement, parameters).rowcount
            except (psycopg.errors.InsufficientPrivilege, psycopg.errors.IntegrityError):
                changed = 0
            assert (statement, changed) == (statement, 0)
        assert (table, sees(worker, [], table, theirs)) == (table, True)


def test_a_row_cannot_be_given_away(worker, app, ours, theirs):
    for table in set(tables(worker)) - {"merchants"}:
        with pytest.raises(psycopg.Error) as caught, app.transaction(ours) as conn:
            conn.execute(
                f"UPDATE rizzpay.{table} SET merchant_id = %s WHERE merchant_id = %s",
                (theirs.merchant_id, ours.merchant_id),
            )
        allowed = (psycopg.errors.InsufficientPrivilege, psycopg.errors.IntegrityError)
        assert (table, isinstance(caught.value, allowed)) == (table, True)


def test_the_api_may_not_touch_what_belongs_to_no_merchant(app, ours):
    for statement in (
        "SELECT position FROM rizzpay.audit_chain",
        "SELECT position FROM rizzpay.audit_checkpoints",
        "SELECT body FROM rizzpay.gateway_callbacks",
        "UPDATE rizzpay.data_keys SET status = 'retired'",
        "UPDATE rizzpay.merchants SET fee_basis_points = 0",
        "CREATE TABLE rizzpay.mine (id text)",
        "SET ROLE rizzpay_worker",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), app.transaction(ours) as conn:
            conn.execute(statement)
