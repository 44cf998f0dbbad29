"""What the appliance decides without starting anything: sizes, settings, certificates, accounts."""

import os
import shutil
import socket
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from appliance.embedded import (
    accounts,
    certificates,
    layout,
    overlay,
    postgres,
    preflight,
    serving,
    settings,
    valkey,
)
from appliance.embedded.accounts import Account
from rizzpay import config
from rizzpay.config import HsmSettings
from rizzpay.core.errors import Misconfigured
from rizzpay.infra.database import Role

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
GIB = 1024**3


@pytest.mark.parametrize(
    ("cores", "workers"), [(1, 1), (2, 2), (3, 2), (4, 2), (8, 4), (16, 8), (64, 32)]
)
def test_half_of_the_cores_serve_the_api_but_two_of_two(cores, workers):
    assert serving.workers_for(cores) == workers


@pytest.mark.parametrize(("memory", "buffers"), [(1, 128), (24, 1536), (128, 2048)])
def test_postgresql_takes_a_sixteenth_of_the_memory_within_limits(memory, buffers):
    text = postgres.settings_text(Path("/run/x"), postgres.Sizing(memory * GIB, 44))
    assert f"shared_buffers = {buffers}MB" in text
    assert "max_connections = 44" in text


def test_postgresql_of_the_appliance_is_durable_and_silent_about_data():
    text = postgres.settings_text(Path("/run/x"), postgres.Sizing(GIB, 44))
    for line in (
        "fsync = on",
        "full_page_writes = on",
        "synchronous_commit = on",
        "listen_addresses = ''",
        "password_encryption = scram-sha-256",
        "log_error_verbosity = terse",
        "log_min_error_statement = panic",
    ):
        assert line in text.splitlines()
    assert postgres.ACCESS.split() == ["local", "all", "all", "scram-sha-256"]


@pytest.fixture
def place(tmp_path):
    (tmp_path / "secrets").mkdir()
    return layout.Layout(tmp_path, tmp_path / "run")


@pytest.fixture
def parts(tmp_path, place):
    return settings.Parts(
        postgres.settings(tmp_path, {role: place.secret(role.value) for role in Role}),
        valkey.settings(tmp_path / "v.sock", place.secret("valkey")),
        HsmSettings("/s", "/m", "label", "/pin", "/keys"),
    )


ADDRESSES = settings.Addresses(8443, 8090)


def test_what_is_written_is_what_the_service_reads(place, parts):
    for upi_links in ("acquirer", "own"):
        built = settings.build(place, ADDRESSES, parts, upi_links, 1.5)
        assert built.gateways["sandbox"].upi_links == upi_links
        assert built.gateways["sandbox"].answer_timeout_s == 1.5
        layout.write_private(place.config, settings.toml(built))
        assert config.load(place.config) == built


OTHER_GATEWAY = """
[payments]
upi_expiry_s = 60
[gateways.shop]
kind = "razorpay"
base_url = "http://127.0.0.1:4000"
livemode = false
key_id = "rzp_test_1"
secret_file = "key"
callback_secret_file = "webhook"
"""


def test_own_settings_stand_over_the_written_ones(tmp_path, place, parts):
    mine = tmp_path / "mine.toml"
    mine.write_text(OTHER_GATEWAY)
    built = settings.build(place, ADDRESSES, parts)
    laid = overlay.apply(built, mine)
    assert list(laid.gateways) == ["shop", "sandbox"]
    assert laid.gateways["sandbox"] == built.gateways["sandbox"]
    assert (laid.payments.upi_expiry_s, laid.payments.redirect_expiry_s) == (60, 1800)
    assert (laid.database, laid.service) == (built.database, built.service)
    mine.write_text("[gateways.sandbox]\n" + settings.toml(built).partition("sandbox]\n")[2])
    assert overlay.apply(built, mine) == built


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[database]\nname = 'x'", r"\[database\] is the appliance's own"),
        ("[payments]\nupi_expiry_s = 'soon'", r"upi_expiry_s"),
        ("[payments]\nwhen = 1", "unknown field `when`"),
        ("payments = 1", "payments stands in no section"),
        ("[payments", "mine.toml: "),
        ("\0", "mine.toml: "),
    ],
)
def test_own_settings_that_make_no_sense_are_one_sentence(tmp_path, place, parts, text, words):
    mine = tmp_path / "mine.toml"
    mine.write_text(text)
    with pytest.raises(Misconfigured, match=words):
        overlay.apply(settings.build(place, ADDRESSES, parts), mine)


