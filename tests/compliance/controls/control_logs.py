"""Controls of logs: kept, shipped, closed, whole; and of those that watch them."""

import json
import re
import secrets
import time
from datetime import datetime, timedelta

import pytest

from rizzpay.core import sensitive
from tests.compliance.asking import (
    in_container,
    lines,
    nothing_is_said,
    rizzpay,
    settings,
    told,
)
from tests.compliance.plugin import not_applicable

YEAR_S = timedelta(days=365).total_seconds()
ARRIVES_S = 60
CHECKPOINT_S = 600
# Numbers of 13 to 19 digits, in the groups in which cards are written, for grep.
CARDS = (
    "(^|[^0-9a-zA-Z.])[2-68][0-9]{3}[ -]?"
    "([0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{1,7}|[0-9]{6}[ -]?[0-9]{4,5})($|[^0-9a-zA-Z.]|[.]($|[^0-9]))"
)
# Numbers that random makes look like a card's, known by what they stand in, for sed: Ansible's
# directories (a time, a process, a random number), UUIDs, and in etcd's own lines the ids of its
# requests, which are 64 bits: the first two bytes are one member's for ever, so that a member may
# have the beginning of a card network and every tenth of its ids the right check digit.
ETCD = '/^[{]"level":"[a-z]+","ts":"[^"]+","caller":"[^"]+[.]go:[0-9]+",/'
NO_CARDS = (
    "s/ansible-tmp-[0-9.-]+/x/g",
    r"s/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/x/gI",
    rf'{ETCD} s/("(sent|received)-request-id":)[0-9]+([,}}])/\1x\3/g',
    rf'{ETCD} s/("request":"header:<ID:)[0-9]+ /\1x /g',
)
WATCHED = ("time", "identity", "privilege", "modules", "permissions", "mounts")
SCALE = {"": 1, "s": 1, "min": 60, "h": 3600, "day": 86400, "d": 86400, "week": 604800,
         "month": 2629800, "year": 31557600}  # fmt: skip


def journald(host) -> dict[str, str]:
    """Return the settings of the journal as they are in force."""
    return settings(told(host, "systemd-analyze cat-config systemd/journald.conf"))


def unwatched(rules: str) -> list[str]:
    """Return the keys that no rule has, as files write them or as auditctl tells them."""
    keys = set(re.findall(r"(?:-k |-F key=)(\S+)$", rules, re.MULTILINE))
    return [key for key in WATCHED if key not in keys]


def without_itself(word: str) -> str:
    """Return a pattern that finds a word but not itself: sudo logs the command that looks."""
    return f"[{word[0]}]{word[1:]}"


@pytest.mark.control("RP-LOG-001")
def test_the_journal_stays_and_is_sealed(host):
    found = journald(host)
    assert found.get("storage") == "persistent", f"Storage is {found.get('storage')}"
    assert found.get("seal", "yes") == "yes", "Seal is off"
    told(host, "test -d /var/log/journal")


@pytest.mark.control("RP-LOG-002")
def test_logs_are_kept_for_a_year(host):
    kept = journald(host).get("maxretentionsec", "")
    match = re.fullmatch(r"(\d+)\s*([a-z]*?)s?", kept)
    assert match, f"MaxRetentionSec is {kept or 'not set'}"
    unit = match[2] if match[2] in SCALE else match[2] + "s"
    seconds = int(match[1]) * SCALE.get(unit, 0)
    assert seconds >= YEAR_S, f"MaxRetentionSec is {kept}"


@pytest.mark.control("RP-LOG-003")
def test_logs_leave_the_host_over_tls(host):
    told(host, "systemctl is-active rsyslog.service")
    text = told(host, "cat /etc/rsyslog.conf")
    ships = "omfwd" in text and 'StreamDriverAuthMode="x509/name"' in text
    collects = "imtcp" in text and 'StreamDriver.Mode="1"' in text
    assert ships or collects, "logs stay here, or leave in the clear"


@pytest.mark.control("RP-LOG-004")
def test_a_line_arrives_at_the_collector(host, site, other_host):
    word = f"rizzpay-control-{secrets.token_hex(8)}"
    told(host, "logger --tag compliance -- %s", word)
    collectors = site.names("monitoring")
    assert collectors, "the inventory has no host in monitoring to collect logs"
    collector = other_host(collectors[0])
    deadline_s = time.monotonic() + ARRIVES_S
    while time.monotonic() < deadline_s:
        if collector.run("grep -rqs -- %s /var/log/collected", without_itself(word)).succeeded:
            return
        time.sleep(2)
    raise AssertionError(f"{word} did not arrive within {ARRIVES_S} s")


