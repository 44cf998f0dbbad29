"""The development token is made once, whole, and without showing its PINs."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from appliance.embedded import softhsm
from rizzpay.core.errors import Misconfigured

MAKE = "import sys, pathlib; from appliance.embedded.softhsm import init_token; p = pathlib.Path;"
MAKE += "init_token(p(sys.argv[1]), p(sys.argv[1] + '.sock'))"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def token(directory):
    return directory / "token"


def test_a_token_is_made_once(token):
    first = softhsm.init_token(token, token / "h.sock")
    kept = {path: path.read_bytes() for path in token.rglob("*") if path.is_file()}
    assert softhsm.init_token(token, token / "h.sock") == first
    assert {path: path.read_bytes() for path in token.rglob("*") if path.is_file()} == kept


def test_pins_are_for_their_owner_only_and_differ(token):
    settings = softhsm.init_token(token, token / "h.sock")
    pins = [Path(settings.pin_file), token / softhsm.OFFICER_PIN]
    assert {pin.stat().st_mode & 0o777 for pin in pins} == {0o600}
    assert len({pin.read_text() for pin in pins}) == 2
    assert token.stat().st_mode & 0o777 == 0o700


def test_no_pin_is_on_a_command_line_while_the_token_is_made(token):
    making = subprocess.Popen([sys.executable, "-c", MAKE, str(token)], cwd=ROOT)
    seen = set()
    while making.poll() is None:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                seen.add((process / "cmdline").read_bytes())
            except OSError:
                continue
        time.sleep(0.001)
    assert making.returncode == 0
    assert any(b"--init-token" in line for line in seen)
    pins = [(token / name).read_bytes().strip() for name in (softhsm.USER_PIN, softhsm.OFFICER_PIN)]
    assert not [line for line in seen for pin in pins if pin in line]


def test_an_interrupted_start_leaves_nothing_half(token):
    half = token.with_name("token.new") / "tokens" / "half"
    half.mkdir(parents=True)
    softhsm.init_token(token, token / "h.sock")
    assert not (token / "tokens" / "half").exists()
    assert not token.with_name("token.new").exists()


def test_a_token_that_is_gone_is_not_made_again(token):
    softhsm.init_token(token, token / "h.sock")
    (token / "tokens").rename(token / "away")
    with pytest.raises(Misconfigured, match="bring it back from a backup"):
        softhsm.init_token(token, token / "h.sock")
    (token / "away").rename(token / "tokens")
    assert softhsm.init_token(token, token / "h.sock")
