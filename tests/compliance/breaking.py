"""A pytest plugin that breaks the host before each control is tried, and mends it afterwards.

Loaded beside `plugin.py` by `breaking_proof.py`, by its name in PYTEST_PLUGINS. What it could not
break or mend it writes to the file that RIZZPAY_BREAK_TROUBLES names.
"""

import os
import tempfile
from pathlib import Path

import pytest

from tests.compliance.plugin import RUN, control_of
from tests.compliance.seeds import SEEDS

NAME = os.environ["RIZZPAY_BREAK_HOST"]
TROUBLES = Path(os.environ["RIZZPAY_BREAK_TROUBLES"])
ORDER = {name: place for place, name in enumerate(SEEDS)}
SHELL = pytest.StashKey()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Take the controls in the order of the seeds."""
    items.sort(key=lambda item: ORDER[control_of(item)])


def pytest_sessionstart(session):
    # a connection of its own: what it does is no evidence; the path of a socket is a short one
    sockets = tempfile.mkdtemp(prefix="rz")
    session.stash[SHELL] = session.config.stash[RUN].site.connect(NAME, sockets)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    control = control_of(item)
    _do(item.session, control, SEEDS[control].hurt)
    try:
        return (yield)
    finally:
        _do(item.session, control, SEEDS[control].heal)


def _do(session, control: str, command: str) -> None:
    done = session.stash[SHELL].run("sh -c %s", command)
    if done.failed:
        with TROUBLES.open("a") as file:
            file.write(f"{control}: {command}: {done.stderr.strip()}\n")
