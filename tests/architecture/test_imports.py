"""The import contracts hold, and each of them catches the import that it forbids."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACTS = [contract["name"] for contract in SETTINGS["contracts"]]

# Contract -> a file of rizzpay and an import there that break it.
TRESPASSES = {
    "Layers: arrows go down only": ("ledger/model.py", "rizzpay.payments.types"),
    "The service does not know the appliance that carries it": ("infra/jobs.py", "appliance"),
    "Measurements look from outside": ("../capacity/__init__.py", "rizzpay.config"),
    "A capacity plan comes from its machine and its target alone": (
        "../capacity/sizing/demand.py",
        "capacity.probe.tree",
    ),
    "Pure modules touch no part of the outside world": ("ledger/model.py", "rizzpay.infra.jobs"),
    "Decisions read no clock, no chance and no file": ("ledger/model.py", "rizzpay.core.clock"),
    "falcon has its room: the API, its composition root and the sandbox server": (
        "infra/jobs.py",
        "falcon",
    ),
    "psycopg has its room: infra and the stores": ("api/__init__.py", "psycopg"),
    "pkcs11 has its room: the HSM daemon": ("infra/jobs.py", "pkcs11"),
    "gunicorn and llhttp have their room: the HTTP server": ("infra/jobs.py", "httptools"),
    "redis has its room: the cache": ("infra/jobs.py", "redis"),
    "urllib3 has its room: the HTTP client": ("webhooks/__init__.py", "urllib3"),
    "segno, Pillow and zxing-cpp have their rooms: images of QR codes": ("api/views.py", "segno"),
    "structlog has its room: the log": ("infra/jobs.py", "structlog"),
    "prometheus_client has its room: metrics, their files and tallies": (
        "api/__init__.py",
        "prometheus_client",
    ),
    "cryptography has its rooms: infra, and who verifies the trail": (
        "webhooks/__init__.py",
        "cryptography",
    ),
    "gevent has its rooms: entry points, infra, the writer and the sandbox server": (
        "api/__init__.py",
        "gevent",
    ),
    "Only the catalog knows the connectors; they do not know each other": (
        "payments/__init__.py",
        "rizzpay.gateways.sandbox",
    ),
    "The sandbox acquirer shares nothing with us but core": (
        "sandbox/__init__.py",
        "rizzpay.config",
    ),
    "Nobody but the command line knows the sandbox acquirer": (
        "api/__init__.py",
        "rizzpay.sandbox",
    ),
}


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter as script/lint does, over the tree below `root`."""
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache", "--no-logo"],
        cwd=root,
        env={"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the house in which something may be broken."""
    root = tmp_path_factory.mktemp("house")
    for part in SETTINGS["root_packages"]:
        shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def test_the_import_contracts_are_kept():
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_contract_has_its_trespass():
    assert set(TRESPASSES) == set(CONTRACTS)


@pytest.mark.parametrize("contract", CONTRACTS)
def test_the_contract_catches_a_trespass(contract, copy):
    path, module = TRESPASSES[contract]
    file = copy / "rizzpay" / path
    before = file.read_text()
    file.write_text(f"{before}\nimport {module}\n")
    try:
        result = lint(copy)
    finally:
        file.write_text(before)
    assert result.returncode == 1, result.stdout + result.stderr
    assert f"{contract} BROKEN" in " ".join(result.stdout.split()), result.stdout
