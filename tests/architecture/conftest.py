"""The reader of the documents: a shell with the service's command and a running appliance."""

import os
import sys
from pathlib import Path

import pytest


@pytest.fixture
def path_only(tmp_path):
    """An environment with nothing but the programs and an own home."""
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {"PATH": programs, "HOME": str(tmp_path), "LANG": "C.UTF-8"}


@pytest.fixture
def reader(path_only, appliance):
    """The environment of somebody who has started script/server and follows a document."""
    return {
        **path_only,
        "RIZZPAY_DATA": str(appliance.data),
        "RIZZPAY_CONFIG": str(appliance.data / "rizzpay.toml"),
    }
