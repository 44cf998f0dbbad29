"""Keys stay in the token, do only what they are for, and what comes out of them is right."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from rizzpay.core.secret import Secret
from rizzpay.infra.hsm.inventory import label_of, split
from rizzpay.infra.hsm.protocol import HsmRefused
from tests.hsm.running import refusal

ROOT = Path(__file__).parents[2]

# Each runs in a process of its own: a PKCS#11 module is initialised once a process.
STEAL = """
import pathlib, sys, pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
module, label, pin_file = sys.argv[1:]
pin = pathlib.Path(pin_file).read_text().strip()
session = pkcs11.lib(module).get_token(token_label=label).open(rw=True, user_pin=pin)
kek = session.get_key(label="kek-data-v1", object_class=ObjectClass.SECRET_KEY)
signer = session.get_key(label="sig-audit-v1", object_class=ObjectClass.PRIVATE_KEY)
mine = session.generate_key(KeyType.AES, 256)

def attempt(name, steal):
    try:
        print(name, "got", steal())
    except Exception as error:
        print(name, type(error).__name__)

attempt("value", lambda: kek[Attribute.VALUE])
attempt("private", lambda: signer[Attribute.VALUE])
attempt("wrap", lambda: mine.wrap_key(kek, mechanism=Mechanism.AES_KEY_WRAP))
attempt("wrap_signer", lambda: mine.wrap_key(signer, mechanism=Mechanism.AES_KEY_WRAP_PAD))
attempt("loosen", lambda: kek.__setitem__(Attribute.EXTRACTABLE, True))
attempt("copy", lambda: kek.copy({Attribute.EXTRACTABLE: True, Attribute.TOKEN: False}))
"""
COMPARE = """
import os, pathlib, sys, pkcs11
from cryptography.hazmat.primitives import keywrap
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pkcs11 import Attribute, KeyType, ObjectClass
from rizzpay.infra.hsm import cryptoki
module, label, pin_file = sys.argv[1:]
pin = pathlib.Path(pin_file).read_text().strip()
session = pkcs11.lib(module).get_token(token_label=label).open(rw=True, user_pin=pin)
known, plain = os.urandom(32), os.urandom(32)
kek = session.create_object({
    Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.KEY_TYPE: KeyType.AES,
    Attribute.VALUE: known, Attribute.TOKEN: False, Attribute.WRAP: True, Attribute.UNWRAP: True,
    Attribute.ENCRYPT: True, Attribute.DECRYPT: True,
})
padded = cryptoki.wrap(session, kek, "AES_KEY_WRAP_PAD", plain)
assert padded == keywrap.aes_key_wrap_with_padding(known, plain)  # RFC 5649
simple = cryptoki.wrap(session, kek, "AES_KEY_WRAP", plain)
assert simple == keywrap.aes_key_wrap(known, plain)  # RFC 3394
sealed = cryptoki.wrap(session, kek, "AES_GCM", plain)
assert AESGCM(known).decrypt(sealed[:12], sealed[12:], None) == plain
for mechanism, wrapped in (
    ("AES_KEY_WRAP_PAD", padded), ("AES_KEY_WRAP", simple), ("AES_GCM", sealed),
):
    assert cryptoki.unwrap(kek, mechanism, wrapped) == plain