@pytest.mark.control("RP-LOG-005")
def test_logs_are_closed_to_others(host):
    nothing_is_said(
        host,
        "find /var/log -type f -perm /007 ! -name lastlog ! -name 'wtmp*' ! -name faillog"
        " ! -path '/var/log/apt/*' ! -name 'dpkg.log*' ! -name 'alternatives.log*'"
        " ! -name bootstrap.log -print",
        "open to everybody",
    )


@pytest.mark.control("RP-LOG-006")
def test_rules_say_what_is_recorded_of_administrators(host):
    state = host.run("systemctl is-enabled auditd.service").stdout.strip()
    assert state == "enabled", f"auditd.service is {state or 'not there'}"
    missing = unwatched(told(host, "cat /etc/audit/rules.d/*.rules"))
    assert not missing, f"not recorded: {', '.join(missing)}"


@pytest.mark.control("RP-LOG-007")
def test_audit_rules_are_locked(host):
    found = [line for line in lines(host, "cat /etc/audit/rules.d/*.rules") if line[:2] == "-e"]
    assert found[-1:] == ["-e 2"], f"the last word is {found[-1:]}"


@pytest.mark.control("RP-LOG-014")
def test_the_kernel_follows_the_audit_rules(host):
    if in_container(host):
        not_applicable("a container cannot load audit rules into the kernel it shares")
    told(host, "systemctl is-active auditd.service")
    missing = unwatched(told(host, "auditctl -l"))
    assert not missing, f"not loaded: {', '.join(missing)}"


@pytest.mark.control("RP-LOG-008")
def test_the_trail_is_whole(host):
    found = rizzpay(host, "audit", "verify")
    assert found["ok"], f"findings: {json.dumps(found['findings'])[:300]}"


@pytest.mark.control("RP-LOG-009")
def test_the_head_of_the_trail_is_signed(host):
    found = rizzpay(host, "audit", "status")
    age_s = found["oldest_unsealed_s"] or 0
    assert age_s < CHECKPOINT_S, f"a row is not sealed for {age_s} s"
    head, signed = found["head"]["position"], found["checkpoint"]
    if not head:
        return
    assert signed, "nothing was ever signed"
    now_s, signed_s = int(told(host, "date +%s")), datetime.fromisoformat(signed["signed_at"])
    age_s = now_s - signed_s.timestamp()
    assert signed["position"] == head or age_s < CHECKPOINT_S, f"not signed for {age_s:.0f} s"


@pytest.mark.control("RP-LOG-010")
def test_no_log_holds_a_card_number(host):
    # The host looks for runs of digits, which are many; here they have to be card numbers.
    strangers = " ".join(f"-e '{rule}'" for rule in NO_CARDS)
    command = (
        "journalctl --since '-24 hours' --output cat 2>/dev/null"
        f" | sed -E {strangers} | grep -aoE '{CARDS}' | head -n 20000 || true"
    )
    found = [line for line in lines(host, command) if sensitive.has_card_number(line)]
    assert not found, f"{len(found)} numbers that look like cards in the journal of this day"


@pytest.mark.control("RP-LOG-011")
def test_rules_of_alerts_are_loaded(host):
    told(host, "systemctl is-active prometheus.service")
    nothing_is_said(
        host,
        "promtool check config /etc/prometheus/prometheus.yml >/dev/null 2>&1 || echo broken",
        "prometheus.yml",
    )
    text = told(host, "promtool check config /etc/prometheus/prometheus.yml 2>&1")
    rules = sum(int(count) for count in re.findall(r"(\d+) rules found", text))
    assert rules > 0, "there are no rules"


@pytest.mark.control("RP-LOG-012")
def test_every_host_is_watched(host, site):
    text = told(host, "cat /etc/prometheus/prometheus.yml")
    missing = [
        name
        for name in site.names("all")
        if str(site.variables[name]["rizzpay_address"]) not in text and name not in text
    ]
    if not site.names("all"):
        not_applicable("the inventory is empty")
    assert not missing, f"not watched: {', '.join(missing)}"
