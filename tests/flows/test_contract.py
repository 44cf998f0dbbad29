"""schemathesis against the running service: every route, with authentication, over HTTPS."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.flows.merchant import open_shop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]

HOOKS = Path(__file__).with_name("schemathesis_checks.py")
CHECKS = [
    "no_fault_of_ours",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "ignored_auth",
    "unsupported_method",
]
CONFIG = """\
[auth.basic]
username = "${SHOP_KEY_ID}"
password = "${SHOP_KEY_SECRET}"
"""


def test_no_answer_breaks_the_contract(appliance, tmp_path):
    shop = open_shop(
        *(appliance, "Contract Shop", "--tier", "enterprise", "--requests-per-minute", "600000"),
        *("--collect-exemption", "mcc_6211", "--upi-vpa", "contract@rizzpay"),
    )
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG)
    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("schemathesis"), "--config-file", config, "run"),
            f"{shop.base_url}/openapi.json",
            *("--url", shop.base_url, "--tls-verify", appliance.credentials["ca_file"]),
            *("--checks", ",".join(CHECKS), "--continue-on-failure", "--no-color"),
            *("--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "12"),
            *("--max-time", "90", "--suppress-health-check", "all", "--warnings", "off"),
            # a deleted key would end the run for all that come after it
            *("--exclude-operation-id", "revokeApiKey", "--generation-database", "none"),
        ],
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": str(HOOKS),
            "SHOP_KEY_ID": shop.key[0],
            "SHOP_KEY_SECRET": shop.key[1],
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
    generated = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert int(generated[1]) > 1_000
