"""Linters and type checkers find nothing, and would find something."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent

# As script/lint has them.
CHECKS = {
    "ruff check": ("ruff", "check", "--no-cache", "."),
    "ruff format": ("ruff", "format", "--no-cache", "--check", "."),
    "mypy": ("mypy",),
    "basedpyright": ("basedpyright",),
}

CLOCK = '"""Read the clock."""\n\nfrom datetime import UTC, datetime\n\nNOW = datetime.now(UTC)\n'
UGLY = '"""Ugly."""\nx = {  "a":1 }\n'
UNTYPED = '"""Untyped."""\n\n\ndef add(a, b):\n    """Add."""\n    return a + b\n'
BUILT = '''"""A query made of what came in."""

import psycopg

pytestmark = pytest.mark.slow


def find(conn: psycopg.Connection, name: str) -> None:
    """Look for a name."""
    conn.execute("SELECT id FROM rizzpay.merchants WHERE name = '" + name + "'")
'''


def run(*command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a tool of the environment that runs the tests."""
    return subprocess.run(
        [BIN / command[0], *command[1:]], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.mark.timeout(300)  # mypy without a cache on a busy machine
@pytest.mark.parametrize("name", CHECKS)
def test_the_repository_passes_the_check(name):
    result = run(*CHECKS[name])
    assert result.returncode == 0, result.stdout + result.stderr


def test_ruff_refuses_a_clock_of_ones_own(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text(CLOCK)
    result = run("ruff", "check", "--no-cache", "--config", str(ROOT / "pyproject.toml"), str(bad))
    assert "TID251" in result.stdout


def test_ruff_refuses_an_ugly_file(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text(UGLY)
    assert run("ruff", "format", "--no-cache", "--check", str(bad)).returncode == 1


def test_mypy_refuses_an_untyped_function(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text(UNTYPED)
    settings = tmp_path / "mypy.toml"
    text = (ROOT / "pyproject.toml").read_text()
    settings.write_text(re.sub(r"^packages = .*$", 'files = ["bad.py"]', text, flags=re.MULTILINE))
    result = run("mypy", "--config-file", str(settings), cwd=tmp_path)
    assert "no-untyped-def" in result.stdout, result.stdout


@pytest.mark.timeout(300)
def test_basedpyright_refuses_a_query_that_is_put_together(tmp_path):
    store = tmp_path / "rizzpay" / "payments" / "store.py"
    store.parent.mkdir(parents=True)
    store.write_text(BUILT)
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    result = run("basedpyright", "--pythonpath", sys.executable, cwd=tmp_path)
    assert "reportArgumentType" in result.stdout, result.stdout + result.stderr
