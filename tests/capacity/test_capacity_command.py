"""The verbs of `rizzpay-capacity` are there and explain themselves."""

import importlib

import click
import pytest

from capacity.__main__ import COMMANDS
from tests.capacity.test_probe import rizzpay_capacity

PLANNING = ("probe", "plan", "render", "verify")


def test_the_verbs_that_lead_to_a_tuned_machine_come_first():
    assert tuple(COMMANDS)[:4] == PLANNING


@pytest.mark.parametrize("name", PLANNING)
def test_every_option_of_the_verb_is_explained(name):
    command = importlib.import_module(COMMANDS[name]).command
    silent = [
        option.name
        for option in command.params
        if isinstance(option, click.Option) and not option.help
    ]
    assert command.help
    assert silent == []


@pytest.mark.parametrize("name", PLANNING)
def test_help_of_the_verb_shows_examples(name):
    done = rizzpay_capacity(name, "--help")
    assert done.returncode == 0
    assert f"rizzpay-capacity {name}" in done.stdout


def test_an_unknown_verb_is_wrong_use():
    done = rizzpay_capacity("tune")
    assert done.returncode == 2
    assert "No such command" in done.stderr
