"""A SoftHSM 2 token of its own in a directory: for the embedded appliance and for tests.

Makes PINs, configuration and token; the keys are made by `rizzpay keys init`. Not for production:
the token is a directory of files. The PINs never stand on a command line, where every user could
read them: softhsm2-util asks for them on a terminal, and gets one of ours.
"""

import os
import pty
import secrets
import select
import shutil
import subprocess
from pathlib import Path

from rizzpay.config import HsmSettings
from rizzpay.core import clock
from rizzpay.core.errors import Misconfigured

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "hsm" / "softhsm2.conf.template"
INVENTORY = ROOT / "hsm" / "keys.toml"
# Debian's path first; the others are where SoftHSM's own build and other distributions put it.
MODULES = (
    Path("/usr/lib/softhsm/libsofthsm2.so"),
    Path("/usr/local/lib/softhsm/libsofthsm2.so"),
    Path("/usr/lib64/pkcs11/libsofthsm2.so"),
)
TOKEN_LABEL = "rizzpay"  # noqa: S105 - a name, not a secret
USER_PIN, OFFICER_PIN = "user.pin", "so.pin"
PROMPT = b"PIN: "
DIALOGUE_S = 30.0  # softhsm2-util needs well below a second


def check_installed() -> None:
    """Raise Misconfigured when SoftHSM 2 is not there."""
    _module()
    _program()


def init_token(directory: Path, socket: Path, *, inventory: Path = INVENTORY) -> HsmSettings:
    """Make a token in `directory` unless it has one, and return the settings for rizzpay-hsmd.

    Safe to run again: the directory appears only when the token is whole. Raises Misconfigured
    when SoftHSM 2 is not installed, and when a token that was there is gone.
    """
    tokens, config = directory / "tokens", directory / "softhsm2.conf"
    if not directory.exists() or not any(directory.iterdir()):
        _make(directory, directory.with_name(directory.name + ".new"))
    elif not tokens.is_dir() or not any(tokens.iterdir()):
        raise Misconfigured(f"{tokens} is gone, and its keys with it; bring it back from a backup")
    config.write_text(_configuration(tokens))
    return HsmSettings(
        socket=str(socket),
        module=str(_module()),
        token_label=TOKEN_LABEL,
        pin_file=str(directory / USER_PIN),
        inventory=str(inventory),
        softhsm_config=str(config),
    )


def _make(directory: Path, fresh: Path) -> None:
    """Make the token beside its place, and put it there in one step."""
    shutil.rmtree(fresh, ignore_errors=True)  # what an interrupted start left
    tokens, config = fresh / "tokens", fresh / "softhsm2.conf"
    tokens.mkdir(mode=0o700, parents=True)
    fresh.chmod(0o700)
    config.write_text(_configuration(tokens))
    user_pin, officer_pin = fresh / USER_PIN, fresh / OFFICER_PIN
    for file in (user_pin, officer_pin):
        _write_secret(file, secrets.token_urlsafe(24))
    make_token(config, officer_pin, user_pin)
    fresh.rename(directory)


def make_token(config: Path, officer_pin: Path, user_pin: Path) -> None:
    """Make a token where the configuration says, with the PINs that the files hold."""
    _converse(config, [officer_pin, officer_pin, user_pin, user_pin])


def _configuration(tokens: Path) -> str:
    return TEMPLATE.read_text().replace("{token_dir}", str(tokens))


def _module() -> Path:
    for path in MODULES:
        if path.exists():
            return path
    raise Misconfigured("SoftHSM 2 is not installed; apt-get install softhsm2")


def _program() -> str:
    program = shutil.which("softhsm2-util")
    if program is None:
        raise Misconfigured("SoftHSM 2 is not installed; apt-get install softhsm2")
    return program


def _write_secret(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")


def _converse(config: Path, answers: list[Path]) -> None:
    """Run softhsm2-util on a terminal of its own and type the PINs that it asks for."""
    command = [_program(), "--init-token", "--free", "--label", TOKEN_LABEL]
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env={**os.environ, "SOFTHSM2_CONF": str(config)},
    ) as process:
        os.close(theirs)
        try:
            said = _type_answers(ours, answers)
        except TimeoutError:
            process.kill()
            said = b"no answer in time"
        finally:
            os.close(ours)
    if process.returncode != 0:
        last = said.decode(errors="replace").strip().splitlines()[-1:]
        raise Misconfigured(f"softhsm2-util made no token: {' '.join(last)}")


def _type_answers(terminal: int, answers: list[Path]) -> bytes:
    """Answer each prompt in turn, then read to the end; returns what was said last."""
    deadline_s = clock.monotonic_s() + DIALOGUE_S
    said = b""
    for answer in answers:
        while not said.endswith(PROMPT):
            part = _read(terminal, deadline_s)
            if not part:
                return said
            said += part
        os.write(terminal, answer.read_bytes())
        said = b""
    while part := _read(terminal, deadline_s):
        said += part
    return said


def _read(terminal: int, deadline_s: float) -> bytes:
    """Return what comes next, empty at the end."""
    left_s = deadline_s - clock.monotonic_s()
    if left_s <= 0 or not select.select([terminal], [], [], left_s)[0]:
        raise TimeoutError
    try:
        return os.read(terminal, 4096)
    except OSError:  # EIO: the program has ended
        return b""
