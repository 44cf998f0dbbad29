"""`rizzpay audit` as an operator and an auditor use it, with checkpoints signed by a token."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rizzpay.__main__ import main
from rizzpay.infra.hsm.client import HsmClient
from tests.store.trails import SoftwareSigner

SCRIPT = re.compile(r"^```python verify\.py\n(.*?)^```$", re.MULTILINE | re.DOTALL)
GUIDE = Path(__file__).parents[2] / "docs" / "audit.md"


@pytest.fixture
def signed(trail, hsm):
    """A trail of five rows that the HSM has signed, and one that is not sealed."""
    trail.signer = HsmClient(hsm.socket)
    trail.sealed(5)
    trail.append(1)
    return trail


@pytest.fixture
def rizzpay(hsm):
    """Run the command with the settings of this session."""
    config = Path(hsm.socket).parent / "rizzpay.toml"

    def run(*arguments):
        return CliRunner().invoke(main, ["--config", str(config), "audit", *map(str, arguments)])

    return run


def asked(result):
    return json.loads(result.stdout)


def test_a_whole_trail_is_said_to_be_whole(signed, rizzpay):
    result = rizzpay("verify")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "links        5 verified, from position 1" in result.stdout
    assert "by sig-audit-v1" in result.stdout
    assert "unsealed     1 rows" in result.stdout
    assert result.stdout.endswith("the trail is whole\n")


def test_one_flipped_byte_is_named_with_its_row(signed, rizzpay):
    victim = signed.id_at(3)
    signed.tamper(f"UPDATE rizzpay.audit_log SET actor = 'workes' WHERE id = {victim}")
    result = rizzpay("verify")
    assert result.exit_code == 1
    assert f"altered at position 3, audit row {victim}:" in result.stdout
    assert result.stdout.endswith("the trail was tampered with\n")
    told = rizzpay("verify", "--json")
    assert told.exit_code == 1
    (finding,) = asked(told)["findings"]
    assert (finding["kind"], finding["position"], finding["audit_id"]) == ("altered", 3, victim)
    assert asked(told)["ok"] is False


def test_the_head_of_today_is_the_anchor_of_tomorrow(signed, rizzpay):
    head = re.search(r"^head +(\S+)$", rizzpay("status").stdout, re.MULTILINE)[1]
    signed.append(1)
    assert signed.seal() == 2
    assert signed.checkpoint().position == 7
    assert rizzpay("verify", "--anchor", head).exit_code == 0
    other = head[:-1] + ("0" if head[-1] != "0" else "1")
    refused = rizzpay("verify", "--anchor", other)
    assert refused.exit_code == 1
    assert "anchor_contradicted at position 5" in refused.stdout
    assert rizzpay("verify", "--anchor", "5").exit_code == 2


def test_the_status_says_what_is_sealed_signed_and_waiting(signed, rizzpay):
    told = asked(rizzpay("status", "--json"))
    assert told["head"]["position"] == told["checkpoint"]["position"] == 5
    assert told["checkpoint"]["key_label"] == "sig-audit-v1"
    assert told["unsealed"] == 1
    assert told["oldest_unsealed_s"] >= 0
    assert "unsealed     1 rows" in rizzpay("status").stdout


def test_an_empty_trail_has_a_status_and_verifies(trail, rizzpay):
    assert "nothing is sealed yet" in rizzpay("status").stdout
    assert asked(rizzpay("status", "--json"))["checkpoint"] is None
    assert rizzpay("verify").exit_code == 0


def test_verification_may_begin_in_the_middle(signed, rizzpay):
    assert asked(rizzpay("verify", "--json", "--from-position", 4))["links"] == 2
    beyond = rizzpay("verify", "--from-position", 99)
    assert beyond.exit_code == 2
    assert "no position 98" in beyond.stderr


def test_an_auditor_brings_the_public_key_along(signed, rizzpay, tmp_path):
    pem = tmp_path / "key.pem"
    pem.write_text(rizzpay("public-key").stdout)
    der = tmp_path / "key.der"
    der.write_bytes(signed.signer.public_key("sig-audit-v1"))
    for option in (pem, der, f"sig-audit-v1={pem}"):
        assert rizzpay("verify", "--public-key", option).exit_code == 0
    told = asked(rizzpay("public-key", "sig-audit-v1", "--json"))
    assert told == {"label": "sig-audit-v1", "public_key": pem.read_text()}


def test_the_wrong_public_key_is_not_believed(signed, rizzpay, tmp_path):
    wrong = tmp_path / "wrong.der"
    (der,) = SoftwareSigner().public_keys.values()
    wrong.write_bytes(der)
    result = rizzpay("verify", "--public-key", wrong)
    assert result.exit_code == 1
    assert "checkpoint_altered at position 5" in result.stdout
    result = rizzpay("verify", "--public-key", f"sig-audit-v9={wrong}")
    assert "checkpoint_unverifiable at position 5" in result.stdout


def test_a_file_that_is_no_public_key_is_one_sentence(signed, rizzpay, tmp_path):
    assert "No such file" in rizzpay("verify", "--public-key", tmp_path / "none").stderr
    garbage = tmp_path / "garbage"
    for text in ("garbage", "-----BEGIN PUBLIC KEY-----\n"):
        garbage.write_text(text)
        result = rizzpay("verify", "--public-key", garbage)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "is not a public key" in result.stderr


def test_a_checkpoint_of_a_key_that_the_hsm_does_not_have_is_not_believed(signed, rizzpay):
    signed.tamper("UPDATE rizzpay.audit_checkpoints SET key_label = 'sig-audit-v77'")
    result = rizzpay("verify")
    assert result.exit_code == 1
    assert "sig-audit-v77:" in result.stderr
    assert "checkpoint_unverifiable" in result.stdout


def test_an_export_never_overwrites(signed, rizzpay, tmp_path):
    file = tmp_path / "trail.jsonl"
    assert asked(rizzpay("export", "--output", file, "--json")) == {
        "output": str(file),
        "links": 5,
    }
    assert rizzpay("export", "--output", file).exit_code == 1
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["position"] for line in lines] == [1, 2, 3, 4, 5]
    assert ["checkpoint" in line for line in lines] == [False] * 4 + [True]


def outside(signed, rizzpay, tmp_path):
    """Run the verifier that the guide prints, on an export, without RizzPay."""
    (script,) = re.findall(
        r"^```python verify\.py\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL
    )
    (tmp_path / "verify.py").write_text(script)
    (tmp_path / "key.pem").write_text(rizzpay("public-key").stdout)
    rizzpay("export", "--output", tmp_path / "trail.jsonl")
    return subprocess.run(
        [sys.executable, "verify.py", "trail.jsonl", "key.pem"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_verifier_that_the_guide_prints_agrees_with_ours(signed, rizzpay, tmp_path):
    result = outside(signed, rizzpay, tmp_path)
    assert result.stdout == "5 rows, 1 checkpoint: the trail is whole\n"
    assert result.returncode == 0


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        ("UPDATE rizzpay.audit_log SET detail = '{}' WHERE id = {id}", "position 2 is not what"),
        ("DELETE FROM rizzpay.audit_log WHERE id = {id}", "position 2 is not what"),
        ("DELETE FROM rizzpay.audit_chain WHERE position = 2", "position 2 is not what"),
        ("UPDATE rizzpay.audit_checkpoints SET signed_at = now()", "position 5 is not signed"),
    ],
)
def test_the_verifier_that_the_guide_prints_sees_tampering(signed, rizzpay, tmp_path, harm, words):
    signed.tamper(harm.replace("{id}", str(signed.id_at(2))))
    result = outside(signed, rizzpay, tmp_path)
    assert result.returncode == 1
    assert words in result.stderr


def test_a_public_key_of_the_wrong_kind_is_refused(signed, rizzpay, tmp_path):
    public = Ed25519PrivateKey.generate().public_key()
    file = tmp_path / "ed25519.pem"
    file.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    result = rizzpay("verify", "--public-key", file)
    assert result.exit_code == 2
    assert "not a P-256 key" in result.stderr
