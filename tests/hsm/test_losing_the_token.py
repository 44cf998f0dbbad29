"""rizzpay-hsmd outlives its token: it says that it is away, and logs in again by itself."""

import signal
import time
from pathlib import Path

import pytest

from rizzpay.core.errors import Unavailable
from rizzpay.infra.hsm import daemon
from rizzpay.infra.hsm.client import HsmClient
from tests.hsm.running import Hsmd, refusal


@pytest.mark.parametrize("idle", [False, True], ids=["asked_meanwhile", "idle_meanwhile"])
def test_a_token_that_was_away_is_logged_in_to_again(keyed, idle):
    client = keyed.client
    mechanism, wrapped = client.new_data_key("kek-data-v1")
    plain = client.unwrap("kek-data-v1", mechanism, wrapped)
    away = keyed.tokens.with_name("away")
    keyed.tokens.rename(away)
    if not idle:
        assert refusal(client.unwrap, "kek-data-v1", mechanism, wrapped) == "unavailable"
        assert refusal(client.sign, "sig-audit-v1", b"") == "unavailable"
        assert refusal(client.list_keys) == "unavailable"
    status = client.status()
    assert not status.ready
    assert refusal(client.active, "kek-data") == "unavailable"
    away.rename(keyed.tokens)
    status = keyed.wait_for(lambda status: status.ready)
    assert client.unwrap("kek-data-v1", mechanism, wrapped) == plain
    assert len(client.sign("sig-audit-v1", b"again")) == 64
    assert status.logins == 2
    assert keyed.process.poll() is None


def test_a_token_that_comes_and_goes_is_found_each_time(keyed):
    client = keyed.client
    mechanism, wrapped = client.new_data_key("kek-data-v1")
    away = keyed.tokens.with_name("away")
    for _ in range(3):
        (inner,) = keyed.tokens.iterdir()
        inner.rename(away)
        assert refusal(client.sign, "sig-audit-v1", b"") == "unavailable"
        away.rename(inner)
        keyed.wait_for(lambda status: status.ready)
        assert len(client.unwrap("kek-data-v1", mechanism, wrapped).reveal()) == 32


def test_it_starts_without_a_token_and_finds_it_later(directory):
    hsmd = Hsmd(directory)
    away = hsmd.tokens.with_name("away")
    hsmd.tokens.rename(away)
    hsmd.start()
    try:
        assert not hsmd.client.status().ready
        assert refusal(hsmd.client.sign, "sig-audit", b"") == "unavailable"
        away.rename(hsmd.tokens)
        assert hsmd.wait_for(lambda status: status.ready).logins == 1
        hsmd.with_keys()
    finally:
        hsmd.stop()


def test_a_missing_module_is_said_and_waited_for(directory):
    hsmd = Hsmd(directory)
    hsmd.write_config(module=str(directory / "vendor.so"))
    hsmd.start()
    try:
        assert "no log-in" in hsmd.wait_for(lambda status: status.detail != "not tried yet").detail
        (directory / "vendor.so").symlink_to("/usr/lib/softhsm/libsofthsm2.so")
        hsmd.wait_for(lambda status: status.ready)
    finally:
        hsmd.stop()


def test_a_wrong_pin_is_tried_once_because_tokens_count(directory):
    hsmd = Hsmd(directory)
    pin = Path(hsmd.settings.pin_file)
    right = pin.read_text()
    pin.write_text("not the PIN\n")
    hsmd.start()
    try:
        status = hsmd.wait_for(lambda status: "correct the PIN file" in status.detail)
        assert not status.ready
        time.sleep(2 * daemon.LOGIN_EVERY_S)
        assert hsmd.log.read_text().count("PinIncorrect") == 1
        pin.write_text(right)
        assert hsmd.wait_for(lambda status: status.ready)
    finally:
        hsmd.stop()


def test_requests_do_not_put_off_the_next_log_in(keyed):
    away = keyed.tokens.with_name("away")
    keyed.tokens.rename(away)
    refusal(keyed.client.sign, "sig-audit", b"")
    away.rename(keyed.tokens)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:  # asks all the time
        try:
            keyed.client.sign("sig-audit", b"")
        except Unavailable:
            continue
        break
    assert keyed.client.status().ready


def test_a_daemon_that_is_stopped_and_goes_on_is_only_late(keyed):
    keyed.process.send_signal(signal.SIGSTOP)
    client = HsmClient(keyed.settings.socket, timeout_s=0.3)
    with pytest.raises(Unavailable, match="in time"):
        client.sign("sig-audit", b"")
    keyed.process.send_signal(signal.SIGCONT)
    keyed.wait_for(lambda status: status.ready)
    assert len(client.sign("sig-audit", b"")) == 64
