"""The playbooks parse for every inventory, and the linter of playbooks finds nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from appliance.embedded.layout import ROOT

ANSIBLE = ROOT / "appliance" / "ansible"
BIN = Path(sys.executable).parent
PLAYBOOKS = [ANSIBLE / "site.yml", *sorted((ANSIBLE / "playbooks").glob("*.yml"))]
INVENTORIES = sorted(path.parent for path in (ANSIBLE / "inventories").glob("*/hosts.yml"))
GROUPS = {"loadbalancers", "databases", "apis", "monitoring", "backup"}


def run(name, *arguments, home):
    """Run a program of ansible as in a terminal without anybody's own settings."""
    environment = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(home), "LANG": "C.UTF-8"}
    return subprocess.run(
        [BIN / name, *map(str, arguments)],
        cwd=ANSIBLE, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_there_is_an_inventory_for_every_kind_of_site():
    assert [path.name for path in INVENTORIES] == ["ha", "single", "two_sites"]


@pytest.mark.parametrize("inventory", INVENTORIES, ids=lambda path: path.name)
def test_every_playbook_parses_for_the_inventory(inventory, tmp_path):
    done = run("ansible-playbook", "-i", inventory, "--syntax-check", *PLAYBOOKS, home=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("inventory", INVENTORIES, ids=lambda path: path.name)
def test_every_host_of_an_inventory_has_its_own_address_and_every_group_a_host(inventory):
    site = yaml.safe_load((inventory / "hosts.yml").read_text())["all"]
    addresses = [host["rizzpay_address"] for host in site["hosts"].values()]
    assert len(set(addresses)) == len(addresses)
    assert set(site["children"]) >= GROUPS
    for group in site["children"].values():
        assert set(group["hosts"]) <= set(site["hosts"])


def test_the_inventories_explain_the_same_settings():
    names = {
        frozenset(yaml.safe_load((path / "group_vars/all/main.yml").read_text()))
        for path in INVENTORIES
    }
    assert len(names) == 1


def test_the_example_of_the_vault_names_every_secret_that_a_role_uses_and_holds_none():
    example = yaml.safe_load((ANSIBLE / "inventories" / "vault.example.yml").read_text())
    assert set(example.values()) == {""}
    used = set()
    for path in (ANSIBLE / "roles").rglob("*"):
        if path.is_file() and path.suffix in {".yml", ".j2"}:
            words = path.read_text().replace("{", " ").replace("}", " ").split()
            used |= {word.strip(":,\"'()") for word in words if word.startswith("vault_rizzpay_")}
    assert {name for name in used if name.isidentifier()} == set(example)
