"""rizzpay.toml: what is read, and what is refused with a sentence that says what to change."""

from pathlib import Path

import pytest

from rizzpay import config
from rizzpay.core.errors import Misconfigured

GOOD = """
[service]
deployment = "production"
run_dir = "/run/rizzpay"
public_url = "https://pay.example.com"
data_dir = "/var/lib/rizzpay"

[database]
host = "/run/postgresql"
port = 5432
name = "rizzpay"
app_password_file = "app"
worker_password_file = "worker"
owner_password_file = "owner"

[cache]
socket = "/run/valkey.sock"

[hsm]
socket = "/run/rizzpay/hsm.sock"
module = "/usr/lib/vendor.so"
token_label = "rizzpay"
pin_file = "pin"
inventory = "hsm/keys.toml"

[gateways.bank]
kind = "sandbox"
base_url = "https://bank.example.com"
livemode = false
key_id = "rizzpay"
secret_file = "secret"
callback_secret_file = "callback"
"""


def written(path: Path, text: str) -> Path:
    file = path / "rizzpay.toml"
    file.write_text(text)
    return file


def test_settings_are_read_with_their_defaults(tmp_path):
    settings = config.load(written(tmp_path, GOOD))
    assert settings.gateways["bank"].livemode is False
    assert settings.webhooks.schedule_s[:3] == (0, 5, 300)
    assert settings.payments.resolve_schedule_s == (30, 120, 600, 3600, 21_600, 86_400)


def test_a_secret_named_without_a_directory_is_a_credential_of_the_unit(tmp_path, monkeypatch):
    file = written(tmp_path, GOOD)
    assert config.load(file).database.app_password_file == str(tmp_path / "credentials" / "app")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/unit")
    settings = config.load(file)
    assert settings.database.worker_password_file == "/run/credentials/unit/worker"
    assert settings.hsm.pin_file == "/run/credentials/unit/pin"
    assert settings.gateways["bank"].callback_secret_file == "/run/credentials/unit/callback"
    assert settings.cache.password_file == ""  # none is wanted


def test_a_secret_with_a_directory_is_taken_as_it_is(tmp_path):
    settings = config.load(written(tmp_path, GOOD.replace('"pin"', '"/etc/pin"')))
    assert settings.hsm.pin_file == "/etc/pin"


def test_a_credential_may_be_readable_through_an_access_list_and_by_nobody_else(
    tmp_path, monkeypatch
):
    file = tmp_path / "app"
    file.write_text("secret")
    file.chmod(0o440)
    with pytest.raises(Misconfigured, match="readable by others"):
        config.read_secret(str(file))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert config.read_secret(str(file)).reveal() == "secret"
    file.chmod(0o444)
    with pytest.raises(Misconfigured, match="readable by others"):
        config.read_secret(str(file))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(Misconfigured, match="does not exist; name the file with --config"):
        config.load(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("[service]", "[service", "rizzpay.toml"),
        ("port = 5432", 'port = "5432"', "port"),
        ('"/run/postgresql"', '"10.0.0.1"', "set database.ca_file for TLS"),
        ('socket = "/run/valkey.sock"', 'host = "10.0.0.1"', "set cache.ca_file for TLS"),
        ("port = 5432", 'port = 5432\nserver_name = "db"', "set database.ca_file"),
        ("port = 5432", "port = 5432\nsurprise = 1", "surprise"),
        ('"production"', '"staging"', "embedded or production"),
        ("https://pay", "http://pay", "public_url must begin with https"),
        ("livemode = false", "livemode = true", "the sandbox cannot take live payments"),
        ('kind = "sandbox"', 'kind = "sandbox"\nsurprise = 1', "surprise"),
        ('kind = "sandbox"', 'kind = "sandbox"\nupi_links = "theirs"', "upi_links"),
        ("[cache]", '[webhooks]\nprivate_targets = ["10.0.0.0/33"]\n[cache]', "not a CIDR"),
        ("[cache]", '[webhooks]\nprivate_targets = ["0.0.0.0/0"]\n[cache]', "whole internet"),
        ("[cache]", '[webhooks]\nprivate_targets = ["::/0"]\n[cache]', "whole internet"),
        ("[cache]", '[webhooks]\nprivate_targets = ["127.0.0.0/8"]\n[cache]', "this host itself"),
        ("[cache]", '[webhooks]\nprivate_targets = ["169.254.0.0/16"]\n[cache]', "host itself"),
        ("[cache]", '[webhooks]\nprivate_targets = ["126.0.0.0/7"]\n[cache]', "this host itself"),
        ("[cache]", '[webhooks]\nprivate_targets = ["::/1"]\n[cache]', "this host itself"),
        (
            'kind = "sandbox"\nbase_url = "https://bank.example.com"\nlivemode = false',
            'kind = "bank"\nbase_url = "http://bank.example.com"\nlivemode = true',
            "must begin with https",
        ),
    ],
)
def test_what_is_wrong_or_unsafe_is_refused(before, after, sentence, tmp_path):
    assert before in GOOD
    with pytest.raises(Misconfigured, match=sentence):
        config.load(written(tmp_path, GOOD.replace(before, after, 1)))


def test_private_targets_of_the_operator_are_allowed(tmp_path):
    text = GOOD.replace("[cache]", '[webhooks]\nprivate_targets = ["10.1.0.0/16"]\n[cache]')
    assert config.load(written(tmp_path, text)).webhooks.private_targets == ("10.1.0.0/16",)


def test_a_secret_file_is_read_without_its_last_newline(tmp_path):
    file = tmp_path / "secret"
    file.write_text("s3cret\n")
    file.chmod(0o600)
    secret = config.read_secret(str(file))
    assert secret.reveal() == "s3cret"
    assert "s3cret" not in repr(secret)


@pytest.mark.parametrize(
    ("text", "mode", "sentence"),
    [("s3cret", 0o640, "chmod 600"), ("s3cret", 0o604, "chmod 600"), ("\n", 0o600, "empty")],
)
def test_a_secret_file_that_others_may_read_or_that_is_empty_is_refused(
    text, mode, sentence, tmp_path
):
    file = tmp_path / "secret"
    file.write_text(text)
    file.chmod(mode)
    with pytest.raises(Misconfigured, match=sentence) as caught:
        config.read_secret(str(file))
    assert "s3cret" not in str(caught.value)


def test_a_secret_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(Misconfigured, match="No such file"):
        config.read_secret(str(tmp_path / "none"))


@pytest.mark.parametrize("name", ["events_days", "callbacks_days"])
def test_forgetting_too_soon_is_refused(name, tmp_path):
    with pytest.raises(Misconfigured, match=f"retention.{name} must be 90 or more"):
        config.load(written(tmp_path, f"{GOOD}\n[retention]\n{name} = 89\n"))
