"""The controls of logs tell a leak from what only looks like one."""

import pytest
import testinfra

from rizzpay.core import sensitive
from tests.compliance.controls import control_logs
from tests.compliance.plugin import NotApplicable

# Ids of etcd that begin and end as a card number does.
SENT, RECEIVED = "4836739184620573918", "6227739184620573918"
ETCD = (
    '{"level":"warn","ts":"2026-11-21T23:59:01.000000Z","caller":"etcdserver/v3_server.go:932",'
    '"msg":"%s",%s}'
)
STRANGERS = [
    ETCD % ("ignored out-of-date read index response; local node read indexes queueing up",
            f'"sent-request-id":{SENT},"received-request-id":{RECEIVED}'),
    ETCD % ("waiting for ReadIndex response took too long, retrying",
            f'"sent-request-id":{SENT},"retry-timeout":"500ms"'),
    ETCD % ("apply request took too long",
            f'"took":"1.2s","request":"header:<ID:{SENT} > txn:<success:<>>","response":"size:16"'),
    "made 41829304-1182-4071-b5d2-41829304118b",
    "made 41111111-1111-1111-1111-111111111111",
    f"python3 ansible-tmp-1763769600.123-41111-{SENT}/AnsiballZ_command.py",
    "sha256 4111111111111111ab03c5d7e9f1b3d5a7c9e1f3b5d7a9c1e3f5b7d9a1c3e5f7",
    "settled 4111111111111112",
    "took 0.4111111111111111 s",
    "at 4111111111111111.25",
]  # fmt: skip
LEAKS = [
    "paid with 4111 1111 1111 1111",
    "paid with 4111-1111-1111-1111.",
    '{"level":"info","event":"payment.sent","card":"5555555555554444"}',
    "paid with 3782 822463 10005",
    "paid with 378282246310005 today",
    # only etcd's own lines have such ids, only as numbers, and nothing else in them is let through
    f'{{"level":"info","event":"payment.sent","sent-request-id":{SENT}}}',
    ETCD % ("a value was too long", f'"sent-request-id":1,"card":{SENT}'),
    ETCD % ("a value was too long", f'"sent-request-id":"{SENT}"'),
    ETCD % ("apply request took too long", f'"request":"header:<ID:1 > key:{SENT} "'),
]  # fmt: skip
RULES = "\n".join(f"-w /etc/{key} -p wa -k {key}" for key in control_logs.WATCHED)
LOADED = "\n".join(f"-a always,exit -F arch=b64 -F key={key}" for key in control_logs.WATCHED)


@pytest.fixture
def host(tmp_path, monkeypatch):
    """This machine, on which a test may put programs before the others."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return testinfra.get_host("local://")


def put(tmp_path, name, prints, status=0):
    """Have a program print this and end so."""
    (tmp_path / f"{name}.txt").write_text(f"{prints}\n")
    program = tmp_path / name
    program.write_text(f"#!/bin/sh\n/bin/cat {tmp_path}/{name}.txt\nexit {status}\n")
    program.chmod(0o755)


@pytest.mark.parametrize("number", [SENT, RECEIVED])
def test_the_ids_of_these_tests_look_like_cards(number):
    assert sensitive.has_card_number(number)


@pytest.mark.parametrize("line", STRANGERS)
def test_a_number_that_only_looks_like_a_card_is_no_leak(line, host, tmp_path):
    put(tmp_path, "journalctl", f"started\n{line}\nstopped")
    control_logs.test_no_log_holds_a_card_number(host)


@pytest.mark.parametrize("line", LEAKS)
def test_a_card_number_in_a_log_is_a_leak(line, host, tmp_path):
    put(tmp_path, "journalctl", f"started\n{line}\nstopped")
    with pytest.raises(AssertionError, match=r"^1 numbers that look like cards"):
        control_logs.test_no_log_holds_a_card_number(host)


@pytest.mark.parametrize("line", STRANGERS)
def test_a_leak_beside_such_a_number_is_seen(line, host, tmp_path):
    put(tmp_path, "journalctl", f"{line}\npaid with 4111111111111111")
    with pytest.raises(AssertionError, match=r"^1 numbers that look like cards"):
        control_logs.test_no_log_holds_a_card_number(host)


def test_the_search_for_a_line_does_not_find_its_own_command(host, tmp_path):
    word = "rizzpay-control-0123456789abcdef"
    asked = control_logs.without_itself(word)
    (tmp_path / "log").write_text(f"sudo: COMMAND=/bin/sh -c grep -rqs -- {asked} /var/log\n")
    assert not host.run("grep -rqs -- %s %s", asked, str(tmp_path)).succeeded
    (tmp_path / "log").write_text(f"n1 compliance: {word}\n")
    assert host.run("grep -rqs -- %s %s", asked, str(tmp_path)).succeeded


def test_audit_rules_without_their_file_are_a_failure(host, tmp_path):
    put(tmp_path, "systemctl", "enabled")
    put(tmp_path, "cat", RULES)
    control_logs.test_rules_say_what_is_recorded_of_administrators(host)
    put(tmp_path, "cat", RULES.replace("-k identity", "-k identities"))
    with pytest.raises(AssertionError, match=r"not recorded: identity$"):
        control_logs.test_rules_say_what_is_recorded_of_administrators(host)
    put(tmp_path, "cat", "-D\n-b 8192")
    with pytest.raises(AssertionError, match="not recorded: time, identity"):
        control_logs.test_rules_say_what_is_recorded_of_administrators(host)
    put(tmp_path, "cat", "no such file", status=1)
    with pytest.raises(AssertionError, match="no such file"):
        control_logs.test_rules_say_what_is_recorded_of_administrators(host)


def test_a_container_shows_nothing_of_the_kernels_audit(host, tmp_path):
    put(tmp_path, "systemd-detect-virt", "systemd-nspawn")
    with pytest.raises(NotApplicable, match="a container cannot load audit rules"):
        control_logs.test_the_kernel_follows_the_audit_rules(host)


@pytest.mark.parametrize("loaded", [RULES, LOADED])
def test_a_kernel_without_the_rules_is_a_failure(loaded, host, tmp_path):
    put(tmp_path, "systemd-detect-virt", "none", status=1)
    put(tmp_path, "systemctl", "active")
    put(tmp_path, "auditctl", loaded)
    control_logs.test_the_kernel_follows_the_audit_rules(host)
    put(tmp_path, "auditctl", "No rules")
    with pytest.raises(AssertionError, match="not loaded: time, identity"):
        control_logs.test_the_kernel_follows_the_audit_rules(host)
    put(tmp_path, "auditctl", loaded)
    put(tmp_path, "systemctl", "failed", status=3)
    with pytest.raises(AssertionError, match="is-active auditd"):
        control_logs.test_the_kernel_follows_the_audit_rules(host)
