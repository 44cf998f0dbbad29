"""Controls of the network: firewall, open ports, kernel settings, ways out."""

import ipaddress
import json

import pytest

from tests.compliance.asking import kernel, lines, nothing_is_said, told

# What the appliance opens on an address that others reach; role firewall says to whom.
PORTS = {
    "all": {22, 9100, 123, 323},
    "loadbalancers": {443, 8404},
    "apis": {8443, 8404, 8405},
    "databases": {5432, 8008, 2379, 2380, 6379, 26379, 9187, 8432},
    "monitoring": {9090, 9093, 9094, 3000, 6514},
    "backup": {8432, 6514},
}


def chain(host, hook: str) -> dict:
    """Return the base chain of the filter at a hook; the control fails when there is none."""
    found = json.loads(told(host, "nft --json list ruleset"))["nftables"]
    chains = [
        entry["chain"]
        for entry in found
        if entry.get("chain", {}).get("hook") == hook and entry["chain"].get("type") == "filter"
    ]
    assert chains, f"no chain filters {hook}"
    return next((one for one in chains if one.get("policy") == "drop"), chains[0])


@pytest.mark.control("RP-NET-001")
def test_the_firewall_comes_up_with_the_host(host):
    state = host.run("systemctl is-enabled nftables.service").stdout.strip()
    assert state == "enabled", f"nftables.service is {state}"
    assert "hook input" in told(host, "nft list ruleset"), "no rules are loaded"


@pytest.mark.control("RP-NET-002")
def test_nothing_unnamed_comes_in(host):
    policy = chain(host, "input").get("policy")
    assert policy == "drop", f"the policy of input is {policy}"


@pytest.mark.control("RP-NET-003")
def test_nothing_unnamed_goes_out(host):
    policy = chain(host, "output").get("policy")
    assert policy == "drop", f"the policy of output is {policy}"


@pytest.mark.control("RP-NET-004")
def test_no_packets_are_passed_on(host):
    policy = chain(host, "forward").get("policy")
    assert policy == "drop", f"the policy of forward is {policy}"
    forwarding = kernel(host, "net.ipv4.ip_forward")
    assert forwarding == 0, f"net.ipv4.ip_forward is {forwarding}"


@pytest.mark.control("RP-NET-005")
def test_the_rules_that_run_are_those_written(host):
    # The file is loaded into an empty network of its own and printed: two texts to compare.
    listed = "nft --stateless list table inet rizzpay"
    running = told(host, listed)
    fresh = told(host, f"unshare --net sh -c 'nft -f /etc/nftables.conf && {listed}'")
    missing = set(fresh.splitlines()) ^ set(running.splitlines())
    assert not missing, f"not the same: {'; '.join(sorted(missing)[:5])}"
    tables = lines(host, "nft list tables")
    assert tables == ["table inet rizzpay"], f"there are other tables: {', '.join(tables)}"


@pytest.mark.control("RP-NET-006")
def test_only_root_changes_the_rules(host):
    nothing_is_said(
        host,
        "find /etc/nftables.conf \\( ! -user root -o ! -group root -o -perm /022 \\) -print",
        "others may change it",
    )


@pytest.mark.control("RP-NET-007")
def test_every_open_port_is_meant(host, host_name, site):
    allowed = set().union(*(PORTS.get(group, set()) for group in site.groups[host_name]))
    unexpected = []
    for line in lines(host, "ss --no-header --listening --numeric --tcp --udp --processes"):
        fields = line.split()
        address, _, port = fields[4].rpartition(":")
        plain = address.strip("[]").partition("%")[0]
        local = plain != "*" and ipaddress.ip_address(plain).is_loopback
        if not local and int(port) not in allowed:
            unexpected.append(f"{fields[4]} {fields[-1]}")
    assert not unexpected, f"not expected: {', '.join(unexpected[:10])}"


@pytest.mark.control("RP-NET-008")
def test_each_way_out_names_its_end(host):
    found = json.loads(told(host, "nft --json list ruleset"))["nftables"]
    anywhere = []
    for entry in found:
        rule = entry.get("rule", {})
        if rule.get("chain") == "output" and {"accept": None} in rule.get("expr", []):
            text = json.dumps(rule["expr"])
            bounded = '"daddr"' in text or '"oif"' in text or '"oifname"' in text
            quiet = '"established"' in text or "icmp" in text
            if not (bounded or quiet) or '"len": 0' in text:
                anywhere.append(rule.get("comment", text[:80]))
    assert not anywhere, f"lead anywhere: {', '.join(anywhere)}"
    assert chain(host, "output").get("policy") == "drop", "what is not named may leave"


@pytest.mark.control("RP-NET-009")
def test_false_senders_are_dropped(host):
    found = kernel(host, "net.ipv4.conf.all.rp_filter")
    assert found == 1, f"net.ipv4.conf.all.rp_filter is {found}"


@pytest.mark.control("RP-NET-010")
def test_nobody_redirects_the_traffic(host):
    names = ("accept_redirects", "send_redirects", "accept_source_route", "secure_redirects")
    found = {name: kernel(host, f"net.ipv4.conf.all.{name}") for name in names}
    on = [name for name, value in found.items() if value != 0]
    assert not on, f"on: {', '.join(on)}"


@pytest.mark.control("RP-NET-011")
def test_half_open_connections_do_no_harm(host):
    found = kernel(host, "net.ipv4.tcp_syncookies")
    assert found == 1, f"net.ipv4.tcp_syncookies is {found}"


@pytest.mark.control("RP-NET-012")
def test_replicas_are_hosts_of_the_inventory(host, site):
    command = "psql -XAtc 'SELECT DISTINCT client_addr FROM pg_stat_replication'"
    found = set(lines(host, f"runuser -u postgres -- {command}"))
    strangers = found - site.addresses() - {"127.0.0.1"}
    assert not strangers, f"not of the inventory: {', '.join(sorted(strangers))}"
