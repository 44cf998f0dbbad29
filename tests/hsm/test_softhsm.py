"""The development token is made once, whole, and without showing its PINs."""

import os
import shutil
import subprocess
import sys
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


def test_no_pin_is_on_a_command_line_while_the_token_is_made(token, directory):
    spy = directory / "softhsm2-util"
    spy.write_text(
        f"#!{sys.executable}\nimport os, sys\n"
        f"open({str(directory / 'seen')!r}, 'w').write(f'{{sys.argv}} {{dict(os.environ)}}')\n"
        f"os.execv({shutil.which('softhsm2-util')!r}, sys.argv)\n"
    )
    spy.chmod(0o755)
    environment = {**os.environ, "PATH": f"{directory}:{os.environ['PATH']}"}
    subprocess.run([sys.executable, "-c", MAKE, str(token)], cwd=ROOT, env=environment, check=True)
    seen = (directory / "seen").read_text()
    assert "--init-token" in seen
    for name in (softhsm.USER_PIN, softhsm.OFFICER_PIN):
        assert (token / name).read_text().strip() not in seen


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
