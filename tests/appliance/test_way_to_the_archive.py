"""rizzpay-pgbackrest: a repository that is silent is not the end of the archive.

pgBackRest is a program of ours here that ends as it is told; with PostgreSQL, the lab runs it.
"""

import os
import subprocess

import pytest
from jinja2 import StrictUndefined, Template

from appliance.embedded.layout import ROOT

TEMPLATE = ROOT / "appliance/ansible/roles/postgresql/templates/archive.sh.j2"
PGBACKREST = """#!/bin/bash
echo "$*" >> "$LOG"
exit "$STATUS"
"""
STOPS = range(126, 256)  # what PostgreSQL ends a recovery at, and a standby
UNREACHABLE = 103  # pgBackRest: no repository is valid


@pytest.fixture
def data(tmp_path):
    """A data directory, in which PostgreSQL runs its commands."""
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def way(tmp_path, data):
    """Run rizzpay-pgbackrest of a host; returns its status and what pgBackRest was asked for."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "pgbackrest").write_text(PGBACKREST)
    (programs / "pgbackrest").chmod(0o755)
    log = tmp_path / "log"

    def run(*arguments, status, host="backup1"):
        script = tmp_path / "archive"
        text = Template(TEMPLATE.read_text(), undefined=StrictUndefined).render(
            inventory_hostname=host,
            groups={"backup": ["backup1"]},
            hostvars={"backup1": {"rizzpay_address": "127.0.0.1"}},  # nobody listens on its 8432
        )
        script.write_text(text.replace("/run/postgresql", str(tmp_path)))
        log.write_text("")
        done = subprocess.run(
            ["bash", script, *arguments],
            cwd=data,
            env={
                "PATH": f"{programs}:{os.environ['PATH']}",
                "STATUS": str(status),
                "LOG": str(log),
            },
            check=False,
        )
        return done.returncode, log.read_text()

    return run


GET = ("get", "0000000100000000000000AB", "pg_wal/RECOVERYXLOG")
ASKED = "archive-get 0000000100000000000000AB pg_wal/RECOVERYXLOG\n"
PATRONI = ROOT / "appliance/ansible/roles/postgresql/templates/patroni.yml.j2"


@pytest.mark.parametrize("signals", [[], ["standby.signal"], ["recovery.signal"]])
@pytest.mark.parametrize("status", [0, 1])
def test_what_the_repository_says_is_handed_on(way, data, signals, status):
    for name in signals:
        (data / name).touch()
    answered, asked = way(*GET, status=status)
    assert (answered, asked.endswith(ASKED)) == (status, True)


@pytest.mark.parametrize("status", [UNREACHABLE, 2, 124, 127, 137])
def test_a_restored_database_stops_when_the_repository_did_not_answer(way, data, status):
    (data / "recovery.signal").touch()
    assert way(*GET, status=status)[0] in STOPS


def test_a_restored_database_waits_for_pgbackrest_and_trusts_no_quick_look(way, data, tmp_path):
    (data / "recovery.signal").touch()
    (tmp_path / "archive-is-silent").touch()
    answered, asked = way(*GET, status=0, host="db1")
    assert (answered, asked) == (0, f"--stanza=rizzpay --pg1-path={data} {ASKED}")


@pytest.mark.parametrize("status", [UNREACHABLE, 2, 124, 127, 137])
@pytest.mark.parametrize("signals", [["standby.signal"], ["standby.signal", "recovery.signal"]])
def test_a_standby_is_never_stopped(way, data, signals, status):
    for name in signals:
        (data / name).touch()
    assert way(*GET, status=status)[0] == 1


def test_a_standby_finds_a_silent_repository_out_at_once_and_leaves_it_alone(way, data, tmp_path):
    (data / "standby.signal").touch()
    assert way(*GET, status=0, host="db1") == (1, "")
    assert (tmp_path / "archive-is-silent").exists()
    assert way(*GET, status=0, host="db1") == (1, "")


def test_pgbackrest_finds_its_name_in_the_command_without_which_it_makes_no_backup():
    (command,) = [line for line in PATRONI.read_text().splitlines() if "archive_command" in line]
    assert "pgbackrest push %p" in command


def test_a_push_says_how_it_went(way):
    assert way("push", "pg_wal/X", status=0) == (0, "--stanza=rizzpay archive-push pg_wal/X\n")
    assert way("push", "pg_wal/X", status=UNREACHABLE)[0] == UNREACHABLE
    assert way("push", "pg_wal/X", status=0, host="db1") == (1, "")


def test_nothing_else_is_done(way):
    assert way("put", "a", "b", status=0) == (2, "")
