"""The controls of logs fail when what they look for is not there."""

import pytest
import testinfra

from tests.compliance.controls import control_logs
from tests.compliance.plugin import NotApplicable

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
