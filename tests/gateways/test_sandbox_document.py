"""docs/sandbox.md says what the sandbox does."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rizzpay.commands.sandbox import command
from rizzpay.sandbox import magic
from rizzpay.sandbox.letters import BACKOFF_S
from tests.gateways.acquirer import Acquirer

TEXT = (Path(__file__).parents[2] / "docs/sandbox.md").read_text()
ROWS = dict(re.findall(r"^\| `([^`]+)` \| (.*?) \|", TEXT, flags=re.MULTILINE))

pytestmark = pytest.mark.docs


@pytest.mark.parametrize("table", [magic.TOKENS, magic.VPAS], ids=["tokens", "VPAs"])
def test_every_magic_word_is_described_as_it_behaves(table):
    assert {value: script.text for value, script in table.items()}.items() <= ROWS.items()


@pytest.mark.parametrize(
    ("table", "title"),
    [(magic.CHARGE_AMOUNTS, "payment amount"), (magic.REFUND_AMOUNTS, "refund amount")],
)
def test_every_magic_amount_is_described_as_it_behaves(table, title):
    part = TEXT.partition(f"| {title} ends in")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `(\d\d)` \| (.*) \|$", part, flags=re.MULTILINE)
    assert rows == [(f"{digits:02}", script.text) for digits, script in table.items()]


def test_every_option_stands_there_with_its_default():
    for option in command.params:
        name = option.opts[0]
        assert name in ROWS
        if isinstance(option.default, int | float | str) and option.show_default:
            assert ROWS[name].strip("`") == str(option.default).removesuffix(".0"), name


def test_the_retries_stand_there():
    seconds = re.search(r"comes again after ([\d, \nand]+) seconds", TEXT).group(1)
    assert tuple(int(number) for number in re.findall(r"\d+", seconds)) == BACKOFF_S


def test_the_example_runs(tmp_path):
    acquirer = Acquirer(tmp_path / "own", {"--key-id": "sandbox"})
    example = re.search(r"```python charge.py\n(.*?)```", TEXT, flags=re.DOTALL).group(1)
    secret = tmp_path / "own/secret-file"
    environment = {**os.environ, "SANDBOX_URL": acquirer.url, "SANDBOX_SECRET_FILE": str(secret)}
    command_line = [sys.executable, "-c", example]
    done = subprocess.run(
        command_line, env=environment, capture_output=True, text=True, timeout=20, check=False
    )
    acquirer.stop()
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("remembered: True\n")
