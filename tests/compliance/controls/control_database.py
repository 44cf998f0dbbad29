"""Controls of PostgreSQL: what the server says of itself, and what a client meets."""

import pytest

from tests.compliance.asking import handshake, lines, nothing_is_said, told

SERVICE_ROLES = "('rizzpay_app', 'rizzpay_worker')"
# Rows that are history: added, never changed.
HISTORY = "('audit_log', 'audit_links', 'audit_checkpoints', 'transfers')"


def asked(host, query: str, database: str = "postgres") -> list[str]:
    """Return the rows of a query, asked as the superuser on the host itself."""
    command = "runuser -u postgres -- psql -XAtq --dbname %s --command %s"
    return lines(host, command, database, query)


def setting(host, name: str) -> str:
    """Return a setting of the running server."""
    return asked(host, f"SHOW {name}")[0]


def rules(host) -> list[list[str]]:
    """Return the rules of pg_hba as the server read them: type, databases, users, method."""
    query = (
        "SELECT type, array_to_string(user_name, ','), coalesce(auth_method, 'broken: ' || error)"
        " FROM pg_hba_file_rules"
    )
    return [line.split("|") for line in asked(host, query)]


def are(host, **wanted: str) -> None:
    """Fail when a setting of the server is not as wanted."""
    wrong = [name for name, value in wanted.items() if setting(host, name) != value]
    assert not wrong, f"not as it has to be: {', '.join(wrong)}"


@pytest.mark.control("RP-DB-001")
def test_the_server_speaks_tls(host):
    are(host, ssl="on", ssl_min_protocol_version="TLSv1.3")


@pytest.mark.control("RP-DB-002")
def test_older_tls_is_refused(host, host_name, site):
    address = f"{site.variables[host_name]['rizzpay_address']}:5432"
    assert handshake(host, address, "-starttls postgres -tls1_3"), "TLS 1.3 is refused"
    assert not handshake(host, address, "-starttls postgres -tls1_2"), "TLS 1.2 is accepted"


@pytest.mark.control("RP-DB-003")
def test_every_way_in_is_strong(host):
    wrong = []
    for kind, users, method in rules(host):
        weak = method not in {"scram-sha-256", "cert", "reject"}
        if (kind != "local" and (kind != "hostssl" or weak)) or (
            kind == "local" and method not in {"scram-sha-256", "peer"}
        ):
            wrong.append(f"{kind} {users} {method}")
    assert not wrong, f"weak: {', '.join(wrong)}"


@pytest.mark.control("RP-DB-004")
def test_the_superuser_stays_at_home(host):
    wrong = [
        f"{kind} {users}"
        for kind, users, method in rules(host)
        if kind != "local" and method != "reject" and {"postgres", "all"} & set(users.split(","))
    ]
    assert not wrong, f"may come over the network: {', '.join(wrong)}"


@pytest.mark.control("RP-DB-005")
def test_there_is_one_superuser(host):
    found = asked(host, "SELECT rolname FROM pg_roles WHERE rolsuper")
    assert found == ["postgres"], f"superusers: {', '.join(found)}"


@pytest.mark.control("RP-DB-006")
def test_row_security_binds_the_service(host):
    # The worker serves all merchants, and nobody can log in as the other: decision 0006.
    found = asked(
        host,
        "SELECT rolname FROM pg_roles WHERE rolbypassrls AND NOT rolsuper"
        " AND rolname <> 'rizzpay_worker' AND NOT (rolname = 'rizzpay_lookup' AND NOT rolcanlogin)",
    )
    assert not found, f"go around it: {', '.join(found)}"


@pytest.mark.control("RP-DB-007")
def test_tables_of_merchants_are_guarded(host):
    query = (
        "SELECT DISTINCT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE c.relnamespace = 'rizzpay'::regnamespace AND c.relkind IN ('r', 'p')"
        " AND NOT c.relispartition AND a.attname = 'merchant_id' AND NOT a.attisdropped"
        " AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid)"
        " AND NOT (c.relrowsecurity AND c.relforcerowsecurity)"
    )
    found = asked(host, query, "rizzpay")
    assert not found, f"not forced on: {', '.join(found)}"
    guarded = "SELECT count(*) FROM pg_class WHERE relforcerowsecurity"
    assert int(asked(host, guarded, "rizzpay")[0]) > 0, "no table forces row-level security"


@pytest.mark.control("RP-DB-008")
def test_history_is_only_added_to(host):
    query = (
        "SELECT grantee || ' may ' || privilege_type || ' ' || table_name"
        " FROM information_schema.role_table_grants WHERE table_schema = 'rizzpay'"
        f" AND table_name IN {HISTORY} AND grantee IN {SERVICE_ROLES}"
        " AND privilege_type IN ('DELETE', 'TRUNCATE')"
    )
    found = asked(host, query, "rizzpay")
    assert not found, f"grants: {', '.join(found)}"


@pytest.mark.control("RP-DB-009")
def test_passwords_are_scram(host):
    are(host, password_encryption="scram-sha-256")
    query = (
        "SELECT rolname FROM pg_authid"
        " WHERE rolpassword IS NOT NULL AND rolpassword NOT LIKE 'SCRAM-SHA-256$%'"
    )
    found = asked(host, query)
    assert not found, f"kept otherwise: {', '.join(found)}"


@pytest.mark.control("RP-DB-010")
def test_pages_carry_checksums(host):
    are(host, data_checksums="on")


@pytest.mark.control("RP-DB-011")
def test_acknowledged_is_on_the_disk(host):
    are(host, fsync="on", full_page_writes="on", synchronous_commit="on")


@pytest.mark.control("RP-DB-012")
def test_connections_are_logged(host):
    are(host, log_connections="on", log_disconnections="on")


@pytest.mark.control("RP-DB-013")
def test_statements_are_not_logged(host):
    are(host, log_statement="none", log_parameter_max_length_on_error="0")


@pytest.mark.control("RP-DB-014")
def test_files_of_the_database_are_closed(host):
    directory = setting(host, "data_directory")
    mode = told(host, "stat -c '%%U %%a' %s", directory).split()
    assert mode in (["postgres", "700"], ["postgres", "750"]), f"{directory}: {' '.join(mode)}"
    nothing_is_said(host, f"find {directory} -maxdepth 1 -perm /007 -print", "open to everybody")


@pytest.mark.control("RP-DB-015")
def test_the_public_schema_takes_nothing(host):
    query = "SELECT has_schema_privilege('rizzpay_app', 'public', 'CREATE')"
    assert asked(host, query, "rizzpay") == ["f"], "the service may create there"