moved = cryptoki.rewrap((kek, "AES_KEY_WRAP_PAD"), padded, (kek, "AES_KEY_WRAP"))
assert moved == simple
made = cryptoki.unwrap(kek, "AES_KEY_WRAP", cryptoki.wrap_new(session, kek, "AES_KEY_WRAP"))
assert len(made) == 32 and made != plain
assert len(list(session.get_objects({Attribute.TOKEN: False}))) == 1  # nothing is left behind
print("agreed")
"""


def with_token(program, daemon):
    """Run a program that has the PIN, as an intruder on the host would."""
    settings = daemon.settings
    token = [settings.module, settings.token_label, settings.pin_file]
    return subprocess.run(
        [sys.executable, "-c", program, *token],
        env={"SOFTHSM2_CONF": settings.softhsm_config},
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


def verify(client, label, message, signature):
    numbers = (int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    key = load_der_public_key(client.public_key(label))
    key.verify(encode_dss_signature(*numbers), message, ec.ECDSA(SHA256()))


def test_keys_are_made_so_that_they_cannot_leave(keyed):
    kek, *signers = keyed.client.list_keys()
    assert kek.label == "kek-data-v1"
    assert [signer.label for signer in signers] == ["sig-audit-v1", "sig-evidence-v1", "sig-upi-v1"]
    for key in (kek, *signers):
        assert key.flags["sensitive"] is True
        assert key.flags["always_sensitive"] is True
        assert key.flags["extractable"] is False
        assert key.flags["never_extractable"] is True
        assert key.flags["local"] is True
        assert key.flags["modifiable"] is False
    uses = ("wrap", "unwrap", "encrypt", "decrypt", "sign", "derive")
    assert [use for use in uses if kek.flags[use]] == ["wrap", "unwrap"]
    for signer in signers:
        assert [use for use in uses if signer.flags[use]] == ["sign"]
    assert len(kek.check_value) == 6


def test_who_has_the_pin_still_does_not_get_a_key(keyed):
    told = with_token(STEAL, keyed)
    assert told.stdout.splitlines() == [
        "value AttributeSensitive",
        "private AttributeSensitive",
        "wrap KeyUnextractable",
        "wrap_signer KeyUnextractable",
        "loosen PKCS11Error",  # CKR_ACTION_PROHIBITED, which python-pkcs11 has no name for
        "copy AttributeReadOnly",
    ], told.stderr


def test_wrapping_is_what_the_standards_say(hsmd):
    result = with_token(COMPARE, hsmd)
    assert result.stdout == "agreed\n", result.stderr


def test_a_data_key_wraps_and_unwraps(keyed):
    plain = Secret(bytes(range(32)))
    mechanism, wrapped = keyed.client.wrap("kek-data-v1", plain)
    assert mechanism == keyed.client.status().wrap_mechanism == "AES_KEY_WRAP_PAD"
    assert plain.reveal() not in wrapped
    assert keyed.client.unwrap("kek-data-v1", mechanism, wrapped) == plain


def test_a_data_key_made_in_the_token_is_new_each_time(keyed):
    made = [keyed.client.new_data_key("kek-data-v1") for _ in range(3)]
    values = {keyed.client.unwrap("kek-data-v1", *one).reveal() for one in made}
    assert len(values) == 3
    assert {len(value) for value in values} == {32}


def test_a_forged_wrapped_key_is_refused_and_the_token_stays(keyed):
    client = keyed.client
    mechanism, wrapped = client.new_data_key("kek-data-v1")
    for place in (0, 20, len(wrapped) - 1):
        forged = bytearray(wrapped)
        forged[place] ^= 1
        code = refusal(client.unwrap, "kek-data-v1", mechanism, bytes(forged))
        assert code == "bad_wrapped_key"
    assert refusal(client.unwrap, "kek-data-v1", mechanism, wrapped[:-8]) == "bad_wrapped_key"
    assert client.status().logins == 1


@pytest.mark.parametrize("size", [0, 1, 1000, 32 * 1024])
def test_a_signature_verifies_with_the_public_key(keyed, size):
    message = b"m" * size
    signature = keyed.client.sign("sig-audit-v1", message)
    assert len(signature) == 64
    verify(keyed.client, "sig-audit-v1", message, signature)


def test_signing_before_there_is_a_key_says_what_to_do(hsmd):
    with pytest.raises(HsmRefused, match="rizzpay keys init"):
        hsmd.client.sign_active("sig-audit", b"")
    with pytest.raises(HsmRefused, match="rizzpay keys init"):
        hsmd.client.active("kek-data")


def test_a_new_version_takes_over_and_the_old_one_only_unwraps_and_verifies(keyed):
    client = keyed.client
    old_key = client.new_data_key("kek-data-v1")
    old_signature = client.sign("sig-audit-v1", b"before")
    client.generate("kek-data-v2")
    client.generate("sig-audit-v2")
    assert client.active("kek-data") == "kek-data-v2"
    assert refusal(client.new_data_key, "kek-data-v1") == "wrong_use"
    assert refusal(client.wrap, "kek-data-v1", Secret(bytes(32))) == "wrong_use"
    assert refusal(client.sign, "sig-audit-v1", b"after") == "wrong_use"
    assert len(client.unwrap("kek-data-v1", *old_key).reveal()) == 32
    verify(client, "sig-audit-v1", b"before", old_signature)
    label, signature = client.sign_active("sig-audit", b"after")
    assert label == "sig-audit-v2"
    verify(client, label, b"after", signature)


def test_rewrapping_keeps_the_data_key(keyed):
    client = keyed.client
    old = client.new_data_key("kek-data-v1")
    client.generate("kek-data-v2")
    new = client.rewrap("kek-data-v1", *old, "kek-data-v2")
    assert new[1] != old[1]
    assert client.unwrap("kek-data-v2", *new) == client.unwrap("kek-data-v1", *old)
    assert refusal(client.unwrap, "kek-data-v1", *new) == "bad_wrapped_key"
    assert refusal(client.rewrap, "kek-data-v1", *new, "kek-data-v2") == "bad_wrapped_key"
    assert refusal(client.rewrap, "kek-data-v2", *new, "kek-data-v1") == "wrong_use"


def test_versions_are_made_in_order_and_only_of_the_inventory(keyed):
    client = keyed.client
    assert refusal(client.generate, "kek-data-v1") == "wrong_use"
    assert refusal(client.generate, "kek-data-v3") == "wrong_use"
    assert refusal(client.generate, "kek-other-v1") == "no_such_key"
    assert refusal(client.generate, "kek-data") == "no_such_key"


def test_a_key_does_nothing_but_its_kind(keyed):
    client = keyed.client
    mechanism, wrapped = client.new_data_key("kek-data-v1")
    assert refusal(client.sign, "kek-data-v1", b"") == "wrong_use"
    assert refusal(client.new_data_key, "sig-audit-v1") == "wrong_use"
    assert refusal(client.unwrap, "sig-audit-v1", mechanism, wrapped) == "wrong_use"
    assert refusal(client.unwrap, "kek-data-v1", "AES_GCM", wrapped) == "wrong_use"
    assert refusal(client.unwrap, "kek-data-v1", "RSA_PKCS", wrapped) == "wrong_use"
    assert refusal(client.public_key, "kek-data-v1") == "no_such_key"
    assert refusal(client.unwrap, "kek-data-v9", mechanism, wrapped) == "no_such_key"


def test_the_active_version_is_not_destroyed(keyed):
    assert refusal(keyed.client.destroy, "kek-data-v1") == "wrong_use"
    assert refusal(keyed.client.destroy, "sig-audit-v7") == "no_such_key"


def test_a_destroyed_version_is_gone_but_for_its_public_part(keyed):
    client = keyed.client
    old = client.new_data_key("kek-data-v1")
    signature = client.sign("sig-audit-v1", b"kept")
    client.generate("kek-data-v2")
    client.generate("sig-audit-v2")
    client.destroy("kek-data-v1")
    client.destroy("sig-audit-v1")
    assert refusal(client.unwrap, "kek-data-v1", *old) == "no_such_key"
    verify(client, "sig-audit-v1", b"kept", signature)
    assert [key.label for key in client.list_keys() if not key.has_secret] == ["sig-audit-v1"]
    assert refusal(client.generate, "sig-audit-v1") == "wrong_use"  # a number is used once


def test_every_mechanism_of_the_inventory_is_tried(keyed):
    works = {row.name: row.works for row in keyed.client.mechanisms()}
    assert works == {
        "AES_KEY_WRAP_KWP": False,  # SoftHSM 2.6 has it under the older name
        "AES_KEY_WRAP_PAD": True,
        "AES_KEY_WRAP": True,
        "AES_GCM": True,
        "ECDSA": True,
    }


def test_the_inventory_decides_how_keys_are_wrapped_and_old_keys_stay_readable(keyed):
    client = keyed.client
    padded = client.new_data_key("kek-data-v1")
    inventory = keyed.directory / "keys.toml"
    text = Path(keyed.settings.inventory).read_text()
    preferred = '["AES_GCM", "AES_KEY_WRAP_PAD"]'
    listed = str(tomllib.loads(text)["keys"]["kek-data"]["mechanisms"]).replace("'", '"')
    inventory.write_text(text.replace(listed, preferred))
    keyed.stop()
    keyed.write_config(inventory=str(inventory))
    client = keyed.start().client
    keyed.wait_for(lambda status: status.ready)
    assert client.new_data_key("kek-data-v1")[0] == "AES_KEY_WRAP_PAD"  # the key cannot encrypt
    client.generate("kek-data-v2")
    sealed = client.rewrap("kek-data-v1", *padded, "kek-data-v2")
    assert sealed[0] == client.new_data_key("kek-data-v2")[0] == "AES_GCM"
    assert client.unwrap("kek-data-v2", *sealed) == client.unwrap("kek-data-v1", *padded)
    forged = sealed[1][:-1] + bytes([sealed[1][-1] ^ 1])
    assert refusal(client.unwrap, "kek-data-v2", "AES_GCM", forged) == "bad_wrapped_key"
    assert refusal(client.unwrap, "kek-data-v2", "AES_GCM", b"short") == "bad_wrapped_key"


@pytest.mark.parametrize("label", ["kek-data-v1", "sig-audit-v20", "a-b-c-v3"])
def test_a_label_is_a_family_and_a_version(label):
    parts = split(label)
    assert parts is not None
    assert label_of(*parts) == label


@pytest.mark.parametrize("label", ["", "kek-data", "kek-data-v0", "kek-data-v01", "v1", "K-v1"])
def test_another_name_is_not_a_label(label):
    assert split(label) is None
