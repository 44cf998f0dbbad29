"""F19: greenlets killed while they wait for, or use, a connection take none with them."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec

SCRIPT = Path(__file__).with_name("killed_waiters.py")


def test_killed_waiters_leave_every_connection_usable(postgres):
    done = subprocess.run(
        [sys.executable, SCRIPT],
        input=msgspec.json.encode(postgres),
        capture_output=True,
        timeout=60,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found == {"size": 4, "available": 4, "served": 12}
