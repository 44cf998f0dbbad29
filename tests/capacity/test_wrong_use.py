"""Wrong use of the load verbs: each is one clear sentence and an exit status, and sends nothing."""

import json
import resource

import pytest
from click.testing import CliRunner

from capacity.__main__ import main
from capacity.errors import Unfit
from capacity.load import preflight, store


@pytest.fixture
def files(tmp_path, cluster):
    """Credentials of a service that is not there, and settings with the tests' database."""
    database = cluster.settings
    (tmp_path / "rizzpay.toml").write_text(
        '[service]\ndeployment = "embedded"\n[database]\n'
        f'host = "{database.host}"\nport = {database.port}\nname = "{database.name}"\n'
        f'worker_password_file = "{database.worker_password_file}"\n'
    )
    given = {
        "base_url": "https://127.0.0.1:1", "ca_file": "/nonexistent", "merchant_id": "mer_1",
        "key_id": "rk_test_1", "key_secret": "made-for-this-test",
    }  # fmt: skip
    (tmp_path / "credentials.json").write_text(json.dumps(given))
    return [
        f"--credentials={tmp_path / 'credentials.json'}",
        f"--config={tmp_path / 'rizzpay.toml'}",
    ]


def run(*arguments):
    return CliRunner().invoke(main, arguments)


def test_a_load_without_a_target_is_refused(files):
    done = run("load", *files)
    assert done.exit_code == 2
    assert "no target" in done.output


def test_a_check_without_a_target_is_refused(files):
    done = run("check", *files)
    assert done.exit_code == 2
    assert "no target" in done.output


@pytest.mark.parametrize("verb", [("load", "--rate", "10"), ("check", "--target-tps", "10")])
def test_a_database_that_may_forget_is_refused(files, verb):
    done = run(*verb, *files)  # the tests' database runs without fsync
    assert done.exit_code == 2
    assert "database not durable: fsync is off" in done.output


def test_a_role_that_commits_without_waiting_is_refused(cluster):
    with cluster.server.connect(cluster.settings.name) as conn:
        wanted = preflight.WANTED
        assert wanted["fsync"] == ("on",)
        conn.execute("ALTER ROLE rizzpay_app SET synchronous_commit = 'off'")
        try:
            found = [str(row[1]) for row in conn.execute(store.OVERRIDES)]
        finally:
            conn.execute("ALTER ROLE rizzpay_app RESET synchronous_commit")
    assert "synchronous_commit=off" in found


def test_a_database_that_is_not_there_is_told(files, tmp_path):
    settings = tmp_path / "rizzpay.toml"
    settings.write_text(settings.read_text().replace("port = ", "port = 1"))
    done = run("load", "--rate", "10", *files)
    assert done.exit_code == 3
    assert "the database does not answer" in done.output


def test_credentials_that_are_not_whole_are_refused(files, tmp_path):
    (tmp_path / "credentials.json").write_text("{}")
    done = run("load", "--rate", "10", *files)
    assert done.exit_code == 2
    assert "base_url is missing" in done.output


def test_a_file_that_is_no_rizzpay_toml_is_refused(files, tmp_path):
    (tmp_path / "rizzpay.toml").write_text("a = 1")
    done = run("load", "--rate", "10", *files)
    assert done.exit_code == 2
    assert "is not a rizzpay.toml" in done.output


def test_more_connections_than_files_are_refused():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        pytest.skip("this system has no limit of open files")
    with pytest.raises(Unfit, match="file descriptors"):
        preflight.descriptors(hard)


def test_a_report_of_a_strange_file_is_refused(tmp_path):
    (tmp_path / "strange.json").write_text('{"format": "something else"}')
    done = run("report", f"--json={tmp_path / 'strange.json'}", f"--html={tmp_path / 'r.html'}")
    assert done.exit_code == 2
    assert "is no file of load, check, bench or grow" in done.output
