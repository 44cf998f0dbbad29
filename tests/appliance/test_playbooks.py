"""The playbooks parse for every inventory, and the linter of playbooks finds nothing."""

import itertools
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


def tasks(node):
    """Yield every task of a file, those in blocks included."""
    for item in node if isinstance(node, list) else ():
        groups = [item.get(key, ()) for key in ("tasks", "pre_tasks", "post_tasks", "handlers")]
        blocks = [item.get(key, ()) for key in ("block", "rescue", "always")]
        yield from itertools.chain.from_iterable(tasks(list(part)) for part in groups + blocks)
        if "hosts" not in item and "ansible.builtin.import_playbook" not in item:
            yield item


def task_files():
    """Return every file with tasks."""
    roles = (ANSIBLE / "roles").glob("*/*/*.yml")
    files = [path for path in roles if path.parent.name in {"tasks", "handlers"}]
    return [*PLAYBOOKS, *sorted(files), *sorted((ANSIBLE / "playbooks" / "tasks").glob("*.yml"))]


def faults(text):
    """Return what is wrong with the tasks of a file, beyond what the linter looks for."""
    found = []
    for task in tasks(yaml.safe_load(text)):
        name = task.get("name")
        if not name:
            found.append(f"no name: {task}")
        if "ignore_errors" in task:
            found.append(f"{name}: ignores errors")
        foreign = [key for key in task if "." in key and not key.startswith("ansible.builtin.")]
        if foreign:
            found.append(f"{name}: {foreign} does not come with ansible-core")
        if "block" not in task and not any(key.startswith("ansible.builtin.") for key in task):
            found.append(f"{name}: the module's full name is missing")
    return found


@pytest.mark.parametrize("path", task_files(), ids=lambda path: str(path.relative_to(ANSIBLE)))
def test_every_task_has_a_name_uses_what_is_built_in_and_ignores_no_error(path):
    assert faults(path.read_text()) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("- ansible.builtin.command: 'true'", "no name"),
        ("- {name: Do, ansible.builtin.command: 'true', ignore_errors: true}", "ignores errors"),
        ("- {name: Do, community.general.ufw: {}}", "does not come with"),
        ("- {name: Do, command: 'true'}", "full name is missing"),
        ("- {name: Do, block: [{ansible.builtin.command: 'true'}]}", "no name"),
        ("- {hosts: all, tasks: [{name: Do, command: 'true'}]}", "full name is missing"),
    ],
)
def test_a_task_that_breaks_a_rule_is_found(text, complaint):
    assert any(complaint in fault for fault in faults(text))


def lint(directory, home):
    """Run the linter over a directory, with the rules of its strictest profile."""
    options = ("--offline", "--profile", "production", "--nocolor", "--format", "pep8")
    environment = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(home), "LANG": "C.UTF-8"}
    return subprocess.run(
        [BIN / "ansible-lint", *options, "."],
        cwd=directory, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(400)  # half a minute of two cores
def test_the_linter_finds_nothing_by_its_rules_for_production(tmp_path):
    done = lint(ANSIBLE, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_linter_refuses_a_command_that_is_always_a_change(tmp_path):
    play = "---\n- name: Do\n  hosts: all\n  tasks:\n    - name: Run\n"
    (tmp_path / "play.yml").write_text(f"{play}      ansible.builtin.command: id\n")
    done = lint(tmp_path, tmp_path)
    assert "no-changed-when" in done.stdout, done.stdout + done.stderr


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
