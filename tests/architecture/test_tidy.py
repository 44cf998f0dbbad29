"""The house rules hold everywhere, and each of them can fail."""

from pathlib import Path

import pytest

from tests.architecture import rules
from tests.architecture.rules import Source

ROOT = Path(__file__).parents[2]

# For each rule, one file that it has to refuse.
BAD = {
    "lines_fit": Source("rizzpay/x.py", "x = 1  # " + "very " * 30),
    "files_are_short": Source("rizzpay/x.py", "x = 1\n" * 401),
    "functions_are_short": Source("rizzpay/x.py", "def long():\n" + "    x = 1\n" * 70),
    "names_say_something": Source("rizzpay/payments/utils.py", ""),
    "nothing_is_left_over": Source("sql/x.sql", "-- " + "TO" + "DO: index"),
    "nothing_is_a_stub": Source("rizzpay/x.py", 'def pay():\n    """Pay."""\n    ...\n'),
    "modules_say_what_they_are": Source("rizzpay/x.py", "import os\n"),
    "stores_are_private": Source("rizzpay/api/x.py", "from rizzpay.payments import store\n"),
    "sql_has_its_room": Source("rizzpay/api/x.py", 'FIND = "SELECT id FROM rizzpay.payments"\n'),
    "queries_name_their_columns": Source("rizzpay/x/store.py", 'ALL = "SELECT * FROM x"\n'),
    "money_is_whole": Source("rizzpay/ledger/x.py", "def half(amount: int): return amount / 2\n"),
    "participants_do_not_commit": Source("rizzpay/x.py", "def add(conn):\n    conn.commit()\n"),
    "gevent_patches_at_the_door": Source("rizzpay/app.py", "monkey.patch_all()\n"),
    "tests_are_sentences": Source("tests/test_x.py", "def test_refund(): pass\n"),
    "no_machine_is_named": Source("docs/x.md", "cd /home" + "/jane/rizzpay"),
}

# More ways to break a rule, and near misses that it has to let pass.
ALSO_BAD = [
    ("nothing_is_a_stub", Source("rizzpay/x.py", "def f():\n    raise NotImplementedError\n")),
    ("stores_are_private", Source("rizzpay/api/x.py", "from rizzpay.vault.store import FIND\n")),
    ("stores_are_private", Source("rizzpay/api/x.py", "import rizzpay.vault.store\n")),
    ("money_is_whole", Source("rizzpay/payments/x.py", "def f(amount: float): ...\n")),
    ("money_is_whole", Source("rizzpay/payments/x.py", "fee_total: float = 0\n")),
    ("queries_name_their_columns", Source("rizzpay/x/store.py", 'A = "SELECT p.* FROM x AS p"\n')),
]
FINE = [
    ("lines_fit", Source("docs/x.md", "| " + "cell | " * 30)),
    ("nothing_is_a_stub", Source("rizzpay/x.py", "class P(Protocol):\n    def f(self): ...\n")),
    ("stores_are_private", Source("rizzpay/vault/service.py", "from rizzpay.vault import store\n")),
    ("queries_name_their_columns", Source("rizzpay/x/store.py", 'A = "SELECT count(*) FROM x"\n')),
    ("money_is_whole", Source("rizzpay/payments/x.py", "def wait(timeout_s: float): ...\n")),
    ("modules_say_what_they_are", Source("tests/__init__.py", "")),
]


@pytest.fixture(scope="module")
def sources():
    return rules.repository(ROOT)


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_the_repository_keeps_the_rule(rule, sources):
    found = [f"{source.path}: {finding}" for source in sources for finding in rule(source)]
    assert not found, f"{rule.__doc__}\n" + "\n".join(found)


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_the_rule_refuses_a_bad_sample(rule):
    assert list(rule(BAD[rule.__name__]))


@pytest.mark.parametrize(("name", "source"), ALSO_BAD)
def test_the_rule_refuses_another_bad_sample(name, source):
    assert list(getattr(rules, name)(source))


@pytest.mark.parametrize(("name", "source"), FINE)
def test_the_rule_lets_a_near_miss_pass(name, source):
    assert not list(getattr(rules, name)(source))


def test_no_shipped_module_is_dead(sources):
    assert not list(rules.no_module_is_dead(sources))


def test_a_dead_module_would_be_found():
    used = Source("rizzpay/used.py", '"""Used."""\n')
    user = Source("rizzpay/__main__.py", "from rizzpay import used\n")
    named = Source("rizzpay/named.py", '"""Named by a unit."""\n')
    unit = Source("appliance/systemd/x.service", "ExecStart=python -m rizzpay.named\n")
    script = Source("script/x", "python3 rizzpay/started.py --fast\n")
    started = Source("rizzpay/started.py", '"""Started by its path."""\n')
    role = "appliance/ansible/roles/preflight"
    look = Source(f"{role}/files/look.py", '"""Run by a task."""\n')
    task = Source(f"{role}/tasks/main.yml", "cmd: look.py {{ address }}\n")
    lost = Source(f"{role}/files/lost.py", '"""Run by no task."""\n')
    dead = Source("rizzpay/dead.py", '"""Imports itself."""\nfrom rizzpay import dead\n')
    house = [used, user, named, unit, started, script, look, task, lost, dead]
    found = list(rules.no_module_is_dead(house))
    assert found == [
        "appliance.ansible.roles.preflight.files.lost is imported by nobody",
        "rizzpay.dead is imported by nobody",
    ]


def test_the_rules_read_the_whole_repository(sources):
    read = {source.path for source in sources}
    assert {"rizzpay/__main__.py", "sql/roles.sql", "README.md", "script/lint"} <= read
    assert "tests/architecture/test_tidy.py" in read