def test_a_secret_is_made_once_and_is_private(tmp_path):
    place = layout.Layout(tmp_path, tmp_path / "run")
    (tmp_path / "secrets").mkdir()
    path = place.secret("one")
    first = path.read_text()
    assert place.secret("one").read_text() == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(first) > 40
    assert place.secret("two").read_text() != first


def test_sockets_have_short_paths_wherever_the_data_is(tmp_path):
    deep = tmp_path.joinpath(*["deep" * 10] * 5)
    assert len(str(layout.of(deep).run / "postgres" / ".s.PGSQL.5432.lock")) < 107
    assert layout.of(deep).run != layout.of(tmp_path).run


def test_somebody_elses_run_directory_is_not_touched(tmp_path):
    target = tmp_path / "elsewhere"
    target.mkdir()
    (target / "file").touch()
    (tmp_path / "run").symlink_to(target)
    place = layout.Layout(tmp_path / "data", tmp_path / "run")
    layout.claim(place)
    with pytest.raises(Misconfigured, match="belongs to somebody else"):
        layout.prepare(place)
    assert (target / "file").exists()


def test_certificates_are_kept_until_they_are_about_to_run_out(tmp_path):
    def serial(now: datetime) -> tuple[int, int]:
        files = certificates.ensure(tmp_path / "tls", now)
        found = [x509.load_pem_x509_certificate(path.read_bytes()) for path in files]
        return found[0].serial_number, found[1].serial_number

    authority, server = serial(NOW)
    assert serial(NOW + timedelta(days=300)) == (authority, server)
    renewed = serial(NOW + timedelta(days=359))
    assert renewed[0] == authority
    assert renewed[1] != server


def test_the_key_of_the_authority_is_private(tmp_path):
    certificates.ensure(tmp_path / "tls", NOW)
    for name in ("ca.key", "server.pem"):
        assert stat.S_IMODE((tmp_path / "tls" / name).stat().st_mode) == 0o600


def test_a_directory_closed_to_others_is_found(tmp_path):
    stranger = Account("nobody", 65_534, 65_534)
    tmp_path.chmod(0o700)
    assert not accounts.reaches(stranger, tmp_path / "file")
    assert accounts.reaches(Account("me", os.geteuid(), os.getegid()), tmp_path / "file")
    assert accounts.reaches(stranger, Path("/usr/bin/env"))


def test_a_capability_is_asked_for_only_where_it_is_needed():
    plain = Account("nobody", 65_534, 65_533)
    assert plain.arguments() == ["--reuid=65534", "--regid=65533", "--clear-groups"]
    able = Account("nobody", 65_534, 65_533, "dac_read_search")
    assert "--ambient-caps=-all,+dac_read_search" in able.arguments()


def test_a_preferred_port_is_taken_when_it_is_free_and_another_otherwise():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        other = preflight.free_port(port, "/some/place")
        assert other in preflight.PORTS
        assert preflight.is_free(other)
    assert preflight.free_port(port, "/some/place") == port


def test_pids_that_are_shown_are_the_workers_that_serve():
    families = {"postgres": [7], "api-0": [10, 11], "api-1": [20, 21], "worker": [30], "hsmd": []}
    shown = serving.shown_pids(families)
    assert (shown["api"], shown["api_arbiters"]) == ([11, 21], [10, 20])
    assert (shown["postgres"], shown["worker"]) == (7, 30)
    assert "hsmd" not in shown
    assert serving.shown_pids({}) == {}


def test_bootstrap_has_nothing_to_do_a_second_time():
    script = layout.ROOT / "script" / "bootstrap"
    done = subprocess.run([script, "--dev"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    wrong = subprocess.run([script, "--all"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert wrong.stderr == "script/bootstrap: it takes --dev, --lab or nothing\n"


def test_bootstrap_takes_debians_python_whatever_stands_first_in_path(tmp_path):
    other = tmp_path / "python3"
    other.write_text("#!/bin/sh\nexit 9\n")
    other.chmod(0o755)
    debians = Path("/usr/bin/python3")
    fit = "import sys; sys.exit(sys.version_info < (3, 11))"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        fit = f"import ensurepip; {fit}"
    is_fit = debians.exists() and not subprocess.run([debians, "-c", fit], check=False).returncode
    done = subprocess.run(
        [layout.ROOT / "script" / "bootstrap", "--all"],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == (2 if is_fit else 9), done.stderr


def test_help_names_every_option():
    done = subprocess.run(
        [sys.executable, "-m", "appliance.embedded", "serve", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    for option in ("--data", "--port", "--workers", "--postgres", "--no-demo", "--fresh"):
        assert option in done.stdout
