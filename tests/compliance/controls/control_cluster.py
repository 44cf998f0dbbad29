"""Controls of what keeps the cluster together: Patroni, etcd, Valkey."""

import json

import pytest

from tests.compliance.asking import (
    curl,
    handshake,
    in_container,
    lines,
    nothing_is_said,
    settings,
    told,
)
from tests.compliance.plugin import not_applicable

PATRONI = "/etc/patroni/config.yml"
PKI = "/etc/rizzpay/pki"
CTL = f"runuser -u postgres -- patronictl --config-file {PATRONI}"


def address_of(site, name: str) -> str:
    """Return the address at which the others reach a host."""
    return str(site.variables[name]["rizzpay_address"])


def closed(host, pattern: str, owner: str) -> None:
    """Fail when a file of the pattern may be read by others than its owner's group."""
    found = lines(host, f"stat -c '%n %U %a' {pattern}")
    for line in found:
        name, user, mode = line.split()
        assert user in {owner, "root"}, f"{name} belongs to {user}"
        assert int(mode, 8) & 0o007 == 0, f"{name} has mode {mode}"


def several(site) -> None:
    """End the control where the inventory has one database host."""
    if len(site.names("databases")) == 1:
        not_applicable("the inventory has one database host: nothing to be in step with")


def cache(host, address: str, port: int, words: str) -> str:
    """Return what Valkey or Sentinel answers to somebody without a password."""
    command = f"timeout 5 valkey-cli --tls --cacert {PKI}/ca.crt -h {address} -p {port} {words}"
    return host.run(command).stdout.strip()


@pytest.mark.control("RP-HA-001")
def test_payments_are_on_two_machines(host, site):
    several(site)
    shown = told(host, f"{CTL} show-config")
    missing = [
        name
        for name in ("synchronous_mode: true", "synchronous_mode_strict: true")
        if name not in shown
    ]
    assert not missing, f"not set: {', '.join(missing)}"


@pytest.mark.control("RP-HA-002")
def test_the_cluster_is_whole_now(host, site):
    several(site)
    members = json.loads(told(host, f"{CTL} list --format json"))
    roles = [member["Role"].lower() for member in members]
    assert roles.count("leader") == 1, f"roles: {', '.join(roles)}"
    assert any("sync" in role or "quorum" in role for role in roles), "no synchronous standby"
    stopped = [one["Member"] for one in members if one["State"] not in {"running", "streaming"}]
    assert not stopped, f"not running: {', '.join(stopped)}"


@pytest.mark.control("RP-HA-003")
def test_only_members_command_patroni(host, host_name, site):
    text = told(host, f"sed -E 's/(password: ).*/\\1x/' {PATRONI}")
    for word in ("certfile:", "verify_client:", "allowlist:"):
        assert word in text, f"the REST API has no {word}"
    url = f"https://{address_of(site, host_name)}:8008/restart"
    answer = told(
        host,
        f"curl --silent --output /dev/null --write-out '%{{http_code}}' --cacert {PKI}/ca.crt"
        f' --request POST --data \'{{"schedule": "2099-01-01T00:00+00:00"}}\' {url} || true',
    )
    assert answer in {"401", "403", "000"}, f"a restart without a certificate was answered {answer}"


@pytest.mark.control("RP-HA-004")
def test_settings_of_patroni_are_closed(host):
    closed(host, PATRONI, "postgres")


@pytest.mark.control("RP-HA-005")
def test_a_hanging_primary_is_reset(host):
    if in_container(host):
        not_applicable("a container has no watchdog")
    text = told(host, f"grep -A 1 '^watchdog:' {PATRONI}")
    assert "required" in text, "the watchdog is not required"
    told(host, "test -c /dev/watchdog")


@pytest.mark.control("RP-HA-006")
def test_etcd_opens_to_certificates(host):
    found = settings(told(host, "cat /etc/default/etcd"))
    for name in ("etcd_client_cert_auth", "etcd_peer_client_cert_auth"):
        assert found.get(name, "").strip('"') == "true", f"{name} is {found.get(name)}"
    for name in ("etcd_listen_client_urls", "etcd_listen_peer_urls"):
        assert "http://" not in found.get(name, "http://"), f"{name} is in the clear"


@pytest.mark.control("RP-HA-007")
def test_etcd_hangs_up_without_a_certificate(host, host_name, site):
    url = f"https://{address_of(site, host_name)}:2379/version"
    bare = curl(host, f"--silent --max-time 5 --cacert {PKI}/ca.crt {url}")
    assert bare.failed, f"it answered {bare.stdout[:100]}"
    with_one = f"--cert {PKI}/host.crt --key {PKI}/host.key"
    told(host, f"curl --silent --max-time 5 --cacert {PKI}/ca.crt {with_one} {url}")


@pytest.mark.control("RP-HA-008")
def test_the_data_of_etcd_is_closed(host):
    closed(host, "/var/lib/etcd", "etcd")


@pytest.mark.control("RP-KV-001")
def test_valkey_speaks_tls_alone(host, host_name, site):
    clear = host.run(f"timeout 5 valkey-cli -h {address_of(site, host_name)} -p 6379 PING")
    assert "PONG" not in clear.stdout, "it answers in the clear"
    address = f"{address_of(site, host_name)}:6379"
    assert handshake(host, address, "-tls1_3"), "TLS 1.3 is refused"
    assert not handshake(host, address, "-tls1_2"), "TLS 1.2 is accepted"


@pytest.mark.control("RP-KV-002")
def test_valkey_answers_nobody_without_a_password(host, host_name, site):
    for port in (6379, 26379):
        answer = cache(host, address_of(site, host_name), port, "INFO server")
        assert "NOAUTH" in answer or "NOPERM" in answer, f"{port} answers {answer[:60]}"


@pytest.mark.control("RP-KV-003")
def test_the_service_runs_no_dangerous_command(host):
    text = told(host, "grep -hE '^user rizzpay ' /etc/valkey/valkey.conf")
    assert "-@all" in text, "it may do everything"
    assert "-@dangerous" in text, "it may run dangerous commands"


@pytest.mark.control("RP-KV-004")
def test_settings_of_valkey_are_closed(host):
    closed(host, "/etc/valkey/*.conf", "valkey")


@pytest.mark.control("RP-KV-005")
def test_valkey_runs_as_itself(host):
    nothing_is_said(
        host,
        "ps --no-headers -C valkey-server -o user:32= | sort -u | grep -vx valkey || true",
        "runs as",
    )
    told(host, "pidof valkey-server")
