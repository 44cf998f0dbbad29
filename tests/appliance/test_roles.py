"""Roles and units: every default is specified, alerts have their page, units their sandbox."""

import configparser
import re
from itertools import chain

import pytest
import yaml

from appliance.embedded.layout import ROOT

ROLES = ROOT / "appliance" / "ansible" / "roles"
UNITS = ROOT / "appliance" / "systemd"
RULES = ROLES / "monitoring" / "files" / "rules"


@pytest.mark.parametrize("name", sorted(path.name for path in ROLES.iterdir()))
def test_every_default_of_a_role_is_specified_and_every_specification_has_a_default(name):
    defaults = yaml.safe_load((ROLES / name / "defaults" / "main.yml").read_text())
    specs = yaml.safe_load((ROLES / name / "meta" / "argument_specs.yml").read_text())
    options = specs["argument_specs"]["main"]["options"]
    assert all(key.startswith(f"{name}_") for key in defaults)
    # what is of the whole site has no default: the inventory or the vault has to say it
    site = {key for key in options if key.startswith(("rizzpay_", "vault_"))} - set(defaults)
    assert set(options) - site == set(defaults)
    unsaid = [key for key in site if not options[key].get("required")]
    assert name == "bundle" or not unsaid, unsaid


def alerts():
    rules = yaml.safe_load((RULES / "rizzpay.yml").read_text())
    return [rule for group in rules["groups"] for rule in group["rules"]]


def test_every_alert_has_its_page_and_its_two_tests():
    headings = re.findall(r"^## (\w+)$", (ROOT / "docs" / "alerts.md").read_text(), re.MULTILINE)
    names = [rule["alert"] for rule in alerts()]
    assert headings == names
    runbooks = [rule["annotations"]["runbook"] for rule in alerts()]
    assert runbooks == [f"docs/alerts.md#{name.lower()}" for name in names]
    tests = yaml.safe_load((RULES / "rizzpay_test.yml").read_text())["tests"]
    assert [test["name"] for test in tests] == [
        f"{name}, {state}" for name in names for state in ("well", "amiss")
    ]


def test_every_figure_of_the_service_in_a_rule_exists():
    words = chain.from_iterable(re.findall(r"\brizzpay_\w+", rule["expr"]) for rule in alerts())
    source = (ROOT / "rizzpay" / "infra" / "metrics.py").read_text()
    for word in words:
        assert re.sub(r"_(total|bucket|count|sum)$", "", word) in source, word


@pytest.mark.parametrize("path", sorted(UNITS.glob("*.service")), ids=lambda path: path.name)
def test_every_unit_runs_as_nobody_special_within_limits(path):
    unit = configparser.RawConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read_string(path.read_text())
    service = unit["Service"]
    assert service["User"] in {"rizzpay", "rizzpay-hsm"}
    assert "~@privileged" in path.read_text()
    if service["Type"] == "notify":
        assert int(service["WatchdogSec"]) <= 60
        assert int(unit["Unit"]["StartLimitBurst"]) <= 30
        assert service["Restart"] == "always"
