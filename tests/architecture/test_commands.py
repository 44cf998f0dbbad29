"""Every subcommand of `rizzpay` explains itself and can answer in JSON."""

import json
import subprocess
import sys

import pytest

from rizzpay.__main__ import COMMANDS

# Run in a process of its own: importing `work` patches the standard library.
WALK = """
import json
import click
from rizzpay.__main__ import main

def walk(command, path):
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path[-1])
        for name in command.list_commands(context):
            yield from walk(command.get_command(context, name), [*path, name])
    else:
        yield {
            "path": path,
            "help": command.help or "",
            "options": [option for parameter in command.params for option in parameter.opts],
            "silent": [
                parameter.name
                for parameter in command.params
                if isinstance(parameter, click.Option) and not parameter.help
            ],
        }

print(json.dumps(list(walk(main, ["rizzpay"]))))
"""


@pytest.fixture(scope="module")
def commands():
    """Every command that does something: its path, help and options."""
    result = subprocess.run(
        [sys.executable, "-c", WALK], capture_output=True, text=True, check=True
    )
    return json.loads(result.stdout)


def rizzpay(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as an operator does."""
    return subprocess.run(
        [sys.executable, "-m", "rizzpay", *arguments], capture_output=True, text=True, check=False
    )


def test_every_promised_command_is_there(commands):
    assert {command["path"][1] for command in commands} == set(COMMANDS)


def test_every_command_explains_itself_and_its_options(commands):
    silent = [command["path"] for command in commands if not command["help"] or command["silent"]]
    assert silent == []


def test_every_command_can_answer_in_json(commands):
    mute = [command["path"] for command in commands if "--json" not in command["options"]]
    assert mute == []


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_the_command_is_shown(name):
    result = rizzpay(name, "--help")
    assert result.returncode == 0
    assert "Usage:" in result.stdout


def test_an_unknown_command_is_wrong_use():
    result = rizzpay("pay-me")
    assert result.returncode == 2
    assert "No such command" in result.stderr


def test_a_missing_configuration_is_one_sentence(tmp_path):
    result = rizzpay("--config", str(tmp_path / "none.toml"), "migrate", "--dry-run")
    assert result.returncode == 2
    assert result.stderr.strip().count("\n") == 0
    assert "does not exist" in result.stderr
    assert "Traceback" not in result.stderr
